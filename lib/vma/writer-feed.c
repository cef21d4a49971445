/* What the caller hands in: extents, runs of zero clusters. */
#include <string.h>

#include "vma/writer-internal.h"

static struct vma_extent *pop_extent(struct vma_writer *w)
{
	struct vma_extent *e = w->free_extents;

	w->free_extents = e->next;
	w->n_free--;
	e->next = NULL;
	e->user = NULL;
	memset(e->slots, 0, sizeof(e->slots));
	return e;
}

int vma_writer_extent_try_get(struct vma_writer *w, unsigned reserve, struct vma_extent **ret,
			      struct error **err)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = writer_check_locked(w, err);
	if (r == 0 && w->n_free > reserve) {
		*ret = pop_extent(w);
		r = 1;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

int vma_writer_extent_get(struct vma_writer *w, unsigned reserve, struct vma_extent **ret, struct error **err)
{
	int r;

	pthread_mutex_lock(&w->lock);
	while ((r = writer_check_locked(w, err)) == 0 && w->n_free <= reserve)
		writer_wait_free(w);
	if (r == 0) {
		*ret = pop_extent(w);
		r = 1;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

static void submit(struct vma_writer *w, struct job job)
{
	w->todo[(w->todo_head + w->todo_len) % w->todo_cap] = job;
	w->todo_len++;
	w->submitted = true;
	pthread_cond_signal(&w->todo_cond);
}

static bool has_slots(const struct vma_extent *e)
{
	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++)
		if (e->slots[i].dev)
			return true;
	return false;
}

void vma_writer_extent_put(struct vma_writer *w, struct vma_extent *e)
{
	bool used = has_slots(e);

	pthread_mutex_lock(&w->lock);
	if (used && !w->failed)
		submit(w, (struct job){ .extent = e });
	else
		writer_give_extent(w, e);
	pthread_mutex_unlock(&w->lock);
}

/* The last run grows if it may, else there is a new one.  Returns how many clusters were taken. */
static uint32_t batch_add(struct zero_batch *b, uint8_t dev, uint32_t first, uint32_t n)
{
	struct zero_run *last = b->n_runs ? &b->runs[b->n_runs - 1] : NULL;

	if (n > ZERO_FRAME_CLUSTERS - b->clusters)
		n = ZERO_FRAME_CLUSTERS - b->clusters;
	if (last && last->dev == dev && last->first + last->n == first)
		last->n += n;
	else
		b->runs[b->n_runs++] = (struct zero_run){ .dev = dev, .first = first, .n = n };
	b->clusters += n;
	return n;
}

static void submit_batch(struct vma_writer *w)
{
	submit(w, (struct job){ .batch = w->open_batch });
	w->open_batch = NULL;
}

/* An archive without clusters has one empty extent, as Proxmox writes it. */
void writer_submit_last(struct vma_writer *w)
{
	if (w->failed)
		return;
	if (!w->submitted && !w->open_batch) {
		w->open_batch = w->free_batches;
		w->free_batches = w->open_batch->next;
	}
	if (w->open_batch)
		submit_batch(w);
}

/* With the lock held, which it gives away while it waits. */
static int open_batch(struct vma_writer *w, struct error **err)
{
	int r;

	while ((r = writer_check_locked(w, err)) == 0 && !w->open_batch && !w->free_batches)
		writer_wait_free(w);
	if (r < 0 || w->open_batch)
		return r;
	w->open_batch = w->free_batches;
	w->free_batches = w->open_batch->next;
	return 0;
}

bool vma_writer_zero_ready(struct vma_writer *w)
{
	bool ready;

	pthread_mutex_lock(&w->lock);
	ready = w->failed || w->free_batches;
	pthread_mutex_unlock(&w->lock);
	return ready;
}

static int check_zero(const struct vma_writer *w, uint8_t dev, uint32_t first, uint32_t n, struct error **err)
{
	const struct vma_device *d = &w->hdr.devices[dev];

	if (d->name && (uint64_t)first + n <= vma_clusters(d->size))
		return 0;
	return error_set(err, ERR_INVALID,
			 "internal error: clusters %u+%u of device %u are not in the archive", first, n, dev);
}

/* Guest bytes in a row of clusters. */
static uint64_t run_bytes(const struct vma_writer *w, uint8_t dev, uint32_t first, uint32_t n)
{
	uint64_t start = (uint64_t)first * VMA_CLUSTER_SIZE;
	uint64_t end = ((uint64_t)first + n) * VMA_CLUSTER_SIZE, size = w->hdr.devices[dev].size;

	return (end < size ? end : size) - start;
}

int vma_writer_zero(struct vma_writer *w, uint8_t dev, uint32_t first, uint32_t n, struct error **err)
{
	int r = check_zero(w, dev, first, n, err);

	if (r < 0)
		return r;
	if (n)
		atomic_fetch_add_explicit(&w->counts[dev].zero, run_bytes(w, dev, first, n),
					  memory_order_relaxed);
	pthread_mutex_lock(&w->lock);
	while (n && (r = open_batch(w, err)) == 0) {
		uint32_t taken = batch_add(w->open_batch, dev, first, n);

		first += taken;
		n -= taken;
		if (w->open_batch->clusters == ZERO_FRAME_CLUSTERS ||
		    w->open_batch->n_runs == ZERO_FRAME_RUNS)
			submit_batch(w);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}
