/*
 * Which clusters a frame of the base stores, for a frame whose trailer cannot tell because it is damaged.
 * The table is made when it is needed first.  Memory, from then on: 12 bytes for each run of consecutive
 * clusters within one frame.
 *
 * Threads: any.
 */
#ifndef VZDUMP_VMA_REUSE_MEMBERS_H
#define VZDUMP_VMA_REUSE_MEMBERS_H

#include <pthread.h>

#include "vma/base.h"

struct reuse_members {
	pthread_mutex_t lock;
	struct reuse_run {
		uint32_t frame, first, n;
	} * runs; /* ascending */
	size_t n, cap;
	bool made;
};

void reuse_members_init(struct reuse_members *m);
void reuse_members_clear(struct reuse_members *m);
/* The clusters of the device's frame, ascending; returns how many. */
unsigned reuse_members_get(struct reuse_members *m, const struct vma_base *b, uint8_t dev, uint32_t frame,
			   uint32_t ret[VMA_CLUSTERS_PER_EXTENT]);

#endif
