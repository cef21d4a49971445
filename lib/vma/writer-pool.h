/*
 * The work items between the callers that hand clusters in, the workers and the output.  For VMA_STREAM and
 * VMA_FRAMES they keep their order, in a ring:
 *
 *	caller:  an extent, or zeroes ─▶ a new item at the end of the ring
 *	worker:  takes the oldest item that none has taken ─▶ makes it a ready frame, in the same place
 *	output:  takes the oldest item once it is a ready frame
 *
 * So the archive keeps the order in which items came, whichever worker is done first.  A worker gets
 * the frame that it fills together with the item, under one lock: the oldest item always has one, and the
 * output never starves.
 *
 * For VMA_CHAINED frames come in any order, and an item may become several, or none:
 *
 *	worker:  takes the oldest item, or settles frames of the base; gets free frames one by one, and puts
 *		 each into the queue of ready ones
 *	output:  takes the first one of the queue
 *
 * A worker waits for free frames only, which the output gives back without waiting for any worker.  All is
 * ready when no item comes any more and all workers wait for work: each may make others find more.  Then
 * they write what they have kept, and end.
 *
 * Nothing is allocated per item; the number of extents bounds the memory.
 */
#ifndef VZDUMP_VMA_WRITER_POOL_H
#define VZDUMP_VMA_WRITER_POOL_H

#include <pthread.h>

#include "vma/writer-memory.h"

struct work_item {
	enum {
		WORK_EXTENT, /* to be packed */
		WORK_ZEROES, /* to be packed */
		WORK_FRAME   /* ready */
	} kind;
	union {
		struct vma_extent *extent;
		struct zeroes *zeroes;
		struct frame *frame;
	};
};

struct pool {
	pthread_mutex_t lock;      /* guards all down to the next comment */
	pthread_cond_t work_cond;  /* an item came, a frame came free (if in order), or the end */
	pthread_cond_t frame_cond; /* a frame came free (if in any order), or failure */
	pthread_cond_t ready_cond; /* a frame is ready, or the end */
	pthread_cond_t free_cond;  /* an extent or zeroes came free, or failure */
	struct vma_extent *free_extents;
	unsigned n_free_extents;
	unsigned n_waiting; /* callers that wait for an extent and leave none in reserve */
	struct zeroes *free_zeroes;
	struct zeroes *open_zeroes; /* being filled, not in the ring yet */
	struct frame *free_frames;
	struct work_item *ring; /* item i is at i modulo ring_size */
	/* items so far; n_written <= n_taken <= n_submitted */
	uint64_t n_submitted, n_taken, n_written;
	/* in any order: */
	struct frame *ready, **ready_end; /* queue, where its last pointer is */
	bool base_ready;                  /* frames of the base may be ready to be settled */
	unsigned n_idle, n_ended;         /* workers that wait for work; that have ended */
	unsigned n_packing;               /* extents that workers have */
	bool closed;                      /* no item comes any more */
	bool failed;
	struct error *failure;

	/* Fixed after the start. */
	bool any_order;
	unsigned n_workers; /* if in any order */
	struct writer_memory memory;
	unsigned ring_size;
	int event_fd;
	struct output *output; /* is stopped when the pool fails */
	const struct cancel *cancel;
};

/*
 * p->memory's numbers, any_order and n_workers are set, all else is zero. output and cancel (which may be
 * NULL) stay the caller's.  After a failure, too, pool_clear() is needed.
 */
int pool_init(struct pool *p, size_t frame_size, struct output *output, const struct cancel *cancel,
	      struct error **err);
/* No thread may use the pool any more. */
void pool_clear(struct pool *p);

/* ---- any thread ---- */

/* Takes *err; the first failure is kept.  All waits end, here and in the output. */
void pool_fail(struct pool *p, struct error **err);
/* Returns a copy of the failure, or 0 if there is none.  A request to stop makes the pool fail. */
int pool_check(struct pool *p, struct error **err);

/* ---- callers: the functions of the same names in vma/writer.h say what these do ---- */

int pool_extent_try_get(struct pool *p, unsigned reserve, struct vma_extent **ret, struct error **err);
int pool_extent_get(struct pool *p, unsigned reserve, struct vma_extent **ret, struct error **err);
void pool_extent_put(struct pool *p, struct vma_extent *e);
int pool_zeroes_add(struct pool *p, uint8_t dev, uint32_t first, uint32_t n, struct error **err);
bool pool_zeroes_ready(struct pool *p);
/* Nothing more comes.  If no item came at all, one empty extent is written, as Proxmox does. */
void pool_close(struct pool *p);

/* ---- workers, in order ---- */

/*
 * Waits for an item to be packed and for a frame to put it into; false: no item is left, or the pool has
 * failed.
 */
bool pool_take(struct pool *p, struct work_item *ret, uint64_t *ret_number, struct frame **ret_frame);
/*
 * The item with that number is a ready frame now.  Its extent or zeroes come free, unless the frame
 * refers to the extent.
 */
void pool_ready(struct pool *p, const struct work_item *item, uint64_t number, struct frame *f);

/* ---- workers, in any order ---- */

enum pool_work {
	POOL_ITEM, /* to be packed; then pool_item_done() */
	/*
	 * Frames of the base may be ready to be settled.  Not while a worker has an extent: it settles those
	 * that this has made ready, so that what has changed gets between their leftovers.
	 */
	POOL_BASE,
	POOL_END, /* nothing more comes, or the pool has failed; then pool_worker_ends() */
};
/* Waits for work; the worker is done with what it got before. */
enum pool_work pool_next_work(struct pool *p, struct work_item *ret);
/* Frames of the base may be ready to be settled; any thread. */
void pool_base_ready(struct pool *p);
/* Whether a guest waits for an extent (reserve 0): the worker had better give back the one that it has. */
bool pool_extent_is_wanted(struct pool *p);
/* Its extent or zeroes come free. */
void pool_item_done(struct pool *p, const struct work_item *item);
/* Waits for a free frame.  Fails once the pool has failed. */
int pool_frame_get(struct pool *p, struct frame **ret, struct error **err);
/* It is ready to be written. */
void pool_frame_ready(struct pool *p, struct frame *f);
/* Called once by each worker, after its last frame. */
void pool_worker_ends(struct pool *p);

/* ---- the output ---- */

/* Waits for the next frame; NULL: none is left, or the pool has failed. */
struct frame *pool_next_frame(struct pool *p);
/* Gives back the frame that pool_next_frame() returned, once it is written. */
void pool_frame_put(struct pool *p, struct frame *f);

#endif
