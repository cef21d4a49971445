/* The threads of the reader. */
#include <errno.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "stream/frame.h"
#include "vma/reader-internal.h"

static void fail(struct vma_reader *r, struct error **err)
{
	pthread_mutex_lock(&r->lock);
	error_keep_first(&r->failure, err);
	r->failed = true;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

/* A chunk to fill; NULL: it has failed. */
struct chunk *reader_chunk_get(struct vma_reader *r)
{
	struct chunk *c = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && !r->free_chunks)
		pthread_cond_wait(&r->cond, &r->lock);
	if (!r->failed) {
		c = r->free_chunks;
		r->free_chunks = c->next;
		c->next = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	return c;
}

static void give_back(struct vma_reader *r, struct chunk *c)
{
	pthread_mutex_lock(&r->lock);
	c->next = r->free_chunks;
	r->free_chunks = c;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

static void submit(struct vma_reader *r, struct chunk *c)
{
	pthread_mutex_lock(&r->lock);
	c->next = NULL;
	*r->todo_end = c;
	r->todo_end = &c->next;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

/* The next chunk; NULL: none comes any more. */
static struct chunk *take(struct vma_reader *r)
{
	struct chunk *c = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && !r->todo && !r->finishing)
		pthread_cond_wait(&r->cond, &r->lock);
	if (!r->failed && r->todo) {
		c = r->todo;
		r->todo = c->next;
		if (!r->todo)
			r->todo_end = &r->todo;
	}
	pthread_mutex_unlock(&r->lock);
	return c;
}

/* False: it has failed. */
static bool wait_turn(struct vma_reader *r, uint64_t number)
{
	bool good;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && r->turn != number)
		pthread_cond_wait(&r->cond, &r->lock);
	good = !r->failed;
	pthread_mutex_unlock(&r->lock);
	return good;
}

static void next_turn(struct vma_reader *r)
{
	pthread_mutex_lock(&r->lock);
	r->turn++;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

int reader_unpack(void *unpacker, struct chunk *c, struct error **err)
{
	size_t n = ZSTD_decompressDCtx(unpacker, c->data, CHUNK_DATA, c->packed, c->packed_len);

	c->len = 0;
	if (ZSTD_isError(n))
		return error_set(err, frame_error(n), "zstd frame %llu at byte %llu is damaged: %s",
				 (unsigned long long)c->frame, (unsigned long long)c->offset,
				 ZSTD_getErrorName(n));
	c->len = n;
	return 0;
}

/* A frame that cannot be unpacked is a damage, and a hole in what comes. */
static void unpack(struct reader_thread *t, struct chunk *c)
{
	_cleanup_error_ struct error *err = NULL;

	if (!c->is_packed || reader_unpack(t->unpacker, c, &err) == 0)
		return;
	c->is_lost = true;
	free(c->damage);
	c->damage = xstrdup(error_message(err));
}

static int work(struct reader_thread *t, struct chunk *c, struct error **err)
{
	int s;

	unpack(t, c);
	if (!wait_turn(t->r, c->number))
		return 0;
	s = reader_parse(t, c, err);
	next_turn(t->r);
	for (size_t i = 0; s == 0 && t->r->sink->data && i < t->n_spans; i++)
		s = reader_emit(t->r, &t->spans[i], err);
	return s;
}

static void *body(void *arg)
{
	struct reader_thread *t = arg;
	struct chunk *c;

	while ((c = take(t->r))) {
		struct error *err = NULL;

		if (work(t, c, &err) < 0)
			fail(t->r, &err);
		give_back(t->r, c);
	}
	return NULL;
}

static int start(struct reader_thread *t, struct error **err)
{
	t->unpacker = ZSTD_createDCtx();
	if (!t->unpacker)
		return error_set(err, -ENOMEM, "no memory for a zstd decompressor");
	return thread_start(&t->id, body, t, err);
}

/* Hands chunks to the workers until the end or a failure. */
static int feed(struct vma_reader *r, struct error **err)
{
	struct chunk *c = TAKE_PTR(r->first);
	int s = 1;

	for (uint64_t number = 0; s > 0; number++) {
		if (!c && !(c = reader_chunk_get(r)))
			return 0; /* a worker's failure */
		if (number || !c->len)
			s = reader_source_next(r, c, err);
		c->number = number;
		if (s > 0)
			submit(r, TAKE_PTR(c));
	}
	if (c)
		give_back(r, c);
	return s;
}

static void finish(struct vma_reader *r)
{
	pthread_mutex_lock(&r->lock);
	r->finishing = true;
	pthread_cond_broadcast(&r->cond);
	pthread_mutex_unlock(&r->lock);
}

int reader_threads_run(struct vma_reader *r, struct error **err)
{
	struct reader_thread *threads = xcalloc(r->n_threads, sizeof(*threads));
	struct error *own = NULL;
	unsigned n = 0;
	int s = 0;

	for (; s == 0 && n < r->n_threads; n++) {
		threads[n].r = r;
		s = start(&threads[n], &own);
		if (s < 0)
			break;
	}
	if (s == 0)
		s = feed(r, &own);
	if (s < 0)
		fail(r, &own);
	finish(r);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i].id, NULL);
	for (unsigned i = 0; i < r->n_threads; i++) {
		ZSTD_freeDCtx(threads[i].unpacker);
		free(threads[i].spans);
	}
	free(threads);
	if (!r->failed)
		return 0;
	s = r->failure ? r->failure->code : ERR_CORRUPT;
	error_keep_first(err, &r->failure);
	return s;
}
