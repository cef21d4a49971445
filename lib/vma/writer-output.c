#include "vma/writer-output.h"

#include <inttypes.h>

#include "vma/trailer.h"

/* ---- start and end ---- */

static void add_header_pad(struct writer_output *o)
{
	o->header_tail = vma_pad_size(o->header.len, FRAME_SKIPPABLE_HEADER_SIZE, o->file.align);
	vma_pad_encode((uint8_t *)buf_reserve(&o->header, o->header_tail), o->header_tail);
	buf_added(&o->header, o->header_tail);
}

static void init_index(struct writer_output *o, const struct vma_writer_options *wo)
{
	struct vma_index_writer *index = &o->file.index;

	vma_index_writer_init(index, o->hdr->uuid);
	if (wo->index_part_max)
		index->part_max = wo->index_part_max;
	if (wo->index_held_max)
		index->held_max = wo->index_held_max;
}

int writer_output_init(struct writer_output *o, const struct vma_writer_options *wo, struct error **err)
{
	_cleanup_buf_ struct buf encoded = BUF_INIT;
	int r;

	o->file.output = o->output;
	o->file.align = o->chain ? o->chain->align : 0;
	vma_header_encode(o->hdr, &encoded);
	o->header_vma_len = encoded.len;
	if (wo->layout == VMA_STREAM) {
		buf_add(&o->header, encoded.data, encoded.len);
		return 0;
	}
	init_index(o, wo);
	r = frame_encoder_new(wo->level, &o->file.encoder, err);
	if (r == 0)
		r = frame_append(o->file.encoder, encoded.data, encoded.len, &o->header, err);
	if (r == 0 && o->chain)
		add_header_pad(o);
	return r;
}

void writer_output_clear(struct writer_output *o)
{
	frame_encoder_free(o->file.encoder);
	seektable_writer_clear(&o->file.seektable);
	vma_index_writer_clear(&o->file.index);
	buf_clear(&o->header);
}

/* ---- frames ---- */

static int write_frame(struct writer_output *o, const struct frame *f, struct error **err)
{
	const uint64_t number = o->file.n_frames;
	int r = file_write(&o->file, f->data, f->len, f->tail, f->vma_len, err);

	if (r < 0 || !f->n_keys || !o->file.encoder)
		return r;
	r = file_index(&o->file, number, f->keys, f->n_keys, err);
	if (r == 0 && file_index_is_full(&o->file))
		r = file_write_parts(&o->file, true, err);
	return r;
}

static int write_frames(struct writer_output *o, struct error **err)
{
	struct frame *f;
	int r = file_write(&o->file, o->header.data, o->header.len, o->header_tail, o->header_vma_len, err);

	while (r == 0 && (f = pool_next_frame(o->pool))) {
		r = write_frame(o, f, err);
		pool_frame_put(o->pool, f);
	}
	return r < 0 ? r : pool_check(o->pool, err);
}

/* ---- what is taken over from the base ---- */

static int may_go_on(void *opaque, struct error **err)
{
	struct writer_output *o = opaque;

	return pool_check(o->pool, err);
}

/* Guest bytes of the kept frames; all else of a disk is zero. */
static void count_kept(struct writer_output *o)
{
	struct vma_reuse_stats stats;

	vma_reuse_get_stats(o->reuse, &stats);
	atomic_fetch_add(&o->counts->clusters, o->kept.clusters);
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const uint64_t size = o->hdr->devices[i].name ? o->hdr->devices[i].size : 0;
		const uint64_t data = writer_count_data(o->counts, i) + stats.stored[i];
		const uint64_t zero = writer_count_zero(o->counts, i);

		if (size >= data + zero)
			writer_count(o->counts, (uint8_t)i, 0, stats.stored[i], size - data - zero);
	}
}

static int take_over(struct writer_output *o, struct error **err)
{
	int r = kept_take_over(o->reuse, &o->file, may_go_on, o, &o->kept, err);

	if (r == 0)
		count_kept(o);
	return r;
}

/* An archive from which something is missing must not look like a good one. */
static int check_clusters(const struct writer_output *o, struct error **err)
{
	const uint64_t have = atomic_load(&o->counts->clusters);
	uint64_t want = 0;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (o->hdr->devices[i].name)
			want += vma_clusters(o->hdr->devices[i].size);
	if (have == want)
		return 0;
	return error_set(err, ERR_CORRUPT,
			 "internal error: %" PRIu64 " clusters went into the archive instead of %" PRIu64,
			 have, want);
}

/* ---- the end of the file ---- */

static int write_chain(struct writer_output *o, struct error **err)
{
	_cleanup_buf_ struct buf frame = BUF_INIT;
	struct vma_chain *c = o->chain;
	int r;

	c->new_bytes = o->file.bytes - o->kept.bytes;
	c->kept_frames = o->kept.frames;
	c->kept_clusters = o->kept.clusters < UINT32_MAX ? (uint32_t)o->kept.clusters : UINT32_MAX;
	r = vma_chain_encode(c, o->hdr->uuid, o->file.encoder, &frame, err);

	return r < 0 ? r : file_write(&o->file, frame.data, frame.len, 0, 0, err);
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
	r = vma_index_root(&o->file.index, o->hdr, atomic_load(&o->file.vma_bytes), devices, o->file.encoder,
			   &root, err);
	return r < 0 ? r : file_write(&o->file, root.data, root.len, 0, 0, err);
}

static int write_index(struct writer_output *o, struct error **err)
{
	int r = vma_index_seal(&o->file.index, o->file.encoder, err);

	if (r == 0)
		r = file_write_parts(&o->file, false, err);
	if (r == 0 && o->chain)
		r = write_chain(o, err);
	if (r == 0)
		r = write_root(o, err);
	return r < 0 ? r : seektable_write(&o->file.seektable, o->output, err);
}

static int write_archive(struct writer_output *o, struct error **err)
{
	int r = write_frames(o, err);

	if (r == 0 && o->reuse)
		r = take_over(o, err);
	if (r == 0 && o->chain)
		r = check_clusters(o, err);
	if (r == 0 && o->file.encoder)
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
