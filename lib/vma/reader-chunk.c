#include "vma/reader-chunk.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/mem.h"

int chunk_unpack(struct frame_decoder *d, struct chunk *c, struct error **err)
{
	int r;

	c->len = 0;
	r = frame_decode(d, c->data, CHUNK_DATA, c->packed, c->packed_len, &c->len, err);
	return r < 0 ? error_wrap(err, r, "zstd frame %llu at byte %llu is damaged",
				  (unsigned long long)c->frame, (unsigned long long)c->offset)
		     : 0;
}

static uint8_t *map_chunk_memory(size_t size, struct error **err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		error_errno(err, errno, "cannot get %zu bytes of memory for reading", size);
		return NULL;
	}
	return p;
}

int chunk_pool_init(struct chunk_pool *p, unsigned n, size_t packed_size, struct error **err)
{
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->cond, NULL);
	p->todo_end = &p->todo;
	p->n = n;
	p->packed_size = packed_size;
	p->all = xcalloc(n, sizeof(*p->all));
	for (unsigned i = 0; i < n; i++) {
		struct chunk *c = &p->all[i];

		c->room = map_chunk_memory(CHUNK_HEAD + CHUNK_DATA, err);
		c->packed = c->room ? map_chunk_memory(packed_size, err) : NULL;
		if (!c->packed)
			return -ENOMEM;
		c->next = p->free_chunks;
		p->free_chunks = c;
	}
	return 0;
}

void chunk_pool_clear(struct chunk_pool *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		struct chunk *c = &p->all[i];

		if (c->room)
			munmap(c->room, CHUNK_HEAD + CHUNK_DATA);
		if (c->packed)
			munmap(c->packed, p->packed_size);
		free(c->damage);
		free(c->unreadable);
	}
	free(p->all);
	error_free(p->failure);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->cond);
}

struct chunk *chunk_get(struct chunk_pool *p)
{
	struct chunk *c = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->failed && !p->free_chunks)
		pthread_cond_wait(&p->cond, &p->lock);
	if (!p->failed) {
		c = p->free_chunks;
		p->free_chunks = c->next;
		c->next = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	return c;
}

void chunk_put(struct chunk_pool *p, struct chunk *c)
{
	pthread_mutex_lock(&p->lock);
	c->next = p->free_chunks;
	p->free_chunks = c;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

void chunk_submit(struct chunk_pool *p, struct chunk *c)
{
	pthread_mutex_lock(&p->lock);
	c->next = NULL;
	*p->todo_end = c;
	p->todo_end = &c->next;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

/* The ready chunk whose turn it is, or NULL. */
static struct chunk *take_turn(struct chunk_pool *p)
{
	for (struct chunk **at = &p->ready; *at; at = &(*at)->next) {
		struct chunk *c = *at;

		if (c->number != p->turn)
			continue;
		*at = c->next;
		return c;
	}
	return NULL;
}

static struct chunk *take_todo(struct chunk_pool *p)
{
	struct chunk *c = p->todo;

	if (!c)
		return NULL;
	p->todo = c->next;
	if (!p->todo)
		p->todo_end = &p->todo;
	return c;
}

struct chunk *chunk_take(struct chunk_pool *p, enum chunk_step *ret_step)
{
	struct chunk *c = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->failed) {
		*ret_step = CHUNK_PARSE;
		c = take_turn(p);
		if (c)
			break;
		*ret_step = CHUNK_UNPACK;
		c = take_todo(p);
		/* whoever still unpacks a chunk will also parse it */
		if (c || (p->finishing && !p->ready))
			break;
		pthread_cond_wait(&p->cond, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return c;
}

void chunk_unpacked(struct chunk_pool *p, struct chunk *c)
{
	pthread_mutex_lock(&p->lock);
	c->next = p->ready;
	p->ready = c;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

void chunk_next_turn(struct chunk_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->turn++;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

void chunk_pool_fail(struct chunk_pool *p, struct error **err)
{
	pthread_mutex_lock(&p->lock);
	error_keep_first(&p->failure, err);
	p->failed = true;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

void chunk_pool_finish(struct chunk_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->finishing = true;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}
