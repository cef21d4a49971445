#include "vma/writer-chained.h"

#include <errno.h>

#include "vma/index.h"
#include "vma/writer-memory.h"
#include "vma/writer-pack.h"

int chained_init(struct chained *c, int level, struct error **err)
{
	uint8_t *room = writer_memory_map(build_room(VMA_CLUSTERS_PER_EXTENT), err);

	if (!room)
		return -ENOMEM;
	build_begin(&c->copies, room);
	c->x.pool = c->pool;
	c->x.uuid = c->hdr->uuid;
	c->x.align = c->chain->align;
	c->recut = (struct recut){ .x = &c->x, .hdr = c->hdr, .counts = c->counts, .reuse = c->reuse };
	if (c->reuse) {
		int r = recut_init(&c->recut, err);

		if (r < 0)
			return r;
	}
	return emit_init(&c->x, level, err);
}

void chained_clear(struct chained *c)
{
	writer_memory_unmap(c->copies.room, build_room(VMA_CLUSTERS_PER_EXTENT));
	if (c->reuse)
		recut_clear(&c->recut);
	emit_clear(&c->x);
}

/* ---- what becomes of each cluster ---- */

static enum vma_reuse_verdict judge_cluster(const struct chained *c, const struct vma_slot *s,
					    const struct vma_trailer_entry *e)
{
	uint32_t n;

	if (!c->reuse)
		return VMA_REUSE_NEW;
	if (s->compare)
		return vma_reuse_compare(c->reuse, s->dev, s->cluster, e->mask, e->hash);
	if (vma_base_find(vma_reuse_base(c->reuse), s->dev, s->cluster, &n) == VMA_BASE_NONE)
		return VMA_REUSE_NEW;
	return VMA_REUSE_CHANGED;
}

static int sort_cluster(struct chained *c, const struct vma_slot *s, uint8_t *cluster, struct error **err)
{
	struct vma_trailer_entry e = { .key = vma_cluster_key(s->dev, s->cluster) };
	enum vma_reuse_verdict verdict;
	uint32_t stored;
	int r = pack_look(c->hdr, s, cluster, &e.mask, err);

	if (r < 0)
		return r;
	if (e.mask)
		vma_hash_cluster(&c->chain->secret, cluster, e.hash);
	verdict = judge_cluster(c, s, &e);
	if (verdict == VMA_REUSE_SAME || verdict == VMA_REUSE_GONE)
		return 0;
	stored = vma_stored_bytes(e.mask, s->len);
	writer_count(c->counts, s->dev, 1, stored, s->len - stored);
	if (!e.mask)
		return emit_zero(&c->x, s->dev, s->cluster, err);
	if (verdict == VMA_REUSE_CHANGED)
		changed_add(&c->changed, &e, cluster);
	else
		c->new[c->n_new++] = (struct new_cluster){ .entry = e, .cluster = cluster };
	return 0;
}

static int sort_clusters(struct chained *c, const struct vma_extent *e, struct error **err)
{
	int r = 0;

	c->n_new = 0;
	for (unsigned i = 0; r == 0 && i < VMA_CLUSTERS_PER_EXTENT; i++)
		if (e->slots[i].dev)
			r = sort_cluster(c, &e->slots[i], vma_extent_slot(e, i), err);
	return r;
}

/* ---- those that replace something ---- */

/*
 * So many frames of the base at most, and none while a guest waits for an extent, since this one is held
 * meanwhile: the others are settled later.
 */
static int settle_frames(struct chained *c, unsigned max, struct error **err)
{
	uint32_t frame;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < max; i++) {
		if (pool_extent_is_wanted(c->pool) || !vma_reuse_next_changed(c->reuse, &frame))
			break;
		r = recut_settle(&c->recut, frame, &c->changed, err);
	}
	return r;
}

/* ---- those that are new ---- */

/* Clusters of one disk, which are put into b and then into a frame. */
static int pack_disk(struct chained *c, uint8_t dev, struct build *b, struct error **err)
{
	for (unsigned i = 0; i < c->n_new; i++) {
		struct new_cluster *n = &c->new[i];

		if (!n->cluster || n->entry.key >> 32 != dev)
			continue;
		build_add(b, &n->entry, n->cluster);
		n->cluster = NULL;
	}
	return emit_build(&c->x, b, err);
}

/* Those of the first disk are packed where they are, when no other needs what they overwrite. */
static int pack_new(struct chained *c, const struct vma_extent *e, struct error **err)
{
	const uint8_t first = c->n_new ? (uint8_t)(c->new[0].entry.key >> 32) : 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n_new; i++) {
		const uint8_t dev = (uint8_t)(c->new[i].entry.key >> 32);

		if (c->new[i].cluster && dev != first)
			r = pack_disk(c, dev, &c->copies, err);
	}
	if (r < 0)
		return r;
	build_begin(&c->extent, e->data - VMA_EXTENT_HEADER_SIZE);
	return pack_disk(c, first, &c->extent, err);
}

/* ---- the thread ---- */

static int pack_item(struct chained *c, const struct vma_extent *e, struct error **err)
{
	int r = sort_clusters(c, e, err);

	if (r == 0 && c->reuse)
		r = settle_frames(c, VMA_CLUSTERS_PER_EXTENT, err);
	if (r == 0)
		r = recut_changed(&c->recut, &c->changed, err);
	return r < 0 ? r : pack_new(c, e, err);
}

static int do_item(struct chained *c, const struct work_item *item, struct error **err)
{
	int r = item->kind == WORK_EXTENT ? pack_item(c, item->extent, err)
					  : emit_zeroes(&c->x, item->zeroes, err);

	pool_item_done(c->pool, item);
	return r;
}

/* One frame of the base; others may take the next ones meanwhile. */
static int do_base(struct chained *c, struct error **err)
{
	uint32_t frame;

	if (!vma_reuse_next(c->reuse, &frame))
		return 0;
	pool_base_ready(c->pool);
	return recut_settle(&c->recut, frame, &c->changed, err);
}

static int work(struct chained *c, struct error **err)
{
	struct work_item item;
	enum pool_work next;
	int r = 0;

	while (r == 0 && (next = pool_next_work(c->pool, &item)) != POOL_END)
		r = next == POOL_ITEM ? do_item(c, &item, err) : do_base(c, err);
	if (r == 0 && c->reuse)
		r = recut_rest(&c->recut, err);
	return r < 0 ? r : emit_rest(&c->x, err);
}

void chained_run(void *chained)
{
	struct chained *c = chained;
	struct error *err = NULL;

	if (work(c, &err) < 0)
		pool_fail(c->pool, &err);
	pool_worker_ends(c->pool);
}
