/*
 * The threads of the reader:
 *
 *	the caller's:  source ─▶ chunks
 *	workers:       unpack a frame ─▶ in the order of the chunks: parse ─▶ in any order again:
 *			hash, emit
 */
#ifndef VZDUMP_VMA_READER_FLOW_H
#define VZDUMP_VMA_READER_FLOW_H

#include "vma/reader-hash.h"
#include "vma/reader-parse.h"
#include "vma/reader-source.h"

struct reader_flow {
	struct source *source;
	struct chunk_pool *chunks;
	struct parser *parser;
	const struct reader_report *report;
	struct reader_hash *hash;
	struct chunk *first; /* read together with the header; goes back to the pool */
	unsigned n_threads;
};

/* Runs until the end of the archive or a failure; then no thread is left. */
int reader_flow_run(const struct reader_flow *f, struct error **err);

#endif
