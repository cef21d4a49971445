/*
 * Reads an archive at any place, without unpacking the rest.  A .vma.zst needs its index and seek table
 * for that; in an archive that is not packed, the headers of the extents are enough.
 *
 *	vma_random_open(path, cache, &x, err)	// .vma.zst: one read at the end of the file
 *	vma_random_read(x, dev, offset, data, len, err)
 *
 * Any number of threads may read at once.  A frame is unpacked as far as it is needed, and what several
 * want only once; it stays in a cache.  Different frames are unpacked in parallel.  Memory: the cache, 12
 * bytes for each frame (one is up to 4 MiB of archive, with a small one behind it), and 12 bytes for each
 * run of consecutive clusters within one frame.  That is a few MiB for 1 TiB that was backed up front to
 * back, and 200 MiB if no two clusters are consecutive.
 *
 * Nothing in the file is trusted: a wrong index leads to errors, never to another disk's data.
 */
#ifndef VZDUMP_VMA_RANDOM_H
#define VZDUMP_VMA_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "vma/format.h"

#define VMA_RANDOM_CACHE_DEFAULT ((uint64_t)64 << 20)

struct vma_random;

struct vma_random_stats {
	uint64_t unpacked; /* frames, as far as they were needed */
	uint64_t bytes;    /* of these */
	uint64_t hits;     /* reads that found what they wanted in the cache */
};

/*
 * cache: bytes of unpacked frames to keep, at least two frames; 0: the default.  ERR_UNSUPPORTED:
 * the archive has no index; the message says how to get one.
 */
int vma_random_open(const char *path, uint64_t cache, struct vma_random **ret, struct error **err);
/*
 * Gets only the copy of the header that the index at the end of the file has, and the offset where the
 * frame of the header itself ends.  fd's position stays.
 */
int vma_random_header_copy(int fd, struct vma_header *ret, uint64_t *ret_end, struct error **err);
/* Devices, configs, time: the index's copy of the header. */
const struct vma_header *vma_random_header(const struct vma_random *x);
/* Bytes that are stored of a device; all others are zero. */
uint64_t vma_random_stored(const struct vma_random *x, uint8_t dev);

/*
 * Reads len bytes of a device from offset on, all of them inside the device.  The message of ERR_CORRUPT
 * names frame, disk and place; other places can still be read.
 */
int vma_random_read(struct vma_random *x, uint8_t dev, uint64_t offset, void *data, size_t len,
		    struct error **err);
/*
 * Whether the data at offset is zero and not stored.  *ret_len is how many of the max bytes from there
 * on, all inside the device, are of the same kind.  Does not read the file.
 */
bool vma_random_is_zero(const struct vma_random *x, uint8_t dev, uint64_t offset, uint64_t max,
			uint64_t *ret_len);

void vma_random_get_stats(struct vma_random *x, struct vma_random_stats *ret);
void vma_random_free(struct vma_random *x);
DEFINE_CLEANUP(struct vma_random *, vma_random_free)

#endif
