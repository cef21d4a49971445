/*
 * Gives out slots of the extent that is open at the moment, to readers whose data arrives later and
 * in any order.  An extent goes to the writer once all its slots were given out and all of those
 * were settled (filled, or left unset because somebody else was first).  Thread safe.
 */
#ifndef VZDUMP_COPY_FILL_H
#define VZDUMP_COPY_FILL_H

#include <pthread.h>

#include "base/error.h"
#include "vma/writer.h"

struct fill {
	pthread_mutex_t lock;
	struct vma_writer *writer;
	unsigned reserve;        /* extents left for others, see vma_writer_extent_get() */
	struct vma_extent *open; /* NULL when none */
	unsigned next;           /* first slot of `open` not given out */
};

void fill_init(struct fill *f, struct vma_writer *w, unsigned reserve);
/* Nothing may be unsettled any more. */
void fill_clear(struct fill *f);

/* Slots that can be given out in one piece now: 0 when there is no open extent and none is free. */
int fill_room(struct fill *f, struct error **err);

/*
 * Takes up to `want` consecutive slots.  Returns how many (>= 1) with *ret_extent and *ret_slot; negative
 * once the writer has failed.  try_take never waits: it returns 0 when no extent is free.
 */
int fill_take(struct fill *f, unsigned want, struct vma_extent **ret_extent, unsigned *ret_slot,
	      struct error **err);
int fill_try_take(struct fill *f, unsigned want, struct vma_extent **ret_extent, unsigned *ret_slot,
		  struct error **err);

/* n slots taken from this extent are settled: each was set with vma_extent_set(), or stays unused. */
void fill_settle(struct fill *f, struct vma_extent *e, unsigned n);

/* Closes the open extent; it goes to the writer now or when its last slot is settled. */
void fill_flush(struct fill *f);

#endif
