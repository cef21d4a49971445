#include "vma/writer-kept.h"

#include <errno.h>
#include <inttypes.h>

#define RANGE_MAX (UINT64_C(64) << 20) /* so that a request to stop is seen in between */

/* Frames of the base that follow each other and are noted, but not copied yet. */
struct kept_range {
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

static int copy_failed(const struct kept_range *range, int r, struct error **err)
{
	if (is_full_target(r))
		return error_wrap(err, r, "taking over frames of '%s'", vma_base_name(range->base));
	return error_wrap(err, r,
			  "cannot take over frames of '%s' (bytes %" PRIu64 " to %" PRIu64
			  "; if that archive is damaged, back up once with --incremental 0)",
			  vma_base_name(range->base), range->start, range->end);
}

static int copy_range(struct kept_range *range, struct error **err)
{
	int r = range->check(range->opaque, err);

	if (r < 0 || range->start == range->end)
		return r;
	r = output_copy(range->f->output, vma_base_fd(range->base), range->start, range->end - range->start,
			err);
	if (r < 0)
		return copy_failed(range, r, err);
	range->counts->bytes += range->end - range->start;
	range->start = range->end;
	return 0;
}

/* The range goes on with this frame, or it is another one's first. */
static int reach(struct kept_range *range, const struct vma_base_span *p, struct error **err)
{
	int r = 0;

	if (p->offset != range->end || range->end - range->start >= RANGE_MAX) {
		r = copy_range(range, err);
		range->start = p->offset;
	}
	range->end = p->offset + p->frame + p->trailer;
	return r;
}

static int keep_frame(struct kept_range *range, uint32_t frame, const uint64_t *keys, unsigned n,
		      struct error **err)
{
	struct writer_file *f = range->f;
	const uint64_t number = f->n_frames;
	struct vma_base_span p;
	int r;

	vma_base_span(range->base, frame, &p);
	r = reach(range, &p, err);
	if (r == 0)
		r = file_note(f, p.frame + p.trailer, p.trailer, p.content, err);
	if (r == 0)
		r = file_index(f, number, keys, n, err);
	if (r == 0 && file_index_is_full(f)) {
		r = copy_range(range, err);
		if (r == 0)
			r = file_write_parts(f, true, err);
	}
	range->counts->frames++;
	range->counts->clusters += n;
	return r;
}

int kept_take_over(const struct vma_reuse *u, struct writer_file *f,
		   int (*check)(void *opaque, struct error **err), void *opaque, struct kept_counts *ret,
		   struct error **err)
{
	struct kept_range range = {
		.f = f, .base = vma_reuse_base(u), .check = check, .opaque = opaque, .counts = ret
	};
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = vma_base_walk_new(range.base, 0);
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	uint32_t frame;
	unsigned n;
	int r = 0;

	*ret = (struct kept_counts){ 0 };
	while (r == 0 && vma_base_walk_next(w, &frame, keys, &n))
		if (vma_reuse_is_kept(u, frame))
			r = keep_frame(&range, frame, keys, n, err);
	return r < 0 ? r : copy_range(&range, err);
}
