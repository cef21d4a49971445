/*
 * The base of an incremental backup: the archive of the generation before, read at random.
 *
 *	vma_base_open(fd, name, &b, err)
 *	vma_base_find(b, dev, cluster, &n)	// which frame stores it
 *	vma_base_trailer(b, frame, &trailer, err)	// what a frame stores, with hashes
 *	vma_base_unpack(b, frame, &unpacked, err)
 *
 * The file is opened once and may be removed meanwhile.  Nothing in it is trusted: a base that lies gives
 * errors or wrong data of its own disks, never wrong lengths or memory.  Memory: 14 bytes for each frame,
 * 12 for each run of consecutive clusters within one frame; hashes stay in the file, apart from a small
 * cache.
 *
 * Threads: all functions from any thread once it is open.
 */
#ifndef VZDUMP_VMA_BASE_H
#define VZDUMP_VMA_BASE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/frame.h"
#include "vma/chain.h"
#include "vma/format.h"
#include "vma/trailer.h"

struct vma_base;

#define VMA_BASE_NONE UINT32_MAX

/*
 * fd: readable and seekable; it belongs to the base from now on, also when this fails.  name: for messages,
 * copied.  ERR_UNSUPPORTED: the archive belongs to no chain, or to one of another version; ERR_CORRUPT.
 */
int vma_base_open(int fd, const char *name, struct vma_base **ret, struct error **err);
void vma_base_free(struct vma_base *b);
DEFINE_CLEANUP(struct vma_base *, vma_base_free)

const char *vma_base_name(const struct vma_base *b);
const struct vma_header *vma_base_header(const struct vma_base *b);
const struct vma_chain *vma_base_chain(const struct vma_base *b);
int vma_base_fd(const struct vma_base *b);
uint64_t vma_base_file_size(const struct vma_base *b);

/* Frames of all kinds; they are numbered from 0, the header's. */
uint32_t vma_base_frames(const struct vma_base *b);
/* The disk whose clusters a data frame stores; 0: it is another kind of frame. */
uint8_t vma_base_frame_dev(const struct vma_base *b, uint32_t frame);
/* How many clusters it stores, up to VMA_CLUSTERS_PER_EXTENT; 0 as above. */
unsigned vma_base_frame_clusters(const struct vma_base *b, uint32_t frame);

/* Where a data frame and its trailer are. */
struct vma_base_span {
	uint64_t offset;
	uint64_t frame;   /* bytes of the frame */
	uint64_t trailer; /* bytes of the trailer behind it */
	uint64_t content; /* bytes of the frame, unpacked */
};
void vma_base_span(const struct vma_base *b, uint32_t frame, struct vma_base_span *ret);

/*
 * The frame that stores the cluster, or VMA_BASE_NONE if it is zero in the base; this holds for *ret_n
 * clusters from there on (at least 1; may reach beyond the end of the disk).  A device that the base does
 * not have: all is zero.
 */
uint32_t vma_base_find(const struct vma_base *b, uint8_t dev, uint32_t cluster, uint32_t *ret_n);

/*
 * Gets the trailer of a data frame, checked against the index: its clusters are those that the index says.
 * ERR_CORRUPT or -errno: the message names base and frame.
 */
int vma_base_trailer(struct vma_base *b, uint32_t frame, struct vma_trailer *ret, struct error **err);

/* An unpacked frame, with memory for one thread at a time: 4 MiB, and as much as the largest frame has. */
struct vma_base_unpacked {
	struct frame_decoder *decoder;
	uint8_t *packed, *content; /* memory */
	size_t packed_cap;
	struct vma_trailer trailer; /* what it stores */
	const uint8_t *blocks
		[VMA_CLUSTERS_PER_EXTENT]; /* of each entry: the blocks of its mask, one after the other */
};
int vma_base_unpacked_init(struct vma_base_unpacked *u, struct error **err);
void vma_base_unpacked_clear(struct vma_base_unpacked *u);
/*
 * Unpacks a data frame and checks all of it: its zstd checksum, its extent, its trailer, each hash.  Errors
 * as vma_base_trailer(); u holds no clusters then.
 */
int vma_base_unpack(struct vma_base *b, uint32_t frame, struct vma_base_unpacked *u, struct error **err);

/*
 * Goes through the data frames of a device (0: of all), in the order of their numbers.  Reads nothing;
 * memory: 16 bytes for each run of consecutive clusters within one frame, while it exists, and four bytes for
 * each frame while it is made.
 */
struct vma_base_walk;
struct vma_base_walk *vma_base_walk_new(const struct vma_base *b, uint8_t dev);
/* The next frame and its clusters (vma_cluster_key(), ascending); false at the end. */
bool vma_base_walk_next(struct vma_base_walk *w, uint32_t *ret_frame,
			uint64_t ret_keys[VMA_CLUSTERS_PER_EXTENT], unsigned *ret_n);
void vma_base_walk_free(struct vma_base_walk *w);
DEFINE_CLEANUP(struct vma_base_walk *, vma_base_walk_free)

#endif
