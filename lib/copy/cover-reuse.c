#include "copy/cover-reuse.h"

#include "copy/wake.h"

void cover_reuse_init(struct cover_reuse *r, struct cover *c, int wake_fd)
{
	*r = (struct cover_reuse){ .cover = c, .wake_fd = wake_fd };
	pthread_mutex_init(&r->lock, NULL);
}

void cover_reuse_clear(struct cover_reuse *r)
{
	runs_clear(&r->released);
	runs_clear(&r->again);
	pthread_mutex_destroy(&r->lock);
}

/* ---- the reuse's: any thread ---- */

static bool take(void *opaque, uint32_t cluster)
{
	const struct cover_reuse *r = opaque;

	return cover_mark_done(r->cover, cluster);
}

static bool take_all(void *opaque, const uint32_t *clusters, unsigned n)
{
	const struct cover_reuse *r = opaque;

	return cover_mark_all_done(r->cover, clusters, n);
}

static void add(struct cover_reuse *r, struct runs *list, uint32_t first, uint32_t n)
{
	bool is_first;

	pthread_mutex_lock(&r->lock);
	is_first = !runs_waiting(&r->released) && !runs_waiting(&r->again);
	runs_add(list, first, n);
	pthread_mutex_unlock(&r->lock);
	if (is_first)
		wake_up(r->wake_fd);
}

static void release(void *opaque, uint32_t first, uint32_t n)
{
	struct cover_reuse *r = opaque;

	add(r, &r->released, first, n);
}

static void read_again(void *opaque, uint32_t cluster)
{
	struct cover_reuse *r = opaque;

	add(r, &r->again, cluster, 1);
}

const struct vma_reuse_ops cover_reuse_ops = {
	.take = take,
	.take_all = take_all,
	.release = release,
	.read_again = read_again,
};

/* ---- the copying thread ---- */

/* Moves what waits in one list into the other one, which is empty. */
static void move(struct runs *from, struct runs *to)
{
	const struct runs empty = *to;

	*to = *from;
	*from = empty;
}

bool cover_reuse_take(struct cover_reuse *r, struct runs *ret_released, struct runs *ret_again)
{
	runs_reset(ret_released);
	runs_reset(ret_again);
	pthread_mutex_lock(&r->lock);
	move(&r->released, ret_released);
	move(&r->again, ret_again);
	pthread_mutex_unlock(&r->lock);
	return runs_waiting(ret_released) || runs_waiting(ret_again);
}
