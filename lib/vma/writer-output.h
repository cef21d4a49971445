/*
 * The output of the writer: the header, then the frames that the pool gives; frames that are taken over from
 * the base; chain; index; seek table.
 */
#ifndef VZDUMP_VMA_WRITER_OUTPUT_H
#define VZDUMP_VMA_WRITER_OUTPUT_H

#include "vma/chain.h"
#include "vma/reuse.h"
#include "vma/writer-counts.h"
#include "vma/writer-file.h"
#include "vma/writer-kept.h"
#include "vma/writer-pool.h"

struct writer_output {
	struct pool *pool;
	struct output *output;
	const struct vma_header *hdr;
	struct writer_counts *counts;
	struct vma_chain *chain; /* NULL: none; what it says of the archive is filled in */
	struct vma_reuse *reuse; /* NULL: nothing is taken over */

	struct writer_file file;
	struct buf header; /* encoded, compressed */
	size_t header_vma_len, header_tail;
	struct kept_counts kept;
};

/* The members down to reuse are set.  After a failure, too, writer_output_clear() is needed. */
int writer_output_init(struct writer_output *o, const struct vma_writer_options *wo, struct error **err);
void writer_output_clear(struct writer_output *o);

/* The body of its thread: writes until all is written.  A failure makes the pool fail. */
void writer_output_run(void *writer_output);

#endif
