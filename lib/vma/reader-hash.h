/* Hashes what the frames of an archive store, while it is read, to be compared with its trailers. */
#ifndef VZDUMP_VMA_READER_HASH_H
#define VZDUMP_VMA_READER_HASH_H

#include <stdatomic.h>

#include "vma/hash.h"
#include "vma/reader-parse.h"

struct reader_hash {
	bool on;
	struct vma_secret secret;
	uint64_t seed;        /* of the sum (vma/sum.h) */
	_Atomic uint64_t sum; /* of all frames that store something */
};

/*
 * Adds a frame whose extents are in spans.  In an archive of a chain such a frame has one extent and no
 * cluster that is zero; what else it has changes the sum.  room: VMA_CLUSTER_SIZE bytes of the calling
 * thread.
 */
void reader_hash_frame(struct reader_hash *h, uint64_t frame, const struct spans *spans, uint8_t *room);

#endif
