/* Clusters that are known to be zero, as many as make one frame of extents without blocks. */
#ifndef VZDUMP_VMA_WRITER_ZEROES_H
#define VZDUMP_VMA_WRITER_ZEROES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vma/format.h"

#define ZEROES_EXTENTS  2048u                                             /* of one frame */
#define ZEROES_SIZE     ((size_t)ZEROES_EXTENTS * VMA_EXTENT_HEADER_SIZE) /* of them, not compressed: 1 MiB */
#define ZEROES_CLUSTERS (ZEROES_EXTENTS * VMA_CLUSTERS_PER_EXTENT)
#define ZEROES_RUNS     4096u

struct zeroes_run {
	uint8_t dev;
	uint32_t first, n;
};

struct zeroes {
	struct zeroes *next; /* while it is in a list */
	unsigned n_runs;
	unsigned clusters;
	struct zeroes_run runs[ZEROES_RUNS];
};

/*
 * Adds the clusters from first on, as many of the n as there is room for, and returns how many those were.
 * z must not be full.
 */
uint32_t zeroes_add(struct zeroes *z, uint8_t dev, uint32_t first, uint32_t n);

static inline bool zeroes_full(const struct zeroes *z)
{
	return z->clusters == ZEROES_CLUSTERS || z->n_runs == ZEROES_RUNS;
}

/*
 * Writes the extents into out, of ZEROES_SIZE bytes, and returns their length.  Without a cluster it is one
 * empty extent.
 */
size_t zeroes_pack(const struct zeroes *z, const uint8_t uuid[VMA_UUID_SIZE], uint8_t *out);

#endif
