/*
 * Finds and checks the extents in the chunks, in order, and claims their clusters.
 *
 * An extent that continues in the next chunk is copied in front of that chunk's data, where there is
 * room for it, so that extents always lie in one piece.  Our own frames never need that.  If damage is
 * tolerated, an extent of a stream is also copied when it ends right at the end of its chunk: only what
 * follows shows whether it is whole.
 */
#ifndef VZDUMP_VMA_READER_PARSE_H
#define VZDUMP_VMA_READER_PARSE_H

#include "vma/reader-chunk.h"
#include "vma/reader-report.h"
#include "vma/seen.h"

/* Consecutive bytes that hold only checked extents. */
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
	uint8_t *tail;                  /* the beginning of an incomplete extent; CHUNK_HEAD bytes */
	size_t tail_len;
	bool is_lost;           /* looking for the next extent */
	uint64_t pos;           /* of the next byte in the unpacked archive */
	struct stretch *filler; /* ascending; without those before pos */
	size_t n_filler, cap_filler;
	struct vma_seen seen;
};

/* hdr, report and stats are set, all else is zero.  The header itself may be filled later. */
void parser_init(struct parser *p);
/* Once the header is complete; header_size is its length in the unpacked archive. */
void parser_start(struct parser *p, uint64_t header_size);
void parser_clear(struct parser *p);

/* Sets *spans to those of the chunk.  Clusters that cannot be used have lost their device. */
int parser_parse(struct parser *p, struct chunk *c, struct spans *spans, struct error **err);
/* After the last chunk. */
int parser_end(struct parser *p, struct error **err);

#endif
