/*
 * In order: the extents in the chunks are found and checked, their clusters claimed.
 *
 * An extent that goes on in the next chunk is copied in front of that chunk's data, where there is
 * room for it, so that extents always lie in one piece.  Our own frames never need that.  The same is done
 * with one of a stream that ends with the chunk, where damages are tolerated: what follows shows whether it
 * is whole.
 */
#ifndef VZDUMP_VMA_READER_PARSE_H
#define VZDUMP_VMA_READER_PARSE_H

#include "vma/reader-chunk.h"
#include "vma/reader-report.h"
#include "vma/seen.h"

/* A row of bytes that is nothing but checked extents. */
struct span {
	uint8_t *at, *end;
};

struct spans {
	struct span *list;
	size_t n, cap;
};

/* Bytes of the unpacked archive that are filler. */
struct stretch {
	uint64_t from, to;
};

struct parser {
	const struct vma_header *hdr;
	const struct reader_report *report;
	struct vma_reader_stats *stats; /* of clusters; the reader's */
	uint8_t *tail; /* the beginning of an extent that is not complete, CHUNK_HEAD bytes */
	size_t tail_len;
	bool is_lost;           /* looking for the next extent */
	uint64_t pos;           /* of the next byte in the unpacked archive */
	struct stretch *filler; /* ascending; without those before pos */
	size_t n_filler, cap_filler;
	struct vma_seen seen;
};

/* hdr, report and stats are set, all else is zero; the header may be filled later. */
void parser_init(struct parser *p);
/* The header is complete, and as long as that. */
void parser_start(struct parser *p, uint64_t header_size);
void parser_clear(struct parser *p);

/* Sets *spans to those of the chunk.  Clusters that cannot be used have no device in them any more. */
int parser_parse(struct parser *p, struct chunk *c, struct spans *spans, struct error **err);
/* After the last chunk. */
int parser_end(struct parser *p, struct error **err);

#endif
