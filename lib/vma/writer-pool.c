#include "vma/writer-pool-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "vma/cond.h"

#define CANCEL_POLL_MS 100

/* ---- what comes free; the lock is held ---- */

static void ring_event(const struct pool *p)
{
	const uint64_t one = 1;

	if (write(p->event_fd, &one, sizeof(one)) < 0) {
		/* a full counter is readable already, which is enough */
	}
}

void pool_free_extent(struct pool *p, struct vma_extent *e)
{
	e->next = p->free_extents;
	p->free_extents = e;
	p->n_free_extents++;
	pthread_cond_broadcast(&p->free_cond);
	ring_event(p);
}

static void free_zeroes(struct pool *p, struct zeroes *z)
{
	z->n_runs = z->clusters = 0;
	z->next = p->free_zeroes;
	p->free_zeroes = z;
	pthread_cond_broadcast(&p->free_cond);
}

void pool_free_frame(struct pool *p, struct frame *f)
{
	f->next = p->free_frames;
	p->free_frames = f;
	pthread_cond_signal(p->any_order ? &p->frame_cond : &p->work_cond);
}

struct frame *pool_pop_frame(struct pool *p)
{
	struct frame *f = p->free_frames;

	p->free_frames = f->next;
	f->next = NULL;
	f->extent = NULL;
	f->n_keys = 0;
	f->tail = 0;
	return f;
}

void pool_free_input(struct pool *p, const struct work_item *item)
{
	if (item->kind == WORK_EXTENT)
		pool_free_extent(p, item->extent);
	else if (item->kind == WORK_ZEROES)
		free_zeroes(p, item->zeroes);
}

struct work_item *pool_item(struct pool *p, uint64_t number)
{
	return &p->ring[number % p->ring_size];
}

/* ---- start and end ---- */

int pool_init(struct pool *p, size_t frame_size, struct output *output, const struct cancel *cancel,
	      struct error **err)
{
	struct writer_memory *m = &p->memory;
	int r;

	pthread_mutex_init(&p->lock, NULL);
	cond_init(&p->work_cond);
	cond_init(&p->frame_cond);
	cond_init(&p->ready_cond);
	cond_init(&p->free_cond);
	p->ready_end = &p->ready;
	p->output = output;
	p->cancel = cancel;
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->event_fd < 0)
		return error_errno(err, errno, "creating an eventfd");
	r = writer_memory_init(m, frame_size, err);
	if (r < 0)
		return r;
	p->ring_size = m->n_extents + m->n_zeroes + m->n_frames;
	p->ring = xcalloc(p->ring_size, sizeof(*p->ring));
	for (unsigned i = 0; i < m->n_extents; i++)
		pool_free_extent(p, &m->extents[i]);
	for (unsigned i = 0; i < m->n_zeroes; i++)
		free_zeroes(p, &m->zeroes[i]);
	for (unsigned i = 0; i < m->n_frames; i++)
		pool_free_frame(p, &m->frames[i]);
	return 0;
}

void pool_clear(struct pool *p)
{
	writer_memory_clear(&p->memory);
	free(p->ring);
	error_free(p->failure);
	if (p->event_fd >= 0)
		close(p->event_fd);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work_cond);
	pthread_cond_destroy(&p->frame_cond);
	pthread_cond_destroy(&p->ready_cond);
	pthread_cond_destroy(&p->free_cond);
}

/* ---- failure ---- */

static void wake_all(struct pool *p)
{
	pthread_cond_broadcast(&p->work_cond);
	pthread_cond_broadcast(&p->frame_cond);
	pthread_cond_broadcast(&p->ready_cond);
	pthread_cond_broadcast(&p->free_cond);
}

/* Items that no worker has taken are dropped, so that extents come back. */
static void fail_locked(struct pool *p, struct error **err)
{
	error_keep_first(&p->failure, err);
	if (p->failed)
		return;
	p->failed = true;
	for (; pool_has_items(p); p->n_submitted--)
		pool_free_input(p, pool_item(p, p->n_submitted - 1));
	wake_all(p);
	ring_event(p);
	output_stop(p->output);
}

void pool_fail(struct pool *p, struct error **err)
{
	pthread_mutex_lock(&p->lock);
	fail_locked(p, err);
	pthread_mutex_unlock(&p->lock);
}

int pool_check_locked(struct pool *p, struct error **err)
{
	_cleanup_error_ struct error *canceled = NULL;

	if (!p->failed && cancel_check(p->cancel, &canceled) < 0)
		fail_locked(p, &canceled);
	if (!p->failed)
		return 0;
	return error_set(err, p->failure->code, "%s", p->failure->message);
}

int pool_check(struct pool *p, struct error **err)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = pool_check_locked(p, err);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Waits in short steps, as a request to stop does not wake it. */
static void wait_free(struct pool *p)
{
	cond_wait_ms(&p->free_cond, &p->lock, CANCEL_POLL_MS);
}

/* ---- callers ---- */

static struct vma_extent *pop_extent(struct pool *p)
{
	struct vma_extent *e = p->free_extents;

	p->free_extents = e->next;
	p->n_free_extents--;
	e->next = NULL;
	e->user = NULL;
	memset(e->slots, 0, sizeof(e->slots));
	return e;
}

int pool_extent_try_get(struct pool *p, unsigned reserve, struct vma_extent **ret, struct error **err)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = pool_check_locked(p, err);
	if (r == 0 && p->n_free_extents > reserve) {
		*ret = pop_extent(p);
		r = 1;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

int pool_extent_get(struct pool *p, unsigned reserve, struct vma_extent **ret, struct error **err)
{
	int r;

	pthread_mutex_lock(&p->lock);
	p->n_waiting += !reserve;
	while ((r = pool_check_locked(p, err)) == 0 && p->n_free_extents <= reserve)
		wait_free(p);
	p->n_waiting -= !reserve;
	if (r == 0) {
		*ret = pop_extent(p);
		r = 1;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

static void submit_item(struct pool *p, struct work_item item)
{
	*pool_item(p, p->n_submitted++) = item;
	pthread_cond_signal(&p->work_cond);
}

static bool has_slots(const struct vma_extent *e)
{
	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++)
		if (e->slots[i].dev)
			return true;
	return false;
}

void pool_extent_put(struct pool *p, struct vma_extent *e)
{
	bool used = has_slots(e);

	pthread_mutex_lock(&p->lock);
	if (used && !p->failed)
		submit_item(p, (struct work_item){ .kind = WORK_EXTENT, .extent = e });
	else
		pool_free_extent(p, e);
	pthread_mutex_unlock(&p->lock);
}

static void open_zeroes(struct pool *p)
{
	p->open_zeroes = p->free_zeroes;
	p->free_zeroes = p->open_zeroes->next;
}

static void submit_zeroes(struct pool *p)
{
	struct zeroes *z = TAKE_PTR(p->open_zeroes);

	submit_item(p, (struct work_item){ .kind = WORK_ZEROES, .zeroes = z });
}

/* Releases the lock while it waits. */
static int need_open_zeroes(struct pool *p, struct error **err)
{
	int r;

	while ((r = pool_check_locked(p, err)) == 0 && !p->open_zeroes && !p->free_zeroes)
		wait_free(p);
	if (r == 0 && !p->open_zeroes)
		open_zeroes(p);
	return r;
}

int pool_zeroes_add(struct pool *p, uint8_t dev, uint32_t first, uint32_t n, struct error **err)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	while (n && (r = need_open_zeroes(p, err)) == 0) {
		uint32_t taken = zeroes_add(p->open_zeroes, dev, first, n);

		first += taken;
		n -= taken;
		if (zeroes_full(p->open_zeroes))
			submit_zeroes(p);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

bool pool_zeroes_ready(struct pool *p)
{
	bool ready;

	pthread_mutex_lock(&p->lock);
	ready = p->failed || p->free_zeroes;
	pthread_mutex_unlock(&p->lock);
	return ready;
}

void pool_close(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	if (!p->failed && !p->n_submitted && !p->open_zeroes)
		open_zeroes(p);
	if (!p->failed && p->open_zeroes)
		submit_zeroes(p);
	p->closed = true;
	wake_all(p);
	pthread_mutex_unlock(&p->lock);
}
