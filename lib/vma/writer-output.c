#include "vma/writer-output.h"

int writer_output_init(struct writer_output *o, const struct vma_writer_options *wo, struct error **err)
{
	_cleanup_buf_ struct buf encoded = BUF_INIT;
	int r;

	vma_header_encode(o->hdr, &encoded);
	o->header_vma_len = encoded.len;
	if (wo->layout != VMA_FRAMES) {
		buf_add(&o->header, encoded.data, encoded.len);
		return 0;
	}
	r = frame_encoder_new(wo->level, &o->encoder, err);
	if (r < 0)
		return r;
	vma_index_writer_init(&o->index, o->hdr->uuid);
	if (wo->index_part_max)
		o->index.part_max = wo->index_part_max;
	if (wo->index_held_max)
		o->index.held_max = wo->index_held_max;
	return frame_append(o->encoder, encoded.data, encoded.len, &o->header, err);
}

void writer_output_clear(struct writer_output *o)
{
	frame_encoder_free(o->encoder);
	seektable_writer_clear(&o->seektable);
	vma_index_writer_clear(&o->index);
	buf_clear(&o->header);
}

/* Writes a frame, or a piece of the stream. */
static int write_frame(struct writer_output *o, const void *data, size_t len, size_t vma_len,
		       struct error **err)
{
	int r = output_write(o->output, data, len, err);

	if (r < 0)
		return r;
	atomic_fetch_add_explicit(&o->vma_bytes, vma_len, memory_order_relaxed);
	o->n_frames++;
	return o->encoder ? seektable_add(&o->seektable, len, vma_len, err) : 0;
}

/* Writes the parts of the index that were held back. */
static int write_parts(struct writer_output *o, struct error **err)
{
	uint64_t first = o->n_frames;
	const void *part;
	size_t len;

	for (size_t i = 0; (part = vma_index_held(&o->index, i, &len)); i++) {
		int r = write_frame(o, part, len, 0, err);

		if (r < 0)
			return r;
	}
	vma_index_written(&o->index, first);
	return 0;
}

static int index_frame(struct writer_output *o, const struct frame *f, struct error **err)
{
	int r;

	if (!f->n_keys)
		return 0;
	r = vma_index_add(&o->index, o->n_frames - 1, f->keys, f->n_keys, o->encoder, err);
	if (r == 0 && vma_index_is_full(&o->index))
		r = write_parts(o, err);
	return r;
}

static int write_root(struct writer_output *o, struct error **err)
{
	struct vma_index_device devices[VMA_MAX_DEVICES + 1];
	_cleanup_buf_ struct buf root = BUF_INIT;
	int r;

	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++) {
		devices[i].data_bytes = writer_count_data(o->counts, i);
		devices[i].zero_bytes = writer_count_zero(o->counts, i);
	}
	r = vma_index_root(&o->index, o->hdr, atomic_load(&o->vma_bytes), devices, o->encoder, &root, err);
	return r < 0 ? r : write_frame(o, root.data, root.len, 0, err);
}

static int write_index(struct writer_output *o, struct error **err)
{
	int r = vma_index_seal(&o->index, o->encoder, err);

	if (r == 0)
		r = write_parts(o, err);
	if (r == 0)
		r = write_root(o, err);
	return r < 0 ? r : seektable_write(&o->seektable, o->output, err);
}

static int write_archive(struct writer_output *o, struct error **err)
{
	struct frame *f;
	int r = write_frame(o, o->header.data, o->header.len, o->header_vma_len, err);

	while (r == 0 && (f = pool_next_frame(o->pool))) {
		r = write_frame(o, f->data, f->len, f->vma_len, err);
		if (r == 0 && o->encoder)
			r = index_frame(o, f, err);
		pool_frame_put(o->pool, f);
	}
	if (r == 0)
		r = pool_check(o->pool, err);
	if (r == 0 && o->encoder)
		r = write_index(o, err);
	return r < 0 ? r : output_finish(o->output, err);
}

void writer_output_run(void *writer_output)
{
	struct writer_output *o = writer_output;
	struct error *err = NULL;

	if (write_archive(o, &err) < 0)
		pool_fail(o->pool, &err);
}
