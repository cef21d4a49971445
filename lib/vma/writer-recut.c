#include "vma/writer-recut.h"

#include <errno.h>

#include "vma/writer-memory.h"

int recut_init(struct recut *k, struct error **err)
{
	uint8_t *room = writer_memory_map(build_room(VMA_CHAIN_RECUT), err);

	if (!room)
		return -ENOMEM;
	build_begin(&k->build, room);
	return vma_base_unpacked_init(&k->base, err);
}

void recut_clear(struct recut *k)
{
	writer_memory_unmap(k->build.room, build_room(VMA_CHAIN_RECUT));
	vma_base_unpacked_clear(&k->base);
}

void changed_add(struct changed *c, const struct vma_trailer_entry *e, const uint8_t *cluster)
{
	unsigned i = c->n++;

	for (; i && c->list[i - 1].entry.key > e->key; i--)
		c->list[i] = c->list[i - 1];
	c->list[i] = (struct changed_cluster){ .entry = *e, .cluster = cluster };
}

/* Begins another frame if this cluster cannot be put into the one that is there. */
static int need_room(struct recut *k, const struct vma_trailer_entry *e, struct error **err)
{
	const struct build *b = &k->build;

	if (b->trailer.n < VMA_CHAIN_RECUT && (!b->trailer.n || b->dev == e->key >> 32))
		return 0;
	return emit_build(k->x, &k->build, err);
}

static int take_changed(struct recut *k, struct changed_cluster *c, struct error **err)
{
	int r = need_room(k, &c->entry, err);

	if (r < 0)
		return r;
	build_add(&k->build, &c->entry, c->cluster);
	c->cluster = NULL;
	return 0;
}

static int take_leftover(struct recut *k, const struct vma_trailer_entry *e, const uint8_t *blocks,
			 struct error **err)
{
	const uint8_t dev = (uint8_t)(e->key >> 32);
	const uint32_t len = vma_cluster_len(k->hdr->devices[dev].size, (uint32_t)e->key);
	const uint32_t stored = vma_stored_bytes(e->mask, len);
	int r = need_room(k, e, err);

	if (r < 0)
		return r;
	build_add_blocks(&k->build, e, blocks);
	writer_count(k->counts, dev, 1, stored, len - stored);
	return 0;
}

/* Takes those that are in the frame of the base, below that key. */
static int take_changed_before(struct recut *k, struct changed *c, uint64_t key, struct error **err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n && c->list[i].entry.key < key; i++)
		if (c->list[i].cluster && vma_trailer_find(&k->base.trailer, c->list[i].entry.key))
			r = take_changed(k, &c->list[i], err);
	return r;
}

int recut_settle(struct recut *k, uint32_t frame, struct changed *c, struct error **err)
{
	const struct vma_trailer *t = &k->base.trailer;
	uint8_t leftovers[VMA_CLUSTERS_PER_EXTENT];
	unsigned n;
	int r = 0;

	vma_reuse_settle(k->reuse, frame, &k->base, leftovers, &n);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		const unsigned at = leftovers[i];

		r = take_changed_before(k, c, t->entries[at].key, err);
		if (r == 0)
			r = take_leftover(k, &t->entries[at], k->base.blocks[at], err);
	}
	if (r == 0 && n) {
		r = take_changed_before(k, c, UINT64_MAX, err);
		vma_reuse_written(k->reuse, &k->base, leftovers, n);
	}
	return r;
}

int recut_changed(struct recut *k, struct changed *c, struct error **err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n; i++)
		if (c->list[i].cluster)
			r = take_changed(k, &c->list[i], err);
	c->n = 0;
	return r;
}

int recut_rest(struct recut *k, struct error **err)
{
	return emit_build(k->x, &k->build, err);
}
