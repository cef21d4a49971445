/*
 * Remembers which clusters have come, in a tree of three levels for each device.  The size that an archive
 * claims costs nothing: memory grows with what it really holds.  Parts that are complete shrink to a mark.
 */
#ifndef VZDUMP_VMA_SEEN_H
#define VZDUMP_VMA_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vma/format.h"

#define VMA_SEEN_MAX_BYTES ((size_t)24 << 20)

struct seen_page;
struct seen_table;

struct vma_seen {
	uint64_t clusters[VMA_MAX_DEVICES + 1]; /* of each device */
	uint64_t count[VMA_MAX_DEVICES + 1];    /* seen of each */
	struct seen_table **roots[VMA_MAX_DEVICES + 1];
	size_t bytes; /* in use */
	size_t max_bytes;
};

void vma_seen_init(struct vma_seen *s, const struct vma_header *h);
void vma_seen_clear(struct vma_seen *s);

/*
 * Notes that a cluster has come; it must lie within the device.  1: for the first time; 0: it has come
 * before; ERR_UNSUPPORTED: keeping track of it would take more memory than allowed.
 */
int vma_seen_claim(struct vma_seen *s, uint8_t dev, uint32_t cluster, struct error **err);

/* The next row of clusters from *at on that have not come; false: there is none.  *at moves on. */
bool vma_seen_missing(const struct vma_seen *s, uint8_t dev, uint64_t *at, uint64_t *ret_first,
		      uint64_t *ret_n);

#endif
