#include "vma/index.h"
#include "vma/reuse-internal.h"

static bool set_take(struct reuse_set *s, uint32_t *ret_frame)
{
	if (!s->n)
		return false;
	*ret_frame = map_next_set(&s->map, s->first);
	map_unset(&s->map, *ret_frame);
	s->first = *ret_frame + 1;
	s->n--;
	return true;
}

/* Of one of these sets; the second one may be NULL. */
static bool next(struct vma_reuse *u, struct reuse_set *first, struct reuse_set *second, uint32_t *ret_frame)
{
	bool any;

	pthread_mutex_lock(&u->lock);
	any = !u->stopped && (set_take(first, ret_frame) || (second && set_take(second, ret_frame)));
	if (any)
		u->frames[*ret_frame].state = REUSE_SETTLING;
	pthread_mutex_unlock(&u->lock);
	return any;
}

bool vma_reuse_next(struct vma_reuse *u, uint32_t *ret_frame)
{
	return next(u, &u->ready_changed, &u->ready, ret_frame);
}

bool vma_reuse_next_changed(struct vma_reuse *u, uint32_t *ret_frame)
{
	return next(u, &u->ready_changed, NULL, ret_frame);
}

/* What the states say is to be done with the frame. */
enum way {
	WAY_NONE, /* stopped */
	WAY_KEEP,
	WAY_UNPACK,
};

static enum way choose_way(struct vma_reuse *u, uint32_t frame)
{
	const struct reuse_frame *f = &u->frames[frame];
	enum way way = WAY_UNPACK;

	pthread_mutex_lock(&u->lock);
	if (u->stopped)
		way = WAY_NONE;
	else if (!f->changed && !f->taken && !f->scrub)
		way = WAY_KEEP;
	pthread_mutex_unlock(&u->lock);
	return way;
}

/* 1: kept, or stopped; 0: something was taken meanwhile. */
static int keep(struct vma_reuse *u, uint32_t frame, struct vma_trailer *t, struct error **err)
{
	bool settled;
	int r = vma_base_trailer(u->o.base, frame, t, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&u->lock);
	settled = u->stopped || reuse_keep_by_trailer(u, frame, t);
	pthread_mutex_unlock(&u->lock);
	return settled;
}

/*
 * Takes what nobody has taken of an unpacked frame.  Called with the lock held.  What has changed was taken
 * when it was judged; so all that can be taken is as it was in the base.
 */
static unsigned take_leftovers(struct vma_reuse *u, uint32_t frame, const struct vma_trailer *t,
			       uint8_t ret[VMA_CLUSTERS_PER_EXTENT])
{
	const struct reuse_disk *d = u->disks[vma_base_frame_dev(u->o.base, frame)];
	unsigned n = 0;

	if (u->stopped || reuse_keep_by_trailer(u, frame, t))
		return 0;
	for (unsigned i = 0; i < t->n; i++) {
		const uint32_t cluster = (uint32_t)t->entries[i].key;

		if (cluster < d->clusters && d->ops.take(d->opaque, cluster))
			ret[n++] = (uint8_t)i;
	}
	reuse_set_gone(u, frame);
	return n;
}

static int settle(struct vma_reuse *u, uint32_t frame, struct vma_base_unpacked *m,
		  uint8_t ret[VMA_CLUSTERS_PER_EXTENT], unsigned *ret_n, struct error **err)
{
	const enum way way = choose_way(u, frame);
	int r = way == WAY_KEEP ? keep(u, frame, &m->trailer, err) : 0;

	if (way == WAY_NONE || r > 0)
		return 0;
	if (r >= 0)
		r = vma_base_unpack(u->o.base, frame, m, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&u->lock);
	*ret_n = take_leftovers(u, frame, &m->trailer, ret);
	pthread_mutex_unlock(&u->lock);
	return 0;
}

void vma_reuse_settle(struct vma_reuse *u, uint32_t frame, struct vma_base_unpacked *m,
		      uint8_t ret[VMA_CLUSTERS_PER_EXTENT], unsigned *ret_n)
{
	_cleanup_error_ struct error *err = NULL;

	*ret_n = 0;
	if (settle(u, frame, m, ret, ret_n, &err) < 0)
		reuse_set_bad(u, u->disks[vma_base_frame_dev(u->o.base, frame)], frame, REUSE_SETTLING, &err);
}

void vma_reuse_written(struct vma_reuse *u, const struct vma_base_unpacked *m, const uint8_t *leftovers,
		       unsigned n)
{
	uint32_t clusters[VMA_CLUSTERS_PER_EXTENT];

	for (unsigned i = 0; i < n; i++)
		clusters[i] = (uint32_t)m->trailer.entries[leftovers[i]].key;
	pthread_mutex_lock(&u->lock);
	if (n && !u->stopped)
		reuse_release(u->disks[m->trailer.entries[0].key >> 32], clusters, n);
	pthread_mutex_unlock(&u->lock);
}
