#include "vma/writer-kept.h"

#include <errno.h>
#include <inttypes.h>

#define ROW_MAX (UINT64_C(64) << 20) /* so that a request to stop is seen in between */

/* Frames of the base that follow each other and are noted, but not copied yet. */
struct kept_row {
	struct writer_file *f;
	const struct vma_base *base;
	int (*check)(void *opaque, struct error **err);
	void *opaque;
	uint64_t start, end; /* in the base's file */
	struct kept_counts *counts;
};

static bool is_full_target(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EFBIG || r == ERR_CANCELED || r == -ECANCELED;
}

static int copy_failed(const struct kept_row *row, int r, struct error **err)
{
	if (is_full_target(r))
		return error_wrap(err, r, "taking over frames of '%s'", vma_base_name(row->base));
	return error_wrap(err, r,
			  "cannot take over frames of '%s' (bytes %" PRIu64 " to %" PRIu64
			  "; if that archive is damaged, back up once with --incremental 0)",
			  vma_base_name(row->base), row->start, row->end);
}

static int copy_row(struct kept_row *row, struct error **err)
{
	int r = row->check(row->opaque, err);

	if (r < 0 || row->start == row->end)
		return r;
	r = output_copy(row->f->output, vma_base_fd(row->base), row->start, row->end - row->start, err);
	if (r < 0)
		return copy_failed(row, r, err);
	row->counts->bytes += row->end - row->start;
	row->start = row->end;
	return 0;
}

/* The row goes on with this frame, or it is another one's first. */
static int reach_place(struct kept_row *row, const struct vma_base_place *p, struct error **err)
{
	int r = 0;

	if (p->offset != row->end || row->end - row->start >= ROW_MAX) {
		r = copy_row(row, err);
		row->start = p->offset;
	}
	row->end = p->offset + p->frame + p->trailer;
	return r;
}

static int keep_frame(struct kept_row *row, uint32_t frame, const uint64_t *keys, unsigned n,
		      struct error **err)
{
	struct writer_file *f = row->f;
	const uint64_t number = f->n_frames;
	struct vma_base_place p;
	int r;

	vma_base_place(row->base, frame, &p);
	r = reach_place(row, &p, err);
	if (r == 0)
		r = file_note(f, p.frame + p.trailer, p.trailer, p.content, err);
	if (r == 0)
		r = file_index(f, number, keys, n, err);
	if (r == 0 && file_index_is_full(f)) {
		r = copy_row(row, err);
		if (r == 0)
			r = file_write_parts(f, true, err);
	}
	row->counts->frames++;
	row->counts->clusters += n;
	return r;
}

int kept_take_over(const struct vma_reuse *u, struct writer_file *f,
		   int (*check)(void *opaque, struct error **err), void *opaque, struct kept_counts *ret,
		   struct error **err)
{
	struct kept_row row = {
		.f = f, .base = vma_reuse_base(u), .check = check, .opaque = opaque, .counts = ret
	};
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = vma_base_walk_new(row.base, 0);
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	uint32_t frame;
	unsigned n;
	int r = 0;

	*ret = (struct kept_counts){ 0 };
	while (r == 0 && vma_base_walk_next(w, &frame, keys, &n))
		if (vma_reuse_is_kept(u, frame))
			r = keep_frame(&row, frame, keys, n, err);
	return r < 0 ? r : copy_row(&row, err);
}
