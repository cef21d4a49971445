#include <string.h>

#include "vma/index.h"
#include "vma/reuse-internal.h"

static bool is_bad(struct vma_reuse *u, uint32_t frame)
{
	bool bad;

	pthread_mutex_lock(&u->lock);
	bad = u->frames[frame].state == REUSE_BAD;
	pthread_mutex_unlock(&u->lock);
	return bad;
}

/* Whether the frame stores just that: then *t is its trailer.  If it cannot be read, the frame is bad. */
static bool is_same(struct vma_reuse *u, uint8_t dev, uint32_t frame, uint32_t cluster, uint16_t mask,
		    const uint8_t hash[VMA_HASH_SIZE], struct vma_trailer *t)
{
	_cleanup_error_ struct error *err = NULL;
	const struct vma_trailer_entry *e;

	if (!mask || cluster >= u->disks[dev]->same_end || is_bad(u, frame))
		return false;
	if (vma_base_trailer(u->o.base, frame, t, &err) < 0) {
		/* One that is on its way to be settled is left to who settles it. */
		reuse_set_bad(u, u->disks[dev], frame, REUSE_OPEN, &err);
		return false;
	}
	e = vma_trailer_find(t, vma_cluster_key(dev, cluster));
	return e && e->mask == mask && !memcmp(e->hash, hash, VMA_HASH_SIZE);
}

/* Takes a cluster that goes into the new archive.  Called with the lock held. */
static bool take(struct vma_reuse *u, const struct reuse_disk *d, uint32_t cluster)
{
	if (u->stopped || !d->ops.take(d->opaque, cluster))
		return false;
	d->ops.release(d->opaque, cluster, 1);
	return true;
}

static enum vma_reuse_verdict compare_new(struct vma_reuse *u, const struct reuse_disk *d, uint32_t cluster,
					  uint16_t mask)
{
	bool taken;

	pthread_mutex_lock(&u->lock);
	taken = take(u, d, cluster);
	if (taken && mask)
		u->stats.changed_bytes += vma_cluster_len(d->size, cluster);
	pthread_mutex_unlock(&u->lock);
	return taken ? VMA_REUSE_NEW : VMA_REUSE_GONE;
}

/*
 * same: the frame's trailer, if it stores just that, or NULL.  Called with the lock held.  The frame may
 * have become bad after its trailer was read; then its clusters are no use, and nobody asks for this one
 * again, if it was not judged by then.
 */
static enum vma_reuse_verdict judge(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame,
				    uint32_t cluster, const struct vma_trailer *same, bool *ret_ready)
{
	struct reuse_frame *f = &u->frames[frame];

	if (u->stopped)
		return VMA_REUSE_GONE;
	if (same && f->state != REUSE_BAD) {
		*ret_ready = reuse_judge(u, d, frame, cluster) && !reuse_keep_ready(u, frame, same);
		return VMA_REUSE_SAME;
	}
	if (!take(u, d, cluster)) {
		f->changed = true;
		*ret_ready = reuse_judge(u, d, frame, cluster);
		return VMA_REUSE_GONE;
	}
	if (f->state != REUSE_BAD)
		u->stats.changed_bytes += vma_cluster_len(d->size, cluster);
	*ret_ready = reuse_judge_taken(u, d, frame, cluster);
	return VMA_REUSE_CHANGED;
}

enum vma_reuse_verdict vma_reuse_compare(struct vma_reuse *u, uint8_t dev, uint32_t cluster, uint16_t mask,
					 const uint8_t hash[VMA_HASH_SIZE])
{
	struct reuse_disk *d = u->disks[dev];
	const uint32_t frame = reuse_find(u, dev, cluster);
	enum vma_reuse_verdict verdict;
	struct vma_trailer t;
	bool same, ready = false;

	if (frame == VMA_BASE_NONE)
		return compare_new(u, d, cluster, mask);
	same = is_same(u, dev, frame, cluster, mask, hash, &t);
	pthread_mutex_lock(&u->lock);
	verdict = judge(u, d, frame, cluster, same ? &t : NULL, &ready);
	pthread_mutex_unlock(&u->lock);
	if (ready)
		reuse_wake(u);
	return verdict;
}
