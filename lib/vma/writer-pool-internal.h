/* What the files of the pool share; the lock is held in all of it. */
#ifndef VZDUMP_VMA_WRITER_POOL_INTERNAL_H
#define VZDUMP_VMA_WRITER_POOL_INTERNAL_H

#include "vma/writer-pool.h"

/* These come free, and who waits for them wakes. */
void pool_free_extent(struct pool *p, struct vma_extent *e);
void pool_free_frame(struct pool *p, struct frame *f);
/* The extent or the zeroes of the item. */
void pool_free_input(struct pool *p, const struct work_item *item);

struct work_item *pool_item(struct pool *p, uint64_t number);

static inline bool pool_has_items(const struct pool *p)
{
	return p->n_taken < p->n_submitted;
}

/* Takes a free frame, which there must be, and empties it. */
struct frame *pool_pop_frame(struct pool *p);

/* The frame that is ready first, in any order; releases the lock while it waits.  As pool_next_frame(). */
struct frame *pool_next_of_queue(struct pool *p);

/* As pool_check(). */
int pool_check_locked(struct pool *p, struct error **err);

#endif
