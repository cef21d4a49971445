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

int pack_look(const struct vma_header *hdr, const struct vma_slot *s, uint8_t *cluster, uint16_t *ret_mask,
	      struct error **err)
{
	int r = check_slot(hdr, s, err);

	if (r < 0)
		return r;
	memset(cluster + s->len, 0, VMA_CLUSTER_SIZE - s->len);
	*ret_mask = blocks_with_data(cluster);
	return 0;
}

uint8_t *pack_blocks(uint8_t *to, const uint8_t *cluster, uint16_t mask)
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

/* Notes what the slot is in the archive. */
static void note_slot(const struct vma_slot *s, uint16_t mask, struct writer_counts *counts,
		      struct packed_extent *p, struct vma_block_info *info)
{
	const uint32_t stored = vma_stored_bytes(mask, s->len);

	*info = (struct vma_block_info){ .mask = mask, .dev = s->dev, .cluster = s->cluster };
	writer_count(counts, s->dev, 1, stored, s->len - stored);
	if (mask)
		add_key(p, vma_cluster_key(s->dev, s->cluster));
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
		uint16_t mask;
		int r;

		if (!s->dev)
			continue;
		r = pack_look(hdr, s, vma_extent_slot(e, i), &mask, err);
		if (r < 0)
			return r;
		note_slot(s, mask, counts, ret, &infos[n++]);
		end = pack_blocks(end, vma_extent_slot(e, i), mask);
	}
	vma_extent_header_encode(header, hdr->uuid, infos);
	ret->data = header;
	ret->len = (size_t)(end - header);
	return 0;
}
