/* The output of the writer: the header, then frames in the order of their items; index; seek table. */
#ifndef VZDUMP_VMA_WRITER_OUTPUT_H
#define VZDUMP_VMA_WRITER_OUTPUT_H

#include "stream/frame.h"
#include "stream/output.h"
#include "stream/seektable.h"
#include "vma/index.h"
#include "vma/writer-counts.h"
#include "vma/writer-pool.h"

struct writer_output {
	struct pool *pool;
	struct output *output;
	const struct vma_header *hdr;
	const struct writer_counts *counts;
	atomic_uint_fast64_t vma_bytes; /* any thread may read it */

	struct frame_encoder *encoder; /* of header and index; NULL: there is no index */
	struct buf header;             /* encoded, compressed */
	size_t header_vma_len;
	struct seektable_writer seektable;
	struct vma_index_writer index;
	uint64_t n_frames; /* in the file, all kinds */
};

/* The members down to counts are set.  After a failure, too, writer_output_clear() is needed. */
int writer_output_init(struct writer_output *o, const struct vma_writer_options *wo, struct error **err);
void writer_output_clear(struct writer_output *o);

/* The body of its thread: writes until all is written.  A failure makes the pool fail. */
void writer_output_run(void *writer_output);

#endif
