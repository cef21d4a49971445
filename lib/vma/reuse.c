#include "vma/reuse.h"

#include <errno.h>

#include "base/mem.h"
#include "vma/index.h"
#include "vma/reuse-internal.h"

struct vma_reuse *vma_reuse_new(const struct vma_reuse_options *o)
{
	const uint32_t n = vma_base_frames(o->base);
	struct vma_reuse *u = xcalloc(1, sizeof(*u));

	u->o = *o;
	u->frames = xcalloc((size_t)n + 1, sizeof(*u->frames));
	for (uint32_t i = 0; i < n; i++)
		u->frames[i].open = (uint8_t)vma_base_frame_clusters(o->base, i);
	if (!map_init(&u->ready.map, n) || !map_init(&u->ready_changed.map, n))
		out_of_memory();
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->wake_lock, NULL);
	return u;
}

static void disk_free(struct reuse_disk *d)
{
	if (!d)
		return;
	map_clear(&d->judged);
	reuse_members_clear(&d->members);
	free(d);
}

void vma_reuse_free(struct vma_reuse *u)
{
	if (!u)
		return;
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++)
		disk_free(u->disks[i]);
	vma_base_free(u->o.base);
	free(u->frames);
	map_clear(&u->ready.map);
	map_clear(&u->ready_changed.map);
	pthread_mutex_destroy(&u->lock);
	pthread_mutex_destroy(&u->wake_lock);
	free(u);
}

void vma_reuse_stop(struct vma_reuse *u)
{
	vma_reuse_set_wake(u, NULL, NULL);
	pthread_mutex_lock(&u->lock);
	u->stopped = true;
	pthread_mutex_unlock(&u->lock);
}

void vma_reuse_set_wake(struct vma_reuse *u, void (*wake)(void *opaque), void *opaque)
{
	pthread_mutex_lock(&u->wake_lock);
	u->wake = wake;
	u->wake_opaque = opaque;
	pthread_mutex_unlock(&u->wake_lock);
}

/* Where the two sizes begin to differ. */
static uint32_t end_of_same(const struct vma_base *b, uint8_t dev, uint64_t size)
{
	const struct vma_device *was = &vma_base_header(b)->devices[dev];
	const uint64_t old = was->name ? was->size : 0;

	if (old == size)
		return (uint32_t)vma_clusters(size);
	return (uint32_t)((old < size ? old : size) / VMA_CLUSTER_SIZE);
}

int vma_reuse_add_disk(struct vma_reuse *u, uint8_t dev, uint64_t size, const struct vma_reuse_ops *ops,
		       void *opaque, struct error **err)
{
	struct reuse_disk *d = xcalloc(1, sizeof(*d));

	*d = (struct reuse_disk){ .ops = *ops,
				  .opaque = opaque,
				  .size = size,
				  .clusters = (uint32_t)vma_clusters(size),
				  .same_end = end_of_same(u->o.base, dev, size) };
	reuse_members_init(&d->members);
	if (!map_init(&d->judged, d->clusters)) {
		disk_free(d);
		return error_set(err, -ENOMEM, "no memory for the map of a disk of %llu bytes",
				 (unsigned long long)size);
	}
	u->disks[dev] = d;
	return 0;
}

/* Clusters of one frame were taken; true: it is ready now. */
static bool run_taken(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, uint32_t first, uint32_t n)
{
	bool ready = false;

	pthread_mutex_lock(&u->lock);
	for (uint32_t i = first; i < first + n; i++) {
		ready |= reuse_judge_taken(u, d, frame, i);
		if (u->frames[frame].state != REUSE_BAD)
			u->stats.changed_bytes += vma_cluster_len(d->size, i);
	}
	pthread_mutex_unlock(&u->lock);
	return ready;
}

void vma_reuse_zero(struct vma_reuse *u, uint8_t dev, uint32_t first, uint32_t n)
{
	struct reuse_disk *d = u->disks[dev];
	bool ready = false;

	for (uint32_t run; n; first += run, n -= run) {
		const uint32_t frame = vma_base_find(u->o.base, dev, first, &run);

		run = run < n ? run : n;
		if (frame != VMA_BASE_NONE)
			ready |= run_taken(u, d, frame, first, run);
	}
	if (ready)
		reuse_wake(u);
}

void vma_reuse_pushed(struct vma_reuse *u, uint8_t dev, uint32_t cluster)
{
	const uint32_t frame = reuse_find(u, dev, cluster);

	if (frame != VMA_BASE_NONE && run_taken(u, u->disks[dev], frame, cluster, 1))
		reuse_wake(u);
}

/* ---- when all disks are complete ---- */

bool vma_reuse_is_kept(const struct vma_reuse *u, uint32_t frame)
{
	return frame < vma_base_frames(u->o.base) && u->frames[frame].state == REUSE_KEPT;
}

/*
 * Bytes that the last block of the disk is shorter than a block, if a kept frame stores it: only there does
 * the length of a frame not say how many bytes of the guest it stores.
 */
static uint64_t missing_tail(const struct vma_reuse *u, uint8_t dev, const struct reuse_disk *d)
{
	const uint32_t tail = (uint32_t)(d->size % VMA_BLOCK_SIZE), last = d->clusters - 1;
	const uint32_t frame = tail ? reuse_find(u, dev, last) : VMA_BASE_NONE;
	const struct vma_trailer_entry *e;
	struct vma_trailer t;

	if (frame == VMA_BASE_NONE || !vma_reuse_is_kept(u, frame) ||
	    vma_base_trailer(u->o.base, frame, &t, NULL) < 0)
		return 0;
	e = vma_trailer_find(&t, vma_cluster_key(dev, last));
	return e && e->mask >> vma_cluster_len(d->size, last) / VMA_BLOCK_SIZE & 1 ? VMA_BLOCK_SIZE - tail
										   : 0;
}

void vma_reuse_get_stats(const struct vma_reuse *u, struct vma_reuse_stats *ret)
{
	*ret = u->stats;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (u->disks[i])
			ret->stored[i] -= missing_tail(u, (uint8_t)i, u->disks[i]);
}

const struct vma_base *vma_reuse_base(const struct vma_reuse *u)
{
	return u->o.base;
}
