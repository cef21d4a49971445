/*
 * Trailers: behind each data frame of an archive that belongs to a chain (vma/chain.h) stands a skippable
 * frame which says what the frame stores, with a hash of each cluster.  So the next backup can tell whether
 * a cluster has changed without unpacking the frame, and takes both over in one piece.  Little-endian:
 *
 *	trailer := magic u32 = 0x184D2A5B  length u32  content
 *	content := "VMATRAIL"  version u16 = 1  n u16  0 u32  entry{n}  0*
 *	entry   := dev u8  mask u16  cluster u32  hash[16]
 *
 * Entries ascend by device and cluster.  There is one for each cluster of the frame; none has a mask of 0,
 * since in such an archive clusters that are zero stand in extents of their own.  The zeroes fill the file
 * up to the next boundary (vma_chain.align), where the next frame begins.
 *
 *	pad     := magic u32 = 0x184D2A5C  length u32  0*
 *
 * fills up to a boundary behind other frames.
 */
#ifndef VZDUMP_VMA_TRAILER_H
#define VZDUMP_VMA_TRAILER_H

#include "base/error.h"
#include "vma/format.h"
#include "vma/hash.h"

#define VMA_TRAILER_TEXT       "VMATRAIL"
#define VMA_TRAILER_VERSION    1
#define VMA_TRAILER_HEAD_SIZE  16 /* of the content */
#define VMA_TRAILER_ENTRY_SIZE 23

struct vma_trailer_entry {
	uint64_t key; /* vma_cluster_key() */
	uint16_t mask;
	uint8_t hash[VMA_HASH_SIZE];
};

struct vma_trailer {
	unsigned n;
	struct vma_trailer_entry entries[VMA_CLUSTERS_PER_EXTENT]; /* ascending */
};

/* Bytes that a trailer of n entries has at least, its skippable header included. */
size_t vma_trailer_size(unsigned n);
/* Writes one of exactly len bytes, which are vma_trailer_size() or more. */
void vma_trailer_encode(uint8_t *out, size_t len, const struct vma_trailer *t);
/* Reads the skippable frame.  ERR_CORRUPT: it is no trailer, or not a valid one. */
int vma_trailer_decode(const uint8_t *frame, size_t len, struct vma_trailer *ret, struct error **err);
/* The entry of the cluster, or NULL. */
const struct vma_trailer_entry *vma_trailer_find(const struct vma_trailer *t, uint64_t key);

/*
 * Bytes from pos to the boundary at which something of at least `min` bytes (8 or more) can end; align is a
 * power of two.
 */
size_t vma_pad_size(uint64_t pos, size_t min, uint32_t align);
/* Writes a pad of exactly len bytes, 8 or more. */
void vma_pad_encode(uint8_t *out, size_t len);

#endif
