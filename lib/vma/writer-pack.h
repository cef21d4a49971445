/* Clusters become an extent: zero blocks are found, gaps are closed, the header is written in front. */
#ifndef VZDUMP_VMA_WRITER_PACK_H
#define VZDUMP_VMA_WRITER_PACK_H

#include "vma/writer-counts.h"
#include "vma/writer.h"

/* An extent as the archive stores it. */
struct packed_extent {
	const uint8_t *data; /* header and blocks, in the memory of the vma_extent */
	size_t len;
	unsigned n_keys;
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT]; /* vma_cluster_key() of the clusters it stores, ascending */
};

/*
 * Checks a slot, makes zeroes of what is behind the end of its disk, and says which blocks of the cluster
 * are not zero.  ERR_INVALID: the slot does not fit the devices of hdr.
 */
int pack_look(const struct vma_header *hdr, const struct vma_slot *s, uint8_t *cluster, uint16_t *ret_mask,
	      struct error **err);
/*
 * Moves the blocks of the mask to `to`, which is where they are, before it, or in other memory.  Returns
 * their end.
 */
uint8_t *pack_blocks(uint8_t *to, const uint8_t *cluster, uint16_t mask);

/*
 * Packs e in place; in front of e->data there must be room for the header.  Its clusters are counted in
 * counts.  ERR_INVALID: a slot does not fit the devices of hdr.
 */
int pack_extent(const struct vma_header *hdr, const struct vma_extent *e, struct writer_counts *counts,
		struct packed_extent *ret, struct error **err);

#endif
