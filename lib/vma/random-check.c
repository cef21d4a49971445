#include "vma/random-check.h"

#include <string.h>

#include "base/mem.h"
#include "vma/index.h"

void random_check_clear(struct random_check *c)
{
	free(c->trailer);
	c->trailer = NULL;
}

void random_check_begin(struct random_check *c, size_t content, const uint8_t *behind, size_t len,
			const struct vma_secret *secret)
{
	c->by = CHECK_NONE;
	c->checked = 0;
	c->slot = 0;
	c->secret = secret;
	if (vma_parts_decode(behind, len, content, &c->parts)) {
		c->by = CHECK_PARTS;
		return;
	}
	if (!secret)
		return;
	if (!c->trailer)
		c->trailer = xmalloc(sizeof(*c->trailer));
	if (vma_trailer_decode(behind, len, c->trailer, NULL) == 0)
		c->by = CHECK_CLUSTERS;
}

static bool check_parts(struct random_check *c, const uint8_t *data, size_t unpacked, size_t content)
{
	while (c->checked < unpacked) {
		const size_t left = content - c->checked;
		const size_t now = left < VMA_PART_SIZE ? left : VMA_PART_SIZE;

		if (c->checked + now > unpacked)
			break;
		if (!vma_part_is_right(&c->parts, (unsigned)(c->checked / VMA_PART_SIZE), data, content))
			return false;
		c->checked += now;
	}
	return true;
}

/* Whether blocks are those of the mask whose cluster has that hash. */
static bool has_hash(const struct random_check *c, const struct vma_trailer_entry *e, const uint8_t *blocks)
{
	uint8_t cluster[VMA_CLUSTER_SIZE] = { 0 }, hash[VMA_HASH_SIZE];

	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS; i++) {
		if (!(e->mask >> i & 1))
			continue;
		memcpy(cluster + (size_t)i * VMA_BLOCK_SIZE, blocks, VMA_BLOCK_SIZE);
		blocks += VMA_BLOCK_SIZE;
	}
	vma_hash_cluster(c->secret, cluster, hash);
	return memcmp(hash, e->hash, sizeof(hash)) == 0;
}

/* The header of the extent has a checksum of its own, which whoever uses it looks at. */
static bool check_clusters(struct random_check *c, const uint8_t *data, size_t unpacked)
{
	if (unpacked < VMA_EXTENT_HEADER_SIZE)
		return true;
	if (!c->checked)
		c->checked = VMA_EXTENT_HEADER_SIZE;
	for (; c->slot < VMA_CLUSTERS_PER_EXTENT; c->slot++) {
		const struct vma_block_info b = vma_block_info_decode(data, c->slot);
		const size_t size = (size_t)__builtin_popcount(b.mask) * VMA_BLOCK_SIZE;
		const struct vma_trailer_entry *e;

		if (!size)
			continue;
		if (size > unpacked - c->checked)
			break;
		e = vma_trailer_find(c->trailer, vma_cluster_key(b.dev, b.cluster));
		if (!e || e->mask != b.mask || !has_hash(c, e, data + c->checked))
			return false;
		c->checked += size;
	}
	return true;
}

void random_check_more(struct random_check *c, const uint8_t *data, size_t unpacked, size_t content)
{
	bool right = true;

	if (c->by == CHECK_PARTS)
		right = check_parts(c, data, unpacked, content);
	else if (c->by == CHECK_CLUSTERS)
		right = check_clusters(c, data, unpacked);
	if (!right)
		c->by = CHECK_NONE;
}
