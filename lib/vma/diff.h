/*
 * What differs between two archives of one chain, told by their indexes and trailers: no data is unpacked.
 * Memory: that of the two (vma/base.h), and two trailers.
 */
#ifndef VZDUMP_VMA_DIFF_H
#define VZDUMP_VMA_DIFF_H

#include <stdint.h>

#include "base/error.h"
#include "vma/base.h"

enum vma_diff_kind {
	VMA_DIFF_DATA, /* the archive stores something there */
	VMA_DIFF_ZERO, /* it is zero */
	VMA_DIFF_NONE, /* behind the end of the disk, or there is no such disk */
};

/* Bytes of a disk that differ. */
struct vma_diff_range {
	uint64_t offset, len;
	enum vma_diff_kind kinds[2]; /* in each archive */
};

struct vma_diff_totals {
	uint64_t clusters, bytes;
};

/* Checks that both belong to one chain; ERR_UNSUPPORTED: they do not. */
int vma_diff_check(const struct vma_base *const archives[2], struct error **err);

/*
 * Compares a disk, by its ids in the archives (0: that one does not have it).  Ranges are handed out in
 * ascending order, as large as they can be; range may be NULL.  What is behind the end of the smaller one
 * differs.  The cluster in which the smaller one ends is compared as a whole.
 */
int vma_diff_disk(struct vma_base *const archives[2], const uint8_t devs[2],
		  void (*range)(void *opaque, const struct vma_diff_range *r), void *opaque,
		  struct vma_diff_totals *ret, struct error **err);

#endif
