#include "vma/reader-hash.h"

#include <string.h>

#include "vma/index.h"
#include "vma/sum.h"

/* Extents after the first of a frame count as if they were in another one. */
#define NEXT_EXTENT (UINT64_C(1) << 40)

static size_t blocks_size(uint16_t mask)
{
	return (size_t)__builtin_popcount(mask) * VMA_BLOCK_SIZE;
}

/* Bytes of the extent, and whether it stores anything. */
static size_t extent_size(const uint8_t *at, bool *ret_stores)
{
	size_t size = VMA_EXTENT_HEADER_SIZE;

	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++)
		size += blocks_size(vma_block_info_decode(at, i).mask);
	*ret_stores = size > VMA_EXTENT_HEADER_SIZE;
	return size;
}

static bool frame_stores(const struct spans *spans)
{
	bool stores = false;

	for (size_t i = 0; i < spans->n; i++)
		for (const uint8_t *at = spans->list[i].at; !stores && at < spans->list[i].end;)
			at += extent_size(at, &stores);
	return stores;
}

/* The cluster with zeroes where it has no blocks. */
static const uint8_t *whole_cluster(uint16_t mask, const uint8_t *blocks, uint8_t *room)
{
	if (mask == VMA_MASK_ALL)
		return blocks;
	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS; i++) {
		uint8_t *to = room + (size_t)i * VMA_BLOCK_SIZE;

		if (mask >> i & 1) {
			memcpy(to, blocks, VMA_BLOCK_SIZE);
			blocks += VMA_BLOCK_SIZE;
		} else {
			memset(to, 0, VMA_BLOCK_SIZE);
		}
	}
	return room;
}

static uint64_t add_extent(const struct reader_hash *h, uint64_t sum, uint64_t frame, const uint8_t *at,
			   uint8_t *room)
{
	const uint8_t *blocks = at + VMA_EXTENT_HEADER_SIZE;

	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++) {
		const struct vma_block_info b = vma_block_info_decode(at, i);
		uint8_t hash[VMA_HASH_SIZE];

		if (b.dev) {
			vma_hash_cluster(&h->secret, whole_cluster(b.mask, blocks, room), hash);
			sum = vma_sum_content(h->seed, sum, frame, vma_cluster_key(b.dev, b.cluster), b.mask,
					      hash);
		}
		blocks += blocks_size(b.mask);
	}
	return sum;
}

void reader_hash_frame(struct reader_hash *h, uint64_t frame, const struct spans *spans, uint8_t *room)
{
	uint64_t sum = 0;
	bool stores;

	if (!frame_stores(spans))
		return;
	for (size_t i = 0; i < spans->n; i++)
		for (const uint8_t *at = spans->list[i].at; at < spans->list[i].end; frame += NEXT_EXTENT) {
			sum = add_extent(h, sum, frame, at, room);
			at += extent_size(at, &stores);
		}
	atomic_fetch_add(&h->sum, sum);
}
