/*
 * A model of what surrounds the reuse: disks of a guest as they were in the base and as they are now, and the
 * cover of each.  What the reuse does to a cover is checked at once; model_check() checks the end.
 * What a copy, a sink and workers do is in reuse-steps.h.
 */
#ifndef VZDUMP_TESTS_REUSE_MODEL_H
#define VZDUMP_TESTS_REUSE_MODEL_H

#include <pthread.h>
#include <stdarg.h>

#include "base/mem.h"
#include "vma/index.h"
#include "vma/reuse.h"

#include "tap.h"

#define MODEL_DISKS 4 /* ids 1 to 4 */

/* How a cluster came into the new archive. */
enum model_how {
	HOW_NOT,
	HOW_KEPT,
	HOW_LEFTOVER, /* of the base, written anew */
	HOW_WRITTEN,  /* read from the guest */
	HOW_PUSHED,
	HOW_ZERO,
};

struct model_disk {
	struct model *model;
	uint64_t old_size, size; /* in the base, now; 0: it does not exist */
	uint32_t *was, *now;     /* the content of each cluster, by a number; 0: zero */
	struct map candidates;
	uint32_t old_clusters, clusters;
	uint32_t same_end; /* clusters from here on count as changed */
	uint8_t dev;
	bool bitmap; /* `candidates` tells what may have changed */

	/* under the model's lock */
	bool begun, claimed_begin; /* one thread begins with the disk */
	uint8_t *how;
	uint8_t *released; /* how often */
	bool *claimed;     /* nobody is to read it any more */
};

/* Things that are under way: keys of clusters, or numbers of frames. */
struct model_list {
	uint64_t *items;
	size_t n, cap;
};

struct model {
	const struct vma_base *base; /* the reuse's */
	struct vma_reuse *reuse;
	struct model_disk disks[MODEL_DISKS];
	bool *damaged; /* by frames of the base */
	bool any_damage;
	unsigned n_frames; /* that store clusters of disks that are there still */

	pthread_mutex_t lock;     /* is taken while the reuse's is held, never the other way round */
	struct model_list reads;  /* were read, and not compared yet */
	struct model_list pushes; /* were taken by the sink, which has not told yet */
	struct model_list found;  /* were found zero and taken, which was not told yet */
	struct model_list zeroes; /* zero now and in the base, not taken yet */
	struct model_list frames; /* are to be settled */
	bool idle;                /* the workers wait to be woken */
	unsigned busy;            /* threads within a step */
	uint64_t changed_bytes;
	char *wrong; /* the first thing that was not right */
};

/* Which function of the reuse this thread is in. */
enum model_call {
	CALL_OTHER,
	CALL_BEGIN,
	CALL_COMPARE,
	CALL_SETTLE,
	CALL_WRITTEN,
};
static _Thread_local enum model_call model_call;

static inline uint32_t model_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

__attribute__((format(printf, 2, 3))) static inline void model_wrong(struct model *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!m->wrong)
		m->wrong = xvasprintf(fmt, ap);
	va_end(ap);
}

/* ---- content ---- */

/* The blocks that a cluster with this number stores; at least one. */
static inline uint16_t model_mask(uint64_t size, uint32_t cluster, uint32_t number)
{
	const uint32_t blocks = (vma_cluster_len(size, cluster) + VMA_BLOCK_SIZE - 1) / VMA_BLOCK_SIZE;
	const uint16_t mask = (uint16_t)(((cluster + 1) * 40503u ^ number * 2654435761u) >> 7);

	return (uint16_t)((mask | 1u << number % blocks) & ((1u << blocks) - 1));
}

/* Writes a cluster with this number, which is not 0; returns its mask. */
static inline uint16_t model_content(uint8_t out[VMA_CLUSTER_SIZE], uint8_t dev, uint64_t size,
				     uint32_t cluster, uint32_t number)
{
	const uint16_t mask = model_mask(size, cluster, number);
	const uint32_t len = vma_cluster_len(size, cluster);

	for (uint32_t i = 0; i < VMA_CLUSTER_SIZE; i += 8) {
		const uint64_t word = (uint64_t)number << 40 | (uint64_t)dev << 32 | cluster;

		memset(out + i, 0, 8);
		if (mask >> i / VMA_BLOCK_SIZE & 1 && i < len)
			memcpy(out + i, &word, len - i < 8 ? len - i : 8);
	}
	return mask;
}

static inline bool model_same(const struct model_disk *d, uint32_t cluster)
{
	return cluster < d->same_end && d->was[cluster] == d->now[cluster];
}

/* ---- lists; with the lock held ---- */

static inline void list_add(struct model_list *l, uint64_t item)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->items = xreallocarray(l->items, l->cap, sizeof(*l->items));
	}
	l->items[l->n++] = item;
}

static inline bool list_take(struct model_list *l, uint32_t *seed, uint64_t *ret)
{
	size_t i;

	if (!l->n)
		return false;
	i = model_random(seed) % l->n;
	*ret = l->items[i];
	l->items[i] = l->items[--l->n];
	return true;
}

/* ---- the cover ---- */

/* Takes it for itself, unless somebody has; with the lock held. */
static inline bool cover_take(struct model_disk *d, uint32_t cluster, enum model_how how)
{
	if (cluster >= d->clusters)
		model_wrong(d->model, "cluster %u of disk %u lies beyond its end", cluster, d->dev);
	if (cluster >= d->clusters || d->how[cluster] != HOW_NOT)
		return false;
	d->how[cluster] = (uint8_t)how;
	return true;
}

static inline bool op_take(void *opaque, uint32_t cluster)
{
	struct model_disk *d = opaque;
	bool taken;

	pthread_mutex_lock(&d->model->lock);
	if (model_call != CALL_COMPARE && model_call != CALL_SETTLE)
		model_wrong(d->model, "a cluster was taken in call %d", model_call);
	taken = cover_take(d, cluster, model_call == CALL_SETTLE ? HOW_LEFTOVER : HOW_WRITTEN);
	pthread_mutex_unlock(&d->model->lock);
	return taken;
}

static inline bool op_take_all(void *opaque, const uint32_t *clusters, unsigned n)
{
	struct model_disk *d = opaque;
	bool all = n > 0;

	pthread_mutex_lock(&d->model->lock);
	for (unsigned i = 0; i < n; i++) {
		if (clusters[i] >= d->clusters || (i && clusters[i] <= clusters[i - 1]))
			model_wrong(d->model, "take_all() with wrong clusters");
		all = all && d->how[clusters[i]] == HOW_NOT;
	}
	for (unsigned i = 0; all && i < n; i++)
		cover_take(d, clusters[i], HOW_KEPT);
	pthread_mutex_unlock(&d->model->lock);
	return all;
}

/* Leftovers only once they are written; what was not taken never. */
static inline bool may_release(enum model_how how)
{
	return (how == HOW_WRITTEN && model_call == CALL_COMPARE) ||
	       (how == HOW_LEFTOVER && model_call == CALL_WRITTEN) ||
	       (how == HOW_KEPT &&
		(model_call == CALL_BEGIN || model_call == CALL_COMPARE || model_call == CALL_SETTLE));
}

static inline void op_release(void *opaque, uint32_t first, uint32_t n)
{
	struct model_disk *d = opaque;

	pthread_mutex_lock(&d->model->lock);
	for (uint32_t i = first; i < first + n; i++) {
		if (i >= d->clusters || !may_release(d->how[i]) || d->released[i]++)
			model_wrong(d->model, "cluster %u of disk %u was released in call %d", i, d->dev,
				    model_call);
	}
	pthread_mutex_unlock(&d->model->lock);
}

static inline void op_read_again(void *opaque, uint32_t cluster)
{
	struct model_disk *d = opaque;
	uint32_t n, frame = vma_base_find(d->model->base, d->dev, cluster, &n);

	pthread_mutex_lock(&d->model->lock);
	if (frame == VMA_BASE_NONE || !d->model->damaged[frame] || cluster >= d->clusters)
		model_wrong(d->model, "cluster %u of disk %u is read again", cluster, d->dev);
	else if (d->how[cluster] == HOW_NOT)
		d->claimed[cluster] = false;
	pthread_mutex_unlock(&d->model->lock);
}

/* ---- the end ---- */

struct model_sums {
	uint32_t kept;
	uint64_t clusters, bytes, stored[MODEL_DISKS + 1];
};

static inline void check_member(struct model *m, uint32_t frame, bool kept, uint64_t key,
				struct model_sums *sums)
{
	struct model_disk *d = &m->disks[(key >> 32) - 1];
	const uint32_t cluster = (uint32_t)key;
	const enum model_how how = cluster < d->clusters ? d->how[cluster] : HOW_NOT;

	if (kept != (how == HOW_KEPT) || (kept && !model_same(d, cluster)))
		model_wrong(m, "cluster %u of disk %u, of frame %u: it is wrong whether it is kept", cluster,
			    d->dev, frame);
	if (how == HOW_LEFTOVER && (m->damaged[frame] || !model_same(d, cluster)))
		model_wrong(m, "cluster %u of disk %u is a leftover", cluster, d->dev);
	if (how == HOW_WRITTEN && !m->damaged[frame] && model_same(d, cluster))
		model_wrong(m, "cluster %u of disk %u was written without need", cluster, d->dev);
	if (!kept)
		return;
	sums->clusters++;
	sums->stored[d->dev] += vma_stored_bytes(model_mask(d->size, cluster, d->now[cluster]),
						 vma_cluster_len(d->size, cluster));
}

/* A frame that nothing speaks against must be kept. */
static inline void check_frame(struct model *m, uint32_t frame, const uint64_t *keys, unsigned n,
			       struct model_sums *sums)
{
	const bool kept = vma_reuse_is_kept(m->reuse, frame);
	bool could = !m->damaged[frame];
	struct vma_base_span span;

	for (unsigned i = 0; i < n; i++) {
		const struct model_disk *d = &m->disks[(keys[i] >> 32) - 1];

		check_member(m, frame, kept, keys[i], sums);
		could = could && model_same(d, (uint32_t)keys[i]) && d->how[(uint32_t)keys[i]] != HOW_PUSHED;
	}
	if (could && !kept)
		model_wrong(m, "frame %u is not kept", frame);
	vma_base_span(m->base, frame, &span);
	sums->kept += kept;
	sums->bytes += kept ? span.frame + span.trailer : 0;
}

static inline void check_frames(struct model *m, struct model_sums *sums)
{
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = vma_base_walk_new(m->base, 0);
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	uint32_t frame;
	unsigned n;

	while (vma_base_walk_next(w, &frame, keys, &n)) {
		if (m->disks[(keys[0] >> 32) - 1].size)
			check_frame(m, frame, keys, n, sums);
		else if (vma_reuse_is_kept(m->reuse, frame))
			model_wrong(m, "frame %u of a removed disk is kept", frame);
	}
}

static inline void check_cluster(struct model *m, const struct model_disk *d, uint32_t cluster)
{
	const enum model_how how = d->how[cluster];
	const bool by_reuse = how == HOW_KEPT || how == HOW_LEFTOVER || how == HOW_WRITTEN;

	if (how == HOW_NOT || d->released[cluster] != by_reuse || (how == HOW_ZERO && d->now[cluster]))
		model_wrong(m, "cluster %u of disk %u: taken as %d, released %u times", cluster, d->dev, how,
			    d->released[cluster]);
}

static inline uint64_t candidate_bytes(const struct model_disk *d)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < d->clusters; i++)
		if (!d->bitmap || map_get(&d->candidates, i))
			n += vma_cluster_len(d->size, i);
	return n;
}

static inline void check_stats(struct model *m, const struct model_sums *sums)
{
	struct vma_reuse_stats s;

	vma_reuse_get_stats(m->reuse, &s);
	if (s.kept != sums->kept || s.kept_clusters != sums->clusters || s.kept_bytes != sums->bytes)
		model_wrong(m, "what is kept is not counted right");
	for (unsigned i = 1; i <= MODEL_DISKS; i++)
		if (s.stored[i] != sums->stored[i])
			model_wrong(m, "kept frames store %llu bytes of disk %u, not %llu",
				    (unsigned long long)sums->stored[i], i, (unsigned long long)s.stored[i]);
	if (s.kept + s.rewritten + s.bad != m->n_frames)
		model_wrong(m, "%u + %u + %u frames are not %u", s.kept, s.rewritten, s.bad, m->n_frames);
	for (unsigned i = 0; i < MODEL_DISKS; i++)
		s.candidate_bytes -= candidate_bytes(&m->disks[i]);
	if (s.candidate_bytes)
		model_wrong(m, "candidates are not counted right");
	if (!m->any_damage && s.changed_bytes != m->changed_bytes)
		model_wrong(m, "changed: %llu, not %llu", (unsigned long long)s.changed_bytes,
			    (unsigned long long)m->changed_bytes);
}

/* Every cluster once, with the right content, and all is counted. */
static inline void model_check(struct model *m)
{
	struct model_sums sums = { 0 };

	for (unsigned i = 0; i < MODEL_DISKS; i++)
		for (uint32_t k = 0; k < m->disks[i].clusters; k++)
			check_cluster(m, &m->disks[i], k);
	check_frames(m, &sums);
	check_stats(m, &sums);
}

#endif
