/* The pool where frames keep the order of the items; and what the output calls in either case. */
#include "vma/writer-pool-internal.h"

/* ---- workers ---- */

bool pool_take(struct pool *p, struct work_item *ret, uint64_t *ret_number, struct frame **ret_frame)
{
	bool got = false;

	pthread_mutex_lock(&p->lock);
	while (!p->failed && !(pool_has_items(p) && p->free_frames) && !(p->closed && !pool_has_items(p)))
		pthread_cond_wait(&p->work_cond, &p->lock);
	if (!p->failed && pool_has_items(p)) {
		*ret = *pool_item(p, p->n_taken);
		*ret_number = p->n_taken++;
		*ret_frame = pool_pop_frame(p);
		got = true;
	}
	if (p->closed && !pool_has_items(p))
		pthread_cond_broadcast(&p->work_cond); /* the others have nothing to wait for */
	pthread_mutex_unlock(&p->lock);
	return got;
}

void pool_ready(struct pool *p, const struct work_item *item, uint64_t number, struct frame *f)
{
	pthread_mutex_lock(&p->lock);
	if (item->kind == WORK_ZEROES || !f->extent)
		pool_free_input(p, item);
	*pool_item(p, number) = (struct work_item){ .kind = WORK_FRAME, .frame = f };
	pthread_cond_signal(&p->ready_cond);
	pthread_mutex_unlock(&p->lock);
}

/* ---- the output ---- */

static struct frame *next_in_order(struct pool *p)
{
	struct frame *f = NULL;

	while (!p->failed && !f) {
		const struct work_item *item = pool_item(p, p->n_written);

		if (p->n_written < p->n_taken && item->kind == WORK_FRAME)
			f = item->frame;
		else if (p->n_written == p->n_submitted && p->closed)
			break;
		else
			pthread_cond_wait(&p->ready_cond, &p->lock);
	}
	return f;
}

struct frame *pool_next_frame(struct pool *p)
{
	struct frame *f;

	pthread_mutex_lock(&p->lock);
	f = p->any_order ? pool_next_of_queue(p) : next_in_order(p);
	pthread_mutex_unlock(&p->lock);
	return f;
}

void pool_frame_put(struct pool *p, struct frame *f)
{
	pthread_mutex_lock(&p->lock);
	p->n_written++;
	if (f->extent)
		pool_free_extent(p, f->extent);
	pool_free_frame(p, f);
	pthread_mutex_unlock(&p->lock);
}
