#include "vma/writer-file.h"

#include "base/mem.h"
#include "vma/trailer.h"

int file_note(struct writer_file *f, uint64_t len, uint64_t tail, uint64_t vma_len, struct error **err)
{
	int r = 0;

	atomic_fetch_add_explicit(&f->vma_bytes, vma_len, memory_order_relaxed);
	f->bytes += len;
	f->n_frames += tail ? 2 : 1;
	if (f->encoder)
		r = seektable_add(&f->seektable, len - tail, vma_len, err);
	if (r == 0 && tail)
		r = seektable_add(&f->seektable, tail, 0, err);
	return r;
}

int file_write(struct writer_file *f, const void *data, size_t len, size_t tail, size_t vma_len,
	       struct error **err)
{
	int r = output_write(f->output, data, len, err);

	return r < 0 ? r : file_note(f, len, tail, vma_len, err);
}

int file_index(struct writer_file *f, uint64_t frame, const uint64_t *keys, unsigned n, struct error **err)
{
	return vma_index_add(&f->index, frame, keys, n, f->encoder, err);
}

/* The next frame begins at a boundary. */
static int write_pad(struct writer_file *f, struct error **err)
{
	const size_t len = vma_pad_size(f->bytes, FRAME_SKIPPABLE_HEADER_SIZE, f->align);
	_cleanup_free_ uint8_t *pad = xmalloc(len);

	vma_pad_encode(pad, len);
	return file_write(f, pad, len, 0, 0, err);
}

int file_write_parts(struct writer_file *f, bool more, struct error **err)
{
	const uint64_t first = f->n_frames;
	const bool pads = more && f->align;
	const void *part;
	size_t len;

	for (size_t i = 0; (part = vma_index_held(&f->index, i, &len)); i++) {
		int r = file_write(f, part, len, 0, 0, err);

		if (r == 0 && pads)
			r = write_pad(f, err);
		if (r < 0)
			return r;
	}
	vma_index_written(&f->index, first, pads ? 2 : 1);
	return 0;
}
