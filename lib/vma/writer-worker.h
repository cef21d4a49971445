/* A worker of the writer, for layouts that keep the order: makes a ready frame of each item. */
#ifndef VZDUMP_VMA_WRITER_WORKER_H
#define VZDUMP_VMA_WRITER_WORKER_H

#include "stream/frame.h"
#include "vma/writer-counts.h"
#include "vma/writer-pool.h"

struct worker {
	struct pool *pool;
	const struct vma_header *hdr;
	struct writer_counts *counts;
	struct frame_encoder *encoder; /* NULL: the extents are written as they are */
	uint8_t *scratch;              /* ZEROES_SIZE bytes */
};

/* Room that a frame's out must have. */
size_t worker_frame_size(enum vma_layout layout);

/* pool, hdr and counts are set.  After a failure, too, worker_clear() is needed. */
int worker_init(struct worker *k, enum vma_layout layout, int level, struct error **err);
void worker_clear(struct worker *k);

/* The body of its thread: works until there is nothing left.  A failure makes the pool fail. */
void worker_run(void *worker);

#endif
