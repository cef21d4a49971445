/* The states of frames (vma/reuse-internal.h). */
#include <string.h>

#include "base/log.h"
#include "vma/index.h"
#include "vma/reuse-internal.h"

/* Of more bad frames than this only the number is told, in the report. */
#define MAX_WARNINGS 8

uint32_t reuse_find(const struct vma_reuse *u, uint8_t dev, uint32_t cluster)
{
	uint32_t n;

	return vma_base_find(u->o.base, dev, cluster, &n);
}

void reuse_wake(struct vma_reuse *u)
{
	pthread_mutex_lock(&u->wake_lock);
	if (u->wake)
		u->wake(u->wake_opaque);
	pthread_mutex_unlock(&u->wake_lock);
}

void reuse_set_gone(struct vma_reuse *u, uint32_t frame)
{
	u->frames[frame].state = REUSE_GONE;
	u->stats.rewritten++;
}

static void set_add(struct reuse_set *s, uint32_t frame)
{
	map_set(&s->map, frame);
	if (!s->n++ || frame < s->first)
		s->first = frame;
}

/* All clusters of the frame are judged; true: it waits for a worker. */
static bool all_judged(struct vma_reuse *u, uint32_t frame)
{
	struct reuse_frame *f = &u->frames[frame];

	if (f->state != REUSE_OPEN)
		return false;
	if (f->taken == vma_base_frame_clusters(u->o.base, frame)) {
		reuse_set_gone(u, frame);
		return false;
	}
	f->state = REUSE_READY;
	set_add(f->changed || f->taken ? &u->ready_changed : &u->ready, frame);
	return true;
}

static bool judge_one(struct vma_reuse *u, uint32_t frame)
{
	struct reuse_frame *f = &u->frames[frame];

	return f->open && --f->open == 0 && all_judged(u, frame);
}

bool reuse_judge_dropped(struct vma_reuse *u, uint32_t frame)
{
	u->frames[frame].taken++;
	return judge_one(u, frame);
}

bool reuse_judge(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, uint32_t cluster)
{
	if (map_get(&d->judged, cluster))
		return false;
	map_set(&d->judged, cluster);
	return judge_one(u, frame);
}

bool reuse_judge_taken(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, uint32_t cluster)
{
	if (u->frames[frame].taken < VMA_CLUSTERS_PER_EXTENT)
		u->frames[frame].taken++;
	return reuse_judge(u, d, frame, cluster);
}

static void count_kept(struct vma_reuse *u, uint8_t dev, uint32_t frame, unsigned n)
{
	struct vma_base_span span;

	vma_base_span(u->o.base, frame, &span);
	u->stats.kept++;
	u->stats.kept_clusters += n;
	u->stats.kept_bytes += span.frame + span.trailer;
	if (span.content > VMA_EXTENT_HEADER_SIZE)
		u->stats.stored[dev] += span.content - VMA_EXTENT_HEADER_SIZE;
}

void reuse_release(const struct reuse_disk *d, const uint32_t *clusters, unsigned n)
{
	for (unsigned i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && clusters[end] == clusters[end - 1] + 1;)
			end++;
		d->ops.release(d->opaque, clusters[i], end - i);
	}
}

bool reuse_keep(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, const uint32_t *clusters,
		unsigned n)
{
	struct reuse_frame *f = &u->frames[frame];

	if (f->changed || f->taken || !d->ops.take_all(d->opaque, clusters, n)) {
		f->changed = true;
		return false;
	}
	f->state = REUSE_KEPT;
	reuse_release(d, clusters, n);
	count_kept(u, vma_base_frame_dev(u->o.base, frame), frame, n);
	return true;
}

bool reuse_keep_by_trailer(struct vma_reuse *u, uint32_t frame, const struct vma_trailer *t)
{
	uint32_t clusters[VMA_CLUSTERS_PER_EXTENT];

	for (unsigned i = 0; i < t->n; i++)
		clusters[i] = (uint32_t)t->entries[i].key;
	return reuse_keep(u, u->disks[vma_base_frame_dev(u->o.base, frame)], frame, clusters, t->n);
}

bool reuse_keep_ready(struct vma_reuse *u, uint32_t frame, const struct vma_trailer *t)
{
	const struct reuse_frame *f = &u->frames[frame];

	if (f->scrub || f->changed || f->taken)
		return false;
	map_unset(&u->ready.map, frame);
	u->ready.n--;
	if (reuse_keep_by_trailer(u, frame, t))
		return true;
	set_add(&u->ready_changed, frame);
	return false;
}

/* Called with the lock held. */
static void read_again(const struct reuse_disk *d, const uint32_t *clusters, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (clusters[i] < d->clusters && map_get(&d->judged, clusters[i]))
			d->ops.read_again(d->opaque, clusters[i]);
}

static void warn(struct vma_reuse *u, unsigned number, const struct error *err)
{
	if (number <= MAX_WARNINGS)
		log_warn(u->o.log, "%s: its clusters are read from the guest instead", error_message(err));
	if (number == MAX_WARNINGS)
		log_warn(u->o.log, "%s: more damaged frames are not named", vma_base_name(u->o.base));
}

void reuse_set_bad(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, enum reuse_state state,
		   struct error **err)
{
	uint32_t clusters[VMA_CLUSTERS_PER_EXTENT];
	const unsigned n = reuse_members_get(&d->members, u->o.base, vma_base_frame_dev(u->o.base, frame),
					     frame, clusters);
	unsigned number = 0;

	pthread_mutex_lock(&u->lock);
	if (!u->stopped && u->frames[frame].state == state) {
		u->frames[frame].state = REUSE_BAD;
		number = ++u->stats.bad;
		read_again(d, clusters, n);
	}
	pthread_mutex_unlock(&u->lock);
	if (number)
		warn(u, number, *err);
	error_free(*err);
	*err = NULL;
}
