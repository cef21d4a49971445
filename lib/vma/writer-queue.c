/* The pool where frames come in any order. */
#include "vma/writer-pool-internal.h"

/* ---- workers ---- */

/* A worker that still has something to do may make frames of the base ready. */
static bool all_is_done(const struct pool *p)
{
	return p->closed && !pool_has_items(p) && !p->base_ready && p->n_idle == p->n_workers;
}

static bool has_base(const struct pool *p)
{
	return p->base_ready && !p->n_packing;
}

static void wait_for_work(struct pool *p)
{
	p->n_idle++;
	if (all_is_done(p))
		pthread_cond_broadcast(&p->work_cond); /* the others have nothing to wait for */
	while (!p->failed && !pool_has_items(p) && !has_base(p) && !all_is_done(p))
		pthread_cond_wait(&p->work_cond, &p->lock);
	if (!all_is_done(p))
		p->n_idle--;
}

enum pool_work pool_next_work(struct pool *p, struct work_item *ret)
{
	enum pool_work work = POOL_END;

	pthread_mutex_lock(&p->lock);
	wait_for_work(p);
	if (p->failed) {
		work = POOL_END;
	} else if (pool_has_items(p)) {
		*ret = *pool_item(p, p->n_taken++);
		p->n_packing += ret->kind == WORK_EXTENT;
		work = POOL_ITEM;
	} else if (has_base(p)) {
		p->base_ready = false; /* before the worker looks, so that nothing is missed */
		work = POOL_BASE;
	}
	pthread_mutex_unlock(&p->lock);
	return work;
}

void pool_base_ready(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->base_ready = true;
	pthread_cond_signal(&p->work_cond);
	pthread_mutex_unlock(&p->lock);
}

bool pool_extent_is_wanted(struct pool *p)
{
	bool wanted;

	pthread_mutex_lock(&p->lock);
	wanted = p->n_waiting > 0;
	pthread_mutex_unlock(&p->lock);
	return wanted;
}

void pool_item_done(struct pool *p, const struct work_item *item)
{
	pthread_mutex_lock(&p->lock);
	pool_free_input(p, item);
	p->n_packing -= item->kind == WORK_EXTENT;
	if (has_base(p))
		pthread_cond_signal(&p->work_cond);
	pthread_mutex_unlock(&p->lock);
}

int pool_frame_get(struct pool *p, struct frame **ret, struct error **err)
{
	int r;

	pthread_mutex_lock(&p->lock);
	while (!p->failed && !p->free_frames)
		pthread_cond_wait(&p->frame_cond, &p->lock);
	r = pool_check_locked(p, err);
	if (r == 0)
		*ret = pool_pop_frame(p);
	pthread_mutex_unlock(&p->lock);
	return r;
}

void pool_frame_ready(struct pool *p, struct frame *f)
{
	pthread_mutex_lock(&p->lock);
	*p->ready_end = f;
	p->ready_end = &f->next;
	pthread_cond_signal(&p->ready_cond);
	pthread_mutex_unlock(&p->lock);
}

void pool_worker_ends(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->n_ended++;
	pthread_cond_signal(&p->ready_cond);
	pthread_mutex_unlock(&p->lock);
}

/* ---- the output ---- */

struct frame *pool_next_of_queue(struct pool *p)
{
	struct frame *f;

	while (!p->failed && !p->ready && p->n_ended < p->n_workers)
		pthread_cond_wait(&p->ready_cond, &p->lock);
	f = p->failed ? NULL : p->ready;
	if (!f)
		return NULL;
	p->ready = f->next;
	if (!p->ready)
		p->ready_end = &p->ready;
	f->next = NULL;
	return f;
}
