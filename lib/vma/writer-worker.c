#include "vma/writer-worker.h"

#include <string.h>

#include "base/mem.h"
#include "vma/parts.h"
#include "vma/writer-pack.h"

/* In a stream only zeroes need memory; extents are written from where they are. */
size_t worker_frame_size(enum vma_layout layout)
{
	return layout == VMA_FRAMES ? frame_bound(VMA_EXTENT_MAX_SIZE) + VMA_PARTS_SIZE(VMA_PARTS_MAX)
				    : ZEROES_SIZE;
}

int worker_init(struct worker *k, enum vma_layout layout, int level, struct error **err)
{
	if (layout != VMA_FRAMES)
		return 0;
	k->scratch = xmalloc(ZEROES_SIZE);
	return frame_encoder_new(level, &k->encoder, err);
}

void worker_clear(struct worker *k)
{
	frame_encoder_free(k->encoder);
	free(k->scratch);
}

static int encode_frame(struct worker *k, struct frame *f, const uint8_t *data, size_t len,
			struct error **err)
{
	f->vma_len = len;
	f->data = f->out;
	return frame_encode(k->encoder, f->out, f->out_cap, data, len, &f->len, err);
}

/* The sums of its parts go behind a frame that stores something. */
static void add_parts(struct frame *f, const uint8_t *data, size_t len)
{
	f->tail = vma_parts_encode(f->out + f->len, data, len);
	f->len += f->tail;
}

static int make_extent(struct worker *k, struct vma_extent *e, struct frame *f, struct error **err)
{
	struct packed_extent p;
	int r = pack_extent(k->hdr, e, k->counts, &p, err);

	if (r < 0)
		return r;
	if (!k->encoder) {
		f->extent = e;
		f->data = p.data;
		f->len = f->vma_len = p.len;
		return 0;
	}
	memcpy(f->keys, p.keys, p.n_keys * sizeof(*p.keys));
	f->n_keys = p.n_keys;
	r = encode_frame(k, f, p.data, p.len, err);
	if (r == 0 && f->n_keys)
		add_parts(f, p.data, p.len);
	return r;
}

static int make_zeroes(struct worker *k, const struct zeroes *z, struct frame *f, struct error **err)
{
	if (k->encoder)
		return encode_frame(k, f, k->scratch, zeroes_pack(z, k->hdr->uuid, k->scratch), err);
	f->data = f->out;
	f->len = f->vma_len = zeroes_pack(z, k->hdr->uuid, f->out);
	return 0;
}

static int make_frame(struct worker *k, const struct work_item *item, struct frame *f, struct error **err)
{
	return item->kind == WORK_EXTENT ? make_extent(k, item->extent, f, err)
					 : make_zeroes(k, item->zeroes, f, err);
}

void worker_run(void *worker)
{
	struct worker *k = worker;
	struct error *err = NULL;
	struct work_item item;
	struct frame *f;
	uint64_t number;
	int r = 0;

	while (r == 0 && pool_take(k->pool, &item, &number, &f)) {
		r = make_frame(k, &item, f, &err);
		if (r == 0)
			pool_ready(k->pool, &item, number, f);
	}
	if (r < 0)
		pool_fail(k->pool, &err);
}
