#include "vma/writer-pack.h"

#include <string.h>

#include "base/io.h"
#include "vma/index.h"

/* A slot that does not fit its device would make the archive unreadable. */
static int check_slot(const struct vma_header *hdr, const struct vma_slot *s, struct error **err)
{
	const struct vma_device *d = &hdr->devices[s->dev];

	if (!d->name || s->cluster >= vma_clusters(d->size))
		return error_set(err, ERR_INVALID,
				 "internal error: cluster %u of device %u is not in the archive", s->cluster,
				 s->dev);
	if (s->len != vma_cluster_len(d->size, s->cluster))
		return error_set(err, ERR_INVALID,
				 "internal error: cluster %u of %s has %u bytes instead of %u", s->cluster,
				 d->name, s->len, vma_cluster_len(d->size, s->cluster));
	return 0;
}

/* Which blocks of the cluster are not zero. */
static uint16_t blocks_with_data(const uint8_t *cluster)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS; i++)
		if (!io_is_zero(cluster + (size_t)i * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE))
			mask |= 1u << i;
	return (uint16_t)mask;
}

/* Moves the blocks of the mask to `to`, which is where they are or before it.  Returns their end. */
static uint8_t *move_blocks(uint8_t *to, const uint8_t *cluster, uint16_t mask)
{
	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS;) {
		unsigned n = 0;
		const uint8_t *from = cluster + (size_t)i * VMA_BLOCK_SIZE;

		while (i + n < VMA_CLUSTER_BLOCKS && mask >> (i + n) & 1)
			n++;
		if (n && to != from)
			memmove(to, from, (size_t)n * VMA_BLOCK_SIZE);
		to += (size_t)n * VMA_BLOCK_SIZE;
		i += n + 1; /* the one after the row is zero */
	}
	return to;
}

/* Keeps the keys in order; they mostly come in order. */
static void add_key(struct packed_extent *p, uint64_t key)
{
	unsigned i = p->n_keys++;

	for (; i && p->keys[i - 1] > key; i--)
		p->keys[i] = p->keys[i - 1];
	p->keys[i] = key;
}

/* Packs one slot at `to`.  Returns the new end of the blocks. */
static uint8_t *pack_slot(const struct vma_slot *s, uint8_t *cluster, uint8_t *to,
			  struct writer_counts *counts, struct packed_extent *p, struct vma_block_info *info)
{
	uint16_t mask;
	uint32_t stored;

	memset(cluster + s->len, 0, VMA_CLUSTER_SIZE - s->len);
	mask = blocks_with_data(cluster);
	stored = vma_stored_bytes(mask, s->len);
	*info = (struct vma_block_info){ .mask = mask, .dev = s->dev, .cluster = s->cluster };
	writer_count(counts, s->dev, stored, s->len - stored);
	if (mask)
		add_key(p, vma_cluster_key(s->dev, s->cluster));
	return move_blocks(to, cluster, mask);
}

int pack_extent(const struct vma_header *hdr, const struct vma_extent *e, struct writer_counts *counts,
		struct packed_extent *ret, struct error **err)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { 0 };
	uint8_t *header = e->data - VMA_EXTENT_HEADER_SIZE, *end = e->data;
	unsigned n = 0;

	ret->n_keys = 0;
	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++) {
		const struct vma_slot *s = &e->slots[i];
		int r;

		if (!s->dev)
			continue;
		r = check_slot(hdr, s, err);
		if (r < 0)
			return r;
		end = pack_slot(s, vma_extent_slot(e, i), end, counts, ret, &infos[n++]);
	}
	vma_extent_header_encode(header, hdr->uuid, infos);
	ret->data = header;
	ret->len = (size_t)(end - header);
	return 0;
}
