/* A worker thread: takes jobs in order and makes frames of them. */
#include <string.h>

#include "vma/writer-internal.h"

static void push_frame(struct vma_writer *w, struct frame *f)
{
	f->number = w->next_number++;
	f->done = false;
	f->extent = NULL;
	f->n_keys = 0;
	w->pending[f->number % w->n_frames] = f;
}

/* Waits for a job and a frame; false: it is over. */
static bool take(struct vma_writer *w, struct job *ret, struct frame **ret_frame)
{
	bool got = false;

	pthread_mutex_lock(&w->lock);
	while (!w->failed && !(w->todo_len && w->free_frames) && !(w->finishing && !w->todo_len))
		pthread_cond_wait(&w->todo_cond, &w->lock);
	if (!w->failed && w->todo_len) {
		*ret = w->todo[w->todo_head];
		w->todo_head = (w->todo_head + 1) % w->todo_cap;
		w->todo_len--;
		*ret_frame = w->free_frames;
		w->free_frames = w->free_frames->next;
		push_frame(w, *ret_frame);
		got = true;
	}
	if (w->finishing && !w->todo_len)
		pthread_cond_broadcast(&w->todo_cond); /* the others have nothing to wait for */
	pthread_mutex_unlock(&w->lock);
	return got;
}

/* Gives back what the frame does not need any more and hands the frame on. */
static void hand_on(struct vma_writer *w, const struct job *job, struct frame *f)
{
	pthread_mutex_lock(&w->lock);
	if (job->batch)
		writer_give_batch(w, job->batch);
	else if (!f->extent)
		writer_give_extent(w, job->extent);
	f->done = true;
	pthread_cond_signal(&w->done_cond);
	pthread_mutex_unlock(&w->lock);
}

static int encode(struct writer_thread *t, struct frame *f, const uint8_t *data, size_t len,
		  struct error **err)
{
	f->vma_len = len;
	f->data = f->out;
	return frame_encode(t->encoder, f->out, f->out_cap, data, len, &f->len, err);
}

static int make_extent(struct writer_thread *t, struct vma_extent *e, struct frame *f, struct error **err)
{
	struct packed_extent p;
	int r = writer_pack_extent(t->w, e, &p, err);

	if (r < 0)
		return r;
	if (!writer_is_zstd(t->w)) {
		f->extent = e;
		f->data = p.data;
		f->len = f->vma_len = p.len;
		return 0;
	}
	memcpy(f->keys, p.keys, p.n_keys * sizeof(*p.keys));
	f->n_keys = p.n_keys;
	return encode(t, f, p.data, p.len, err);
}

static int make_batch(struct writer_thread *t, const struct zero_batch *b, struct frame *f,
		      struct error **err)
{
	if (writer_is_zstd(t->w))
		return encode(t, f, t->scratch, writer_pack_batch(t->w, b, t->scratch), err);
	f->data = f->out;
	f->len = f->vma_len = writer_pack_batch(t->w, b, f->out);
	return 0;
}

int writer_worker_run(struct writer_thread *t, struct error **err)
{
	struct job job;
	struct frame *f;

	while (take(t->w, &job, &f)) {
		int r = job.batch ? make_batch(t, job.batch, f, err) : make_extent(t, job.extent, f, err);

		if (r < 0)
			return r;
		hand_on(t->w, &job, f);
	}
	return 0;
}
