#include "vma/writer.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/mem.h"
#include "vma/writer-internal.h"

#define CANCEL_POLL_MS 100
#define MAX_THREADS    256

static void ring(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0) {
		/* full means readable already, which is all that is wanted */
	}
}

void writer_give_extent(struct vma_writer *w, struct vma_extent *e)
{
	e->next = w->free_extents;
	w->free_extents = e;
	w->n_free++;
	pthread_cond_broadcast(&w->free_cond);
	ring(w->event_fd);
}

void writer_give_batch(struct vma_writer *w, struct zero_batch *b)
{
	b->n_runs = b->clusters = 0;
	b->next = w->free_batches;
	w->free_batches = b;
	pthread_cond_broadcast(&w->free_cond);
}

/* What waits in todo is dropped, so that extents come back. */
static void drop_todo(struct vma_writer *w)
{
	for (; w->todo_len; w->todo_len--) {
		struct job job = w->todo[w->todo_head];

		w->todo_head = (w->todo_head + 1) % w->todo_cap;
		if (job.extent)
			writer_give_extent(w, job.extent);
		else
			writer_give_batch(w, job.batch);
	}
}

void writer_fail_locked(struct vma_writer *w, struct error **err)
{
	error_keep_first(&w->failure, err);
	if (w->failed)
		return;
	w->failed = true;
	drop_todo(w);
	pthread_cond_broadcast(&w->todo_cond);
	pthread_cond_broadcast(&w->done_cond);
	pthread_cond_broadcast(&w->free_cond);
	ring(w->event_fd);
	output_stop(w->output);
}

void writer_fail(struct vma_writer *w, struct error **err)
{
	pthread_mutex_lock(&w->lock);
	writer_fail_locked(w, err);
	pthread_mutex_unlock(&w->lock);
}

int writer_check_locked(struct vma_writer *w, struct error **err)
{
	_cleanup_error_ struct error *canceled = NULL;

	if (!w->failed && cancel_check(w->o.cancel, &canceled) < 0)
		writer_fail_locked(w, &canceled);
	if (!w->failed)
		return 0;
	return error_set(err, w->failure->code, "%s", w->failure->message);
}

void writer_wait_free(struct vma_writer *w)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += CANCEL_POLL_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&w->free_cond, &w->lock, &until);
}

static void init_sync(struct vma_writer *w)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->todo_cond, NULL);
	pthread_cond_init(&w->done_cond, NULL);
	pthread_cond_init(&w->free_cond, &attr);
	pthread_condattr_destroy(&attr);
}

static int init_fds(struct vma_writer *w, struct error **err)
{
	w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->event_fd < 0)
		return error_errno(err, errno, "creating an eventfd");
	return 0;
}

static int init_header(struct vma_writer *w, const struct vma_header *hdr, struct error **err)
{
	_cleanup_buf_ struct buf encoded = BUF_INIT;
	int r;

	vma_header_copy(&w->hdr, hdr);
	vma_header_encode(hdr, &encoded);
	w->header_vma_len = encoded.len;
	if (!writer_is_zstd(w)) {
		buf_add(&w->header, encoded.data, encoded.len);
		return 0;
	}
	r = frame_encoder_new(w->o.level, &w->side, err);
	if (r < 0)
		return r;
	vma_index_writer_init(&w->index, hdr->uuid);
	return frame_append(w->side, encoded.data, encoded.len, &w->header, err);
}

static void init_options(struct vma_writer *w, const struct vma_writer_options *o)
{
	w->o = *o;
	if (o->layout != VMA_FRAMES || !o->threads)
		w->o.threads = 1;
	if (w->o.threads > MAX_THREADS)
		w->o.threads = MAX_THREADS;
}

int vma_writer_new(const struct vma_writer_options *o, struct output *output, const struct vma_header *hdr,
		   struct vma_writer **ret, struct error **err)
{
	_cleanup_(vma_writer_freep) struct vma_writer *w = xcalloc(1, sizeof(*w));
	int r;

	w->output = output;
	w->event_fd = -1;
	init_options(w, o);
	init_sync(w);
	r = init_fds(w, err);
	if (r == 0)
		r = writer_pool_init(w, err);
	if (r == 0)
		r = init_header(w, hdr, err);
	if (r == 0)
		r = writer_threads_start(w, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

int vma_writer_event_fd(const struct vma_writer *w)
{
	return w->event_fd;
}

int vma_writer_check(struct vma_writer *w, struct error **err)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = writer_check_locked(w, err);
	pthread_mutex_unlock(&w->lock);
	return r;
}

void vma_writer_get_stats(struct vma_writer *w, struct vma_writer_stats *ret)
{
	*ret = (struct vma_writer_stats){ 0 };
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		ret->data_bytes += atomic_load_explicit(&w->counts[i].data, memory_order_relaxed);
		ret->zero_bytes += atomic_load_explicit(&w->counts[i].zero, memory_order_relaxed);
	}
	ret->vma_bytes = atomic_load_explicit(&w->vma_bytes, memory_order_relaxed);
	ret->file_bytes = output_bytes(w->output);
}

uint64_t vma_writer_zero_bytes(const struct vma_writer *w, uint8_t dev)
{
	return atomic_load_explicit(&w->counts[dev].zero, memory_order_relaxed);
}

/* Tells the threads that nothing more comes and waits for their end. */
static int drain(struct vma_writer *w, struct error **err)
{
	int r;

	pthread_mutex_lock(&w->lock);
	writer_submit_last(w);
	w->finishing = true;
	pthread_cond_broadcast(&w->todo_cond);
	pthread_cond_broadcast(&w->done_cond);
	while ((r = writer_check_locked(w, err)) == 0 && w->running)
		writer_wait_free(w);
	pthread_mutex_unlock(&w->lock);
	return r;
}

int vma_writer_finish(struct vma_writer *w, struct vma_writer_stats *ret, struct error **err)
{
	int r = drain(w, err);

	if (ret)
		vma_writer_get_stats(w, ret);
	return r;
}

void vma_writer_abort(struct vma_writer *w)
{
	_cleanup_error_ struct error *err = NULL;

	error_set(&err, ERR_CANCELED, "writing the archive was canceled");
	writer_fail(w, &err);
}

static void clear_sync(struct vma_writer *w)
{
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->todo_cond);
	pthread_cond_destroy(&w->done_cond);
	pthread_cond_destroy(&w->free_cond);
}

static void close_fds(struct vma_writer *w)
{
	if (w->event_fd >= 0)
		close(w->event_fd);
}

void writer_free(struct vma_writer *w)
{
	writer_threads_clear(w);
	output_free(w->output);
	frame_encoder_free(w->side);
	seektable_writer_clear(&w->seektable);
	vma_index_writer_clear(&w->index);
	writer_pool_clear(w);
	vma_header_clear(&w->hdr);
	buf_clear(&w->header);
	error_free(w->failure);
	close_fds(w);
	clear_sync(w);
	free(w);
}

void vma_writer_free(struct vma_writer *w)
{
	if (!w)
		return;
	vma_writer_abort(w);
	if (writer_threads_join(w))
		writer_free(w);
}
