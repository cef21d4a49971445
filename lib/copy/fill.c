#include "copy/fill.h"

/* How many slots of an extent are given out and not settled yet, plus one while it is open. */
static uintptr_t unsettled(const struct vma_extent *e)
{
	return (uintptr_t)e->user;
}

static void set_unsettled(struct vma_extent *e, uintptr_t n)
{
	e->user = (void *)n; /* NOLINT(performance-no-int-to-ptr) a count in the caller's word */
}

void fill_init(struct fill *f, struct vma_writer *w, unsigned reserve)
{
	*f = (struct fill){ .writer = w, .reserve = reserve };
	pthread_mutex_init(&f->lock, NULL);
}

void fill_clear(struct fill *f)
{
	fill_flush(f);
	pthread_mutex_destroy(&f->lock);
}

/* Settles n of the extent's count; at 0 the writer gets the extent.  Called with the lock held. */
static void settle_slots(struct fill *f, struct vma_extent *e, uintptr_t n)
{
	set_unsettled(e, unsettled(e) - n);
	if (!unsettled(e))
		vma_writer_extent_put(f->writer, e);
}

static void close_extent(struct fill *f)
{
	struct vma_extent *e = f->open;

	f->open = NULL;
	if (e)
		settle_slots(f, e, 1);
}

static void set_open_extent(struct fill *f, struct vma_extent *e)
{
	set_unsettled(e, 1);
	f->open = e;
	f->next = 0;
}

/* Opens an extent if none is open.  Returns 1, or 0 when none is free.  Called with the lock held. */
static int try_open_extent(struct fill *f, struct error **err)
{
	struct vma_extent *e = NULL;
	int r;

	if (f->open)
		return 1;
	r = vma_writer_extent_try_get(f->writer, f->reserve, &e, err);
	if (r < 0 || !e)
		return r < 0 ? r : 0;
	set_open_extent(f, e);
	return 1;
}

/*
 * The same, but waits for an extent.  Called with the lock held, which is released during the wait, so that
 * others can settle slots meanwhile.
 */
static int wait_open_extent(struct fill *f, struct error **err)
{
	struct vma_extent *e = NULL;
	int r = try_open_extent(f, err);

	if (r)
		return r;
	pthread_mutex_unlock(&f->lock);
	r = vma_writer_extent_get(f->writer, f->reserve, &e, err);
	pthread_mutex_lock(&f->lock);
	if (r < 0)
		return r;
	if (f->open) {
		/* another thread opened one while the lock was free; an unused extent just goes back */
		vma_writer_extent_put(f->writer, e);
		return 1;
	}
	set_open_extent(f, e);
	return 1;
}

int fill_room(struct fill *f, struct error **err)
{
	int r;

	pthread_mutex_lock(&f->lock);
	r = try_open_extent(f, err);
	if (r > 0)
		r = (int)(VMA_CLUSTERS_PER_EXTENT - f->next);
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* Takes slots of the open extent.  Called with the lock held. */
static unsigned take_slots(struct fill *f, unsigned want, struct vma_extent **ret_extent, unsigned *ret_slot)
{
	unsigned n = VMA_CLUSTERS_PER_EXTENT - f->next;

	if (n > want)
		n = want;
	*ret_extent = f->open;
	*ret_slot = f->next;
	set_unsettled(f->open, unsettled(f->open) + n);
	f->next += n;
	if (f->next == VMA_CLUSTERS_PER_EXTENT)
		close_extent(f);
	return n;
}

int fill_take(struct fill *f, unsigned want, struct vma_extent **ret_extent, unsigned *ret_slot,
	      struct error **err)
{
	int r;

	pthread_mutex_lock(&f->lock);
	r = wait_open_extent(f, err);
	if (r > 0)
		r = (int)take_slots(f, want, ret_extent, ret_slot);
	pthread_mutex_unlock(&f->lock);
	return r;
}

int fill_try_take(struct fill *f, unsigned want, struct vma_extent **ret_extent, unsigned *ret_slot,
		  struct error **err)
{
	int r;

	pthread_mutex_lock(&f->lock);
	r = try_open_extent(f, err);
	if (r > 0)
		r = (int)take_slots(f, want, ret_extent, ret_slot);
	pthread_mutex_unlock(&f->lock);
	return r;
}

void fill_settle(struct fill *f, struct vma_extent *e, unsigned n)
{
	pthread_mutex_lock(&f->lock);
	settle_slots(f, e, n);
	pthread_mutex_unlock(&f->lock);
}

void fill_flush(struct fill *f)
{
	pthread_mutex_lock(&f->lock);
	close_extent(f);
	pthread_mutex_unlock(&f->lock);
}
