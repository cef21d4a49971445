/*
 * The extent of a data frame in a chain, while clusters are put into it: all of one disk, each with its hash
 * for the trailer.  It is built in memory of its own, or in that of a vma_extent in which the clusters are.
 */
#ifndef VZDUMP_VMA_WRITER_BUILD_H
#define VZDUMP_VMA_WRITER_BUILD_H

#include "vma/trailer.h"

struct build {
	uint8_t *room; /* for the header of the extent, then its blocks; borrowed */
	size_t len;    /* of the blocks */
	uint8_t dev;   /* of all its clusters */
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT];
	struct vma_trailer trailer;
};

/* Bytes of room for n clusters. */
static inline size_t build_room(unsigned n)
{
	return VMA_EXTENT_HEADER_SIZE + (size_t)n * VMA_CLUSTER_SIZE;
}

/* Empties it. */
void build_begin(struct build *b, uint8_t *room);

/*
 * Adds a cluster, of the same disk as those before, that stores something; there must be room.  cluster: all
 * of it, which may lie in the room, behind the blocks that are there.
 */
void build_add(struct build *b, const struct vma_trailer_entry *e, const uint8_t *cluster);
/* The same; blocks: those of its mask, one after the other. */
void build_add_blocks(struct build *b, const struct vma_trailer_entry *e, const uint8_t *blocks);

/* Writes the header of the extent, which is in the room then; returns its size. */
size_t build_finish(struct build *b, const uint8_t uuid[VMA_UUID_SIZE]);

#endif
