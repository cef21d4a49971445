/* What need not be read of a disk, and the frames that can be kept without looking at them. */
#include "vma/reuse-internal.h"

/* What begins, of which disk. */
struct beginning {
	struct vma_reuse *u;
	struct reuse_disk *d;
	uint8_t dev;
	const struct map *candidates; /* NULL: everything */
};

static bool must_be_read(const struct beginning *b, uint32_t cluster)
{
	return !b->candidates || map_get(b->candidates, cluster);
}

/*
 * Whether a frame is unpacked this time.  Its first cluster tells, since the number of a frame that is kept
 * is another one in each generation: so its turn comes once in `scrub` generations.
 */
static bool is_scrubbed(const struct vma_reuse_options *o, uint32_t first)
{
	return o->scrub && (first * UINT32_C(2654435761) >> 8) % o->scrub == o->generation % o->scrub;
}

/* Judges what need not be read; true: the frame became ready. */
static bool judge_rest(const struct beginning *b, uint32_t frame, const uint32_t *clusters, unsigned n)
{
	bool ready = false;

	for (unsigned i = 0; i < n; i++) {
		if (clusters[i] >= b->d->clusters)
			ready |= reuse_judge_dropped(b->u, frame);
		else if (!must_be_read(b, clusters[i]))
			ready |= reuse_judge(b->u, b->d, frame, clusters[i]);
	}
	return ready;
}

/* Called with the lock held. */
static bool begin_frame(const struct beginning *b, uint32_t frame, const uint32_t *clusters, unsigned n)
{
	struct reuse_frame *f = &b->u->frames[frame];
	bool look = false;

	f->scrub = is_scrubbed(&b->u->o, clusters[0]);
	for (unsigned i = 0; i < n && !look; i++)
		look = clusters[i] >= b->d->clusters || must_be_read(b, clusters[i]);
	if (!look && !f->scrub && f->state == REUSE_OPEN && reuse_keep(b->u, b->d, frame, clusters, n))
		return false;
	return judge_rest(b, frame, clusters, n);
}

static void begin_frames(const struct beginning *b)
{
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = vma_base_walk_new(b->u->o.base, b->dev);
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	uint32_t clusters[VMA_CLUSTERS_PER_EXTENT], frame;
	bool ready, stopped = false;
	unsigned n;

	while (!stopped && vma_base_walk_next(w, &frame, keys, &n)) {
		for (unsigned i = 0; i < n; i++)
			clusters[i] = (uint32_t)keys[i];
		pthread_mutex_lock(&b->u->lock);
		stopped = b->u->stopped;
		ready = !stopped && begin_frame(b, frame, clusters, n);
		pthread_mutex_unlock(&b->u->lock);
		if (ready)
			reuse_wake(b->u);
	}
}

/* Runs of [first, end) that are no candidates. */
static void zero_runs(const struct map *candidates, uint32_t first, uint32_t end,
		      void (*zero)(void *opaque, uint32_t first, uint32_t n), void *opaque)
{
	const struct map part = { .words = candidates->words, .n = end };

	for (uint32_t stop, at = map_next_unset(&part, first); at < end; at = map_next_unset(&part, stop)) {
		stop = map_next_set(&part, at);
		zero(opaque, at, stop - at);
	}
}

static void begin_zeroes(const struct beginning *b, void (*zero)(void *opaque, uint32_t first, uint32_t n),
			 void *opaque)
{
	const uint32_t end = b->d->same_end;

	for (uint32_t run, at = 0; at < end; at += run) {
		const uint32_t frame = vma_base_find(b->u->o.base, b->dev, at, &run);

		run = run < end - at ? run : end - at;
		if (frame == VMA_BASE_NONE)
			zero_runs(b->candidates, at, at + run, zero, opaque);
	}
}

static uint64_t count_bytes(const struct reuse_disk *d, const struct map *candidates)
{
	uint64_t n = 0;

	if (!candidates)
		return d->size;
	for (uint32_t end, at = map_next_set(candidates, 0); at < d->clusters;
	     at = map_next_set(candidates, end)) {
		end = map_next_unset(candidates, at);
		n += end - at;
	}
	n *= VMA_CLUSTER_SIZE;
	if (map_get(candidates, d->clusters - 1))
		n -= VMA_CLUSTER_SIZE - vma_cluster_len(d->size, d->clusters - 1);
	return n;
}

void vma_reuse_begin(struct vma_reuse *u, uint8_t dev, struct map *candidates,
		     void (*zero)(void *opaque, uint32_t first, uint32_t n), void *opaque)
{
	struct reuse_disk *d = u->disks[dev];
	const struct beginning b = { .u = u, .d = d, .dev = dev, .candidates = candidates };
	uint64_t bytes;

	for (uint32_t i = d->same_end; candidates && i < d->clusters; i++)
		map_set(candidates, i);
	bytes = count_bytes(d, candidates);
	pthread_mutex_lock(&u->lock);
	u->stats.candidate_bytes += bytes;
	pthread_mutex_unlock(&u->lock);
	begin_frames(&b);
	if (candidates)
		begin_zeroes(&b, zero, opaque);
}
