/* What a copy, a sink and workers do with the reuse: each step is one action at random, and any thread's. */
#ifndef VZDUMP_TESTS_REUSE_STEPS_H
#define VZDUMP_TESTS_REUSE_STEPS_H

#include "reuse-model.h"

/* A thread that takes steps. */
struct stepper {
	struct model *m;
	const struct vma_secret *secret;
	uint32_t seed;
	unsigned push; /* one step in so many is a push; 0: none */
	struct vma_base_unpacked unpacked;
	uint8_t cluster[VMA_CLUSTER_SIZE];
};

static inline struct model_disk *disk_of(struct model *m, uint64_t key)
{
	return &m->disks[(key >> 32) - 1];
}

static inline uint32_t frame_of(const struct model *m, uint64_t key)
{
	uint32_t n;

	return vma_base_find(m->base, (uint8_t)(key >> 32), (uint32_t)key, &n);
}

/* With the lock held. */
static inline void count_changed(struct model *m, uint64_t key)
{
	m->changed_bytes += vma_cluster_len(disk_of(m, key)->size, (uint32_t)key);
}

static inline uint64_t all_clusters(const struct model *m)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < MODEL_DISKS; i++)
		n += m->disks[i].clusters;
	return n;
}

/* The key of the i-th cluster of all disks. */
static inline uint64_t nth_cluster(const struct model *m, uint64_t i)
{
	unsigned disk = 0;

	for (; i >= m->disks[disk].clusters; disk++)
		i -= m->disks[disk].clusters;
	return vma_cluster_key(m->disks[disk].dev, (uint32_t)i);
}

/* ---- begin ---- */

static inline void add_zeroes(void *opaque, uint32_t first, uint32_t n)
{
	struct model_disk *d = opaque;

	pthread_mutex_lock(&d->model->lock);
	for (uint32_t i = first; i < first + n; i++) {
		if (i >= d->same_end || d->was[i] || d->now[i] || map_get(&d->candidates, i))
			model_wrong(d->model, "cluster %u of disk %u is not zero", i, d->dev);
		list_add(&d->model->zeroes, vma_cluster_key(d->dev, i));
	}
	pthread_mutex_unlock(&d->model->lock);
}

static inline void begin(struct model *m, struct model_disk *d)
{
	d->claimed_begin = true;
	for (uint32_t i = 0; i < d->clusters; i++)
		d->claimed[i] = d->bitmap && i < d->same_end && !map_get(&d->candidates, i);
	pthread_mutex_unlock(&m->lock);
	model_call = CALL_BEGIN;
	vma_reuse_begin(m->reuse, d->dev, d->bitmap ? &d->candidates : NULL, add_zeroes, d);
	model_call = CALL_OTHER;
	pthread_mutex_lock(&m->lock);
	if (d->bitmap && map_next_unset(&d->candidates, d->same_end) < d->clusters)
		model_wrong(m, "the end of disk %u is not read", d->dev);
	d->begun = true;
}

static inline bool step_begin(struct stepper *s)
{
	const unsigned first = model_random(&s->seed) % MODEL_DISKS;

	for (unsigned i = 0; i < MODEL_DISKS; i++) {
		struct model_disk *d = &s->m->disks[(first + i) % MODEL_DISKS];

		if (!d->clusters || d->claimed_begin)
			continue;
		begin(s->m, d);
		return true;
	}
	return false;
}

/* ---- the copy and the sink ---- */

/* Reads a cluster, or finds it to be zero. */
static inline void read_cluster(struct stepper *s, uint64_t key)
{
	struct model_disk *d = disk_of(s->m, key);

	d->claimed[(uint32_t)key] = true;
	if (d->now[(uint32_t)key] || model_random(&s->seed) % 2)
		list_add(&s->m->reads, key);
	else if (cover_take(d, (uint32_t)key, HOW_ZERO))
		list_add(&s->m->found, key);
}

static inline bool step_read(struct stepper *s)
{
	const uint64_t n = all_clusters(s->m), first = model_random(&s->seed) % n;

	for (uint64_t i = 0; i < n; i++) {
		const uint64_t key = nth_cluster(s->m, (first + i) % n);

		if (!disk_of(s->m, key)->begun || disk_of(s->m, key)->claimed[(uint32_t)key])
			continue;
		read_cluster(s, key);
		return true;
	}
	return false;
}

static inline bool step_push(struct stepper *s)
{
	const uint64_t key = nth_cluster(s->m, model_random(&s->seed) % all_clusters(s->m));

	if (!s->push || model_random(&s->seed) % s->push ||
	    !cover_take(disk_of(s->m, key), (uint32_t)key, HOW_PUSHED))
		return false;
	list_add(&s->m->pushes, key);
	return true;
}

static inline void count_taken(struct stepper *s, uint64_t key)
{
	if (frame_of(s->m, key) != VMA_BASE_NONE)
		count_changed(s->m, key);
}

static inline bool step_tell_push(struct stepper *s)
{
	uint64_t key;

	if (!list_take(&s->m->pushes, &s->seed, &key))
		return false;
	count_taken(s, key);
	pthread_mutex_unlock(&s->m->lock);
	vma_reuse_pushed(s->m->reuse, (uint8_t)(key >> 32), (uint32_t)key);
	pthread_mutex_lock(&s->m->lock);
	return true;
}

/* Takes this one, if it is there. */
static inline bool list_take_item(struct model_list *l, uint64_t item)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->items[i] != item)
			continue;
		l->items[i] = l->items[--l->n];
		return true;
	}
	return false;
}

/* A row of them. */
static inline bool step_tell_zero(struct stepper *s)
{
	uint32_t n = 0;
	uint64_t key;

	if (!list_take(&s->m->found, &s->seed, &key))
		return false;
	do
		count_taken(s, key + n++);
	while (list_take_item(&s->m->found, key + n));
	pthread_mutex_unlock(&s->m->lock);
	vma_reuse_zero(s->m->reuse, (uint8_t)(key >> 32), (uint32_t)key, n);
	pthread_mutex_lock(&s->m->lock);
	return true;
}

/* A cluster that is zero now and in the base; one that was pushed meanwhile is done. */
static inline bool step_take_zero(struct stepper *s)
{
	uint64_t key;

	if (!list_take(&s->m->zeroes, &s->seed, &key))
		return false;
	cover_take(disk_of(s->m, key), (uint32_t)key, HOW_ZERO);
	return true;
}

/* ---- the workers ---- */

/* With the lock held. */
static inline void check_verdict(struct stepper *s, uint64_t key, enum vma_reuse_verdict verdict)
{
	const struct model_disk *d = disk_of(s->m, key);
	const uint32_t frame = frame_of(s->m, key), cluster = (uint32_t)key;
	const bool write = verdict == VMA_REUSE_NEW || verdict == VMA_REUSE_CHANGED;

	if (verdict == VMA_REUSE_SAME && !model_same(d, cluster))
		model_wrong(s->m, "cluster %u of disk %u was taken to be the same", cluster, d->dev);
	if (write && (verdict == VMA_REUSE_NEW) != (frame == VMA_BASE_NONE))
		model_wrong(s->m, "cluster %u of disk %u: verdict %d", cluster, d->dev, verdict);
	/* of a damaged frame another thread may have read it again by now */
	if (write ? d->how[cluster] != HOW_WRITTEN
		  : d->how[cluster] == HOW_WRITTEN && (frame == VMA_BASE_NONE || !s->m->damaged[frame]))
		model_wrong(s->m, "cluster %u of disk %u: verdict %d, but taken as %d", cluster, d->dev,
			    verdict, d->how[cluster]);
	if (verdict == VMA_REUSE_CHANGED || (write && d->now[cluster]))
		count_changed(s->m, key);
}

static inline bool step_compare(struct stepper *s)
{
	uint8_t hash[VMA_HASH_SIZE] = { 0 };
	enum vma_reuse_verdict verdict;
	struct model_disk *d;
	uint16_t mask = 0;
	uint64_t key;

	if (!list_take(&s->m->reads, &s->seed, &key))
		return false;
	pthread_mutex_unlock(&s->m->lock);
	d = disk_of(s->m, key);
	if (d->now[(uint32_t)key]) {
		mask = model_content(s->cluster, d->dev, d->size, (uint32_t)key, d->now[(uint32_t)key]);
		vma_hash_cluster(s->secret, s->cluster, hash);
	}
	model_call = CALL_COMPARE;
	verdict = vma_reuse_compare(s->m->reuse, d->dev, (uint32_t)key, mask, hash);
	model_call = CALL_OTHER;
	pthread_mutex_lock(&s->m->lock);
	check_verdict(s, key, verdict);
	return true;
}

/* A worker looks for a frame, and waits to be woken if there is none. */
static inline bool step_next(struct stepper *s)
{
	const bool changed = model_random(&s->seed) % 2;
	uint32_t frame;

	if (s->m->idle)
		return false;
	s->m->idle = true;
	pthread_mutex_unlock(&s->m->lock);
	if (!(changed && vma_reuse_next_changed(s->m->reuse, &frame)) &&
	    !vma_reuse_next(s->m->reuse, &frame)) {
		pthread_mutex_lock(&s->m->lock);
		return false;
	}
	pthread_mutex_lock(&s->m->lock);
	s->m->idle = false;
	list_add(&s->m->frames, frame);
	return true;
}

/* A leftover has the content that the disk has now. */
static inline void check_leftover(struct stepper *s, const struct vma_trailer_entry *e, const uint8_t *blocks)
{
	struct model_disk *d = disk_of(s->m, e->key);
	const uint32_t cluster = (uint32_t)e->key;
	bool good = model_same(d, cluster) && d->now[cluster] &&
		    e->mask == model_content(s->cluster, d->dev, d->size, cluster, d->now[cluster]);

	for (unsigned i = 0; good && i < VMA_CLUSTER_BLOCKS; i++) {
		if (!(e->mask >> i & 1))
			continue;
		good = !memcmp(blocks, s->cluster + (size_t)i * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE);
		blocks += VMA_BLOCK_SIZE;
	}
	pthread_mutex_lock(&s->m->lock);
	if (!good || d->how[cluster] != HOW_LEFTOVER)
		model_wrong(s->m, "cluster %u of disk %u is a wrong leftover", cluster, d->dev);
	pthread_mutex_unlock(&s->m->lock);
}

static inline bool step_settle(struct stepper *s)
{
	uint8_t leftovers[VMA_CLUSTERS_PER_EXTENT];
	uint64_t frame;
	unsigned n;

	if (!list_take(&s->m->frames, &s->seed, &frame))
		return false;
	pthread_mutex_unlock(&s->m->lock);
	model_call = CALL_SETTLE;
	vma_reuse_settle(s->m->reuse, (uint32_t)frame, &s->unpacked, leftovers, &n);
	for (unsigned i = 0; i < n; i++)
		check_leftover(s, &s->unpacked.trailer.entries[leftovers[i]],
			       s->unpacked.blocks[leftovers[i]]);
	model_call = CALL_WRITTEN;
	vma_reuse_written(s->m->reuse, &s->unpacked, leftovers, n);
	model_call = CALL_OTHER;
	pthread_mutex_lock(&s->m->lock);
	return true;
}

/* ---- all of them ---- */

/* Takes one of the steps that can be taken, beginning at a random one; false: there is none now. */
static inline bool step(struct stepper *s)
{
	static bool (*const steps[])(struct stepper * s) = {
		step_begin,     step_read,    step_push, step_tell_push, step_tell_zero,
		step_take_zero, step_compare, step_next, step_settle,
	};
	const unsigned n = ARRAY_SIZE(steps), first = model_random(&s->seed) % n;
	bool done = false;

	for (unsigned i = 0; i < n && !done; i++)
		done = steps[(first + i) % n](s);
	return done;
}

/* Whether some cluster is not there yet. */
static inline bool model_incomplete(const struct model *m)
{
	for (unsigned i = 0; i < MODEL_DISKS; i++)
		for (uint32_t k = 0; k < m->disks[i].clusters; k++)
			if (m->disks[i].how[k] == HOW_NOT)
				return true;
	return false;
}

#endif
