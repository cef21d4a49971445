/*
 * What a worker of VMA_CHAINED makes of extents that are complete: frames, each with what fills the file up
 * to the next boundary, in the queue of the pool.
 */
#ifndef VZDUMP_VMA_WRITER_EMIT_H
#define VZDUMP_VMA_WRITER_EMIT_H

#include "stream/frame.h"
#include "vma/writer-build.h"
#include "vma/writer-pool.h"

struct emitter {
	struct pool *pool;
	const uint8_t *uuid; /* of the archive */
	uint32_t align;      /* vma_chain.align */
	struct frame_encoder *encoder;
	uint8_t *scratch;     /* ZEROES_SIZE bytes */
	struct zeroes zeroes; /* clusters that this worker has found to be zero */
};

/* Room that a frame's out must have. */
size_t emit_frame_size(uint32_t align);

/* pool, uuid and align are set.  After a failure, too, emit_clear() is needed. */
int emit_init(struct emitter *x, int level, struct error **err);
void emit_clear(struct emitter *x);

/* All of these wait for a free frame, and fail once the pool has failed. */

/* Finishes the extent and empties the build, unless it is empty already. */
int emit_build(struct emitter *x, struct build *b, struct error **err);
int emit_zeroes(struct emitter *x, const struct zeroes *z, struct error **err);
/* A cluster that was found to be zero; it is kept until there are many. */
int emit_zero(struct emitter *x, uint8_t dev, uint32_t cluster, struct error **err);
/* Those that were kept. */
int emit_rest(struct emitter *x, struct error **err);

#endif
