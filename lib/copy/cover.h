/*
 * What has become of each cluster of one disk, with the counters that the progress is made of.
 *
 * A cluster is *done* once its data is in an extent or it was handed to the writer as zero: this map
 * decides when a cluster comes twice, by a read and by a push; first come, first kept.  It is *claimed*
 * once a request was given it, or once it was found zero: nobody else is to read it.  A *suspect* is a
 * cluster that is claimed as zero, but whose zeroes have to be confirmed first.  A *clean* one is claimed
 * from the beginning, since it has not changed since the base of an incremental backup.
 *
 * Threads: the maps `done` and `clean` are under a lock, and the counters are atomic.  Everything else
 * belongs to the thread that runs the copy.  Each function says which it needs.
 */
#ifndef VZDUMP_COPY_COVER_H
#define VZDUMP_COPY_COVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "vma/map.h"
#include "copy/progress.h"
#include "copy/run.h"

struct cover {
	uint64_t size; /* bytes; the last cluster may be shorter than the others */
	uint32_t clusters;

	pthread_mutex_t lock; /* of the two maps; the copying thread alone changes `clean` */
	struct map done;
	struct map clean;
	atomic_uint n_done;
	_Atomic uint64_t done_bytes, rewritten_bytes, pushed_bytes;
	_Atomic uint64_t clean_bytes;      /* nobody reads them */
	_Atomic uint64_t clean_done_bytes; /* of those: done */
	/* of the clusters that are not clean: */
	_Atomic uint64_t known_bytes;   /* block status is known */
	_Atomic uint64_t skip_bytes;    /* found zero, so nobody reads them */
	_Atomic uint64_t skipped_bytes; /* of those: done */

	/* the copying thread's */
	uint32_t known; /* block status is known up to here */
	uint32_t n_claimed;
	struct map claimed;
	struct map rewritten; /* seen in the dirty bitmap before they were claimed */
	struct map suspects;
	uint32_t n_suspects;
};

/* False when memory is out; there is nothing to clear then. */
bool cover_init(struct cover *c, uint64_t size);
/* No other thread uses it any more.  One that is all zero is fine. */
void cover_clear(struct cover *c);

/* Bytes of this cluster. */
static inline uint32_t cover_cluster_len(const struct cover *c, uint32_t cluster)
{
	return vma_cluster_len(c->size, cluster);
}

/* Bytes of a run that lies within the disk. */
static inline uint64_t cover_bytes(const struct cover *c, struct run run)
{
	return cluster_offset(run.n - 1) + cover_cluster_len(c, run.first + run.n - 1);
}

/* About a run that lies within the disk and is no longer than QUESTION_MAX_CLUSTERS. */
static inline struct question cover_question(const struct cover *c, struct run run)
{
	return (struct question){ cluster_offset(run.first), cover_bytes(c, run) };
}

/* ---- any thread ---- */

/* Marks the cluster done; false if it was before. */
bool cover_mark_done(struct cover *c, uint32_t cluster);
/* Marks all of these done, or none: false if one was before. */
bool cover_mark_all_done(struct cover *c, const uint32_t *clusters, unsigned n);
bool cover_is_done(struct cover *c, uint32_t cluster);
/* Whether all of [first, end) is done. */
bool cover_range_done(struct cover *c, uint32_t first, uint32_t end);
/* Whether all of the disk is. */
static inline bool cover_complete(const struct cover *c)
{
	return atomic_load(&c->n_done) == c->clusters;
}
/* So many bytes came through a sink. */
void cover_count_pushed(struct cover *c, uint64_t bytes);
void cover_get_progress(const struct cover *c, struct copy_progress *ret);

/* ---- the copying thread ---- */

/* Claims up to `max` clusters from `first` on, and before `end`, that are not claimed; returns how many. */
uint32_t cover_claim(struct cover *c, uint32_t first, uint32_t end, uint32_t max);
static inline bool cover_is_claimed(const struct cover *c, uint32_t cluster)
{
	return map_get(&c->claimed, cluster);
}
/* Whether every cluster is. */
static inline bool cover_all_claimed(const struct cover *c)
{
	return c->n_claimed == c->clusters;
}
/*
 * First cluster from `from` on that is not claimed, or the number of clusters.  May go through all of the
 * map: ask cover_is_claimed() about single clusters.
 */
uint32_t cover_next_unclaimed(const struct cover *c, uint32_t from);
uint32_t cover_next_claimed(const struct cover *c, uint32_t from);

/*
 * What is not a candidate is clean: claims it.  Once, before anything else is claimed, and while block
 * status is known of nothing or of all of the disk.
 */
void cover_claim_clean(struct cover *c, const struct map *candidates);
/*
 * The cluster, which is claimed, has to be read (again): it is neither claimed nor clean any more.  False if
 * it is done.
 */
bool cover_unclaim(struct cover *c, uint32_t cluster);

/* Block status is known up to this cluster, at least as far as before. */
void cover_set_known(struct cover *c, uint32_t cluster);

/* Claims as zero what is not claimed of [first, end), and appends it to ret. */
void cover_claim_zeroes(struct cover *c, uint32_t first, uint32_t end, struct runs *ret);
/* A cluster of those goes to the writer: marks it done; false if it came through a sink meanwhile. */
bool cover_mark_zero_done(struct cover *c, uint32_t cluster);

/* Claims what is not claimed of [first, end) as suspects. */
void cover_claim_suspects(struct cover *c, uint32_t first, uint32_t end);
/* First suspect from `from` on, or the number of clusters. */
uint32_t cover_next_suspect(const struct cover *c, uint32_t from);
/* The cluster has to be read: it is not claimed any more.  False if it was no suspect. */
bool cover_drop_suspect(struct cover *c, uint32_t cluster);
/* The suspects are zero: appends them to ret, as cover_claim_zeroes() does.  None is left. */
void cover_confirm_suspects(struct cover *c, struct runs *ret);

/* The guest has rewritten this cluster, which is not claimed; counts it once. */
void cover_note_rewritten(struct cover *c, uint32_t cluster);

/* Lines of text for debugging: counts, and a strip of what is done from the beginning to the end. */
void cover_describe(struct cover *c, struct buf *b);

#endif
