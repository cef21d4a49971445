/*
 * What the files of the reuse share: a disk, a frame of the base and its way from one state to the next.
 *
 *	open ─▶ ready ─▶ settling ─▶ kept | gone | bad
 *	  └──▶ kept | gone | bad
 *
 * The lock guards all states, and is held while struct vma_reuse_ops are called.  No file is read with it.
 */
#ifndef VZDUMP_VMA_REUSE_INTERNAL_H
#define VZDUMP_VMA_REUSE_INTERNAL_H

#include <pthread.h>

#include "vma/reuse-members.h"
#include "vma/reuse.h"

enum reuse_state {
	REUSE_OPEN,     /* not all of its clusters are judged, or its disk was not begun */
	REUSE_READY,    /* for vma_reuse_next() */
	REUSE_SETTLING, /* one worker has it */
	REUSE_KEPT,
	REUSE_GONE, /* nothing of it is needed any more: changed, or taken as leftovers */
	REUSE_BAD,
};

struct reuse_frame {
	uint8_t state; /* enum reuse_state */
	uint8_t open;  /* clusters that are not judged yet */
	uint8_t taken; /* clusters that were taken for something else, by now or soon, or that are dropped */
	bool changed : 1; /* it cannot be kept: some cluster was taken, of which `taken` may not know yet */
	bool scrub : 1;   /* unpack it before it is kept */
};

struct reuse_disk {
	struct vma_reuse_ops ops;
	void *opaque;
	uint64_t size; /* now */
	uint32_t clusters;
	uint32_t same_end; /* clusters from here on count as changed */
	struct map judged;
	struct reuse_members members;
};

/* Frames, of which the first is found quickly. */
struct reuse_set {
	struct map map;
	uint32_t n;
	uint32_t first; /* none is before it */
};

struct vma_reuse {
	struct vma_reuse_options o;
	pthread_mutex_t lock;
	bool stopped;
	struct reuse_frame *frames;            /* by number */
	struct reuse_set ready, ready_changed; /* the latter: some of their clusters have changed */
	struct vma_reuse_stats stats;
	struct reuse_disk *disks[VMA_MAX_DEVICES + 1]; /* fixed once threads use it */

	pthread_mutex_t wake_lock; /* is taken with no other one held */
	void (*wake)(void *opaque);
	void *wake_opaque;
};

/* The frame that stores the cluster, or VMA_BASE_NONE.  Any thread, without the lock. */
uint32_t reuse_find(const struct vma_reuse *u, uint8_t dev, uint32_t cluster);

/* Tells the writer that something is ready; without the lock. */
void reuse_wake(struct vma_reuse *u);

/* ---- with the lock held, and not stopped; those that return bool: reuse_wake() is needed ---- */

/* One more cluster of the frame lies beyond the end of the disk. */
bool reuse_judge_dropped(struct vma_reuse *u, uint32_t frame);
/* The cluster is judged; it may have been before. */
bool reuse_judge(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, uint32_t cluster);
/* The same, and it was taken for something else: told once for each cluster, by who took it. */
bool reuse_judge_taken(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, uint32_t cluster);

/* Keeps the frame if all of these, its clusters, can be taken; they are released. */
bool reuse_keep(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, const uint32_t *clusters,
		unsigned n);
/* The same for the clusters that the frame's trailer names. */
bool reuse_keep_by_trailer(struct vma_reuse *u, uint32_t frame, const struct vma_trailer *t);
/*
 * The frame has just become ready: keeps it at once if it can be kept without looking at it, so that QEMU
 * gets its space back before a worker is free.  Returns whether it is kept.
 */
bool reuse_keep_ready(struct vma_reuse *u, uint32_t frame, const struct vma_trailer *t);
/* These, which ascend and were taken, are not needed from the guest any more. */
void reuse_release(const struct reuse_disk *d, const uint32_t *clusters, unsigned n);
/* Nothing of the frame is needed any more. */
void reuse_set_gone(struct vma_reuse *u, uint32_t frame);

/* ---- without the lock ---- */

/*
 * The frame cannot be read: what of it was judged is read from the guest, and what comes later counts as
 * changed.  Has no effect on a frame that has left the state.  Takes *err, which is told as a warning.
 */
void reuse_set_bad(struct vma_reuse *u, struct reuse_disk *d, uint32_t frame, enum reuse_state state,
		   struct error **err);

#endif
