/* The output thread: frames in order, then the index and the seek table. */
#include "vma/writer-internal.h"

/* Waits for the frame of this number; NULL: there is none any more. */
static struct frame *take(struct vma_writer *w, uint64_t number)
{
	struct frame *f = NULL;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (w->failed)
			break;
		if (number < w->next_number) {
			f = w->pending[number % w->n_frames];
			if (f->done)
				break;
			f = NULL;
		} else if (w->finishing && !w->todo_len) {
			break;
		}
		pthread_cond_wait(&w->done_cond, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return f;
}

static void give_back(struct vma_writer *w, struct frame *f)
{
	pthread_mutex_lock(&w->lock);
	if (f->extent)
		writer_give_extent(w, f->extent);
	f->next = w->free_frames;
	w->free_frames = f;
	pthread_cond_signal(&w->todo_cond);
	pthread_mutex_unlock(&w->lock);
}

/* Writes a frame, or without zstd just a part of the stream. */
static int write_frame(struct vma_writer *w, const void *data, size_t len, size_t vma_len, struct error **err)
{
	int r = output_write(w->output, data, len, err);

	if (r < 0)
		return r;
	atomic_fetch_add_explicit(&w->vma_bytes, vma_len, memory_order_relaxed);
	w->frame_count++;
	return writer_is_zstd(w) ? seektable_add(&w->seektable, len, vma_len, err) : 0;
}

/* Writes the parts of the index that were held back. */
static int write_parts(struct vma_writer *w, struct error **err)
{
	uint64_t first = w->frame_count;
	const void *part;
	size_t len;

	for (size_t i = 0; (part = vma_index_held(&w->index, i, &len)); i++) {
		int r = write_frame(w, part, len, 0, err);

		if (r < 0)
			return r;
	}
	vma_index_written(&w->index, first);
	return 0;
}

static int index_frame(struct vma_writer *w, const struct frame *f, struct error **err)
{
	int r;

	if (!f->n_keys)
		return 0;
	r = vma_index_add(&w->index, w->frame_count - 1, f->keys, f->n_keys, w->side, err);
	if (r == 0 && vma_index_is_full(&w->index))
		r = write_parts(w, err);
	return r;
}

static int write_root(struct vma_writer *w, struct error **err)
{
	struct vma_index_device devices[VMA_MAX_DEVICES + 1];
	_cleanup_buf_ struct buf root = BUF_INIT;
	int r;

	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++) {
		devices[i].data_bytes = atomic_load(&w->counts[i].data);
		devices[i].zero_bytes = atomic_load(&w->counts[i].zero);
	}
	r = vma_index_root(&w->index, &w->hdr, atomic_load(&w->vma_bytes), devices, w->side, &root, err);
	return r < 0 ? r : write_frame(w, root.data, root.len, 0, err);
}

static int write_index(struct vma_writer *w, struct error **err)
{
	int r = vma_index_seal(&w->index, w->side, err);

	if (r == 0)
		r = write_parts(w, err);
	if (r == 0)
		r = write_root(w, err);
	return r < 0 ? r : seektable_write(&w->seektable, w->output, err);
}

static bool is_complete(struct vma_writer *w)
{
	bool complete;

	pthread_mutex_lock(&w->lock);
	complete = !w->failed;
	pthread_mutex_unlock(&w->lock);
	return complete;
}

int writer_output_run(struct vma_writer *w, struct error **err)
{
	struct frame *f;
	int r = write_frame(w, w->header.data, w->header.len, w->header_vma_len, err);

	for (uint64_t number = 0; r == 0 && (f = take(w, number)); number++) {
		r = write_frame(w, f->data, f->len, f->vma_len, err);
		if (r == 0 && writer_is_zstd(w))
			r = index_frame(w, f, err);
		give_back(w, f);
	}
	if (r < 0 || !is_complete(w))
		return r;
	if (writer_is_zstd(w))
		r = write_index(w, err);
	return r < 0 ? r : output_finish(w->output, err);
}
