/* Clusters become an extent: zero blocks are found, gaps closed, the header written in front. */
#include <string.h>

#include "base/io.h"
#include "vma/writer-internal.h"

static void count(struct vma_writer *w, uint8_t dev, uint64_t data, uint64_t zero)
{
	atomic_fetch_add_explicit(&w->counts[dev].data, data, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->counts[dev].zero, zero, memory_order_relaxed);
}

/* What the caller claims must fit the devices, or the archive would be unreadable. */
static int check_slot(const struct vma_writer *w, const struct vma_slot *s, struct error **err)
{
	const struct vma_device *d = &w->hdr.devices[s->dev];

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
static uint16_t scan(const uint8_t *cluster)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS; i++)
		if (!io_is_zero(cluster + (size_t)i * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE))
			mask |= 1u << i;
	return (uint16_t)mask;
}

/* Moves the blocks of the mask to `to`, which lies at or in front of them.  Returns their end. */
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
		i += n + 1; /* the one behind the row is zero */
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
static uint8_t *pack_slot(struct vma_writer *w, const struct vma_slot *s, uint8_t *cluster, uint8_t *to,
			  struct packed_extent *p, struct vma_block_info *info)
{
	uint16_t mask;
	uint32_t stored;

	memset(cluster + s->len, 0, VMA_CLUSTER_SIZE - s->len);
	mask = scan(cluster);
	stored = vma_stored_bytes(mask, s->len);
	*info = (struct vma_block_info){ .mask = mask, .dev = s->dev, .cluster = s->cluster };
	count(w, s->dev, stored, s->len - stored);
	if (mask)
		add_key(p, vma_cluster_key(s->dev, s->cluster));
	return move_blocks(to, cluster, mask);
}

int writer_pack_extent(struct vma_writer *w, struct vma_extent *e, struct packed_extent *ret,
		       struct error **err)
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
		r = check_slot(w, s, err);
		if (r < 0)
			return r;
		end = pack_slot(w, s, vma_extent_slot(e, i), end, ret, &infos[n++]);
	}
	vma_extent_header_encode(header, w->hdr.uuid, infos);
	ret->data = header;
	ret->len = (size_t)(end - header);
	return 0;
}

size_t writer_pack_batch(const struct vma_writer *w, const struct zero_batch *b, uint8_t *out)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { 0 };
	uint8_t *at = out;
	unsigned n = 0;

	for (unsigned i = 0; i < b->n_runs; i++) {
		const struct zero_run *run = &b->runs[i];

		for (uint32_t k = 0; k < run->n; k++) {
			infos[n].dev = run->dev;
			infos[n].cluster = run->first + k;
			if (++n < VMA_CLUSTERS_PER_EXTENT)
				continue;
			vma_extent_header_encode(at, w->hdr.uuid, infos);
			at += VMA_EXTENT_HEADER_SIZE;
			n = 0;
		}
	}
	if (n || at == out) {
		memset(infos + n, 0, sizeof(*infos) * (VMA_CLUSTERS_PER_EXTENT - n));
		vma_extent_header_encode(at, w->hdr.uuid, infos);
		at += VMA_EXTENT_HEADER_SIZE;
	}
	return (size_t)(at - out);
}
