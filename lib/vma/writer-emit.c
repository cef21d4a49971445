#include "vma/writer-emit.h"

#include <string.h>

#include "base/mem.h"

#define MIN_PAD FRAME_SKIPPABLE_HEADER_SIZE

size_t emit_frame_size(uint32_t align)
{
	return frame_bound(VMA_EXTENT_MAX_SIZE) + vma_trailer_size(VMA_CLUSTERS_PER_EXTENT) + align;
}

int emit_init(struct emitter *x, int level, struct error **err)
{
	x->scratch = xmalloc(ZEROES_SIZE);
	return frame_encoder_new(level, &x->encoder, err);
}

void emit_clear(struct emitter *x)
{
	frame_encoder_free(x->encoder);
	free(x->scratch);
}

/* A frame of the pool with that content, packed. */
static int begin_frame(struct emitter *x, const uint8_t *data, size_t len, struct frame **ret,
		       struct error **err)
{
	struct frame *f;
	int r = pool_frame_get(x->pool, &f, err);

	if (r < 0)
		return r;
	f->data = f->out;
	f->vma_len = len;
	*ret = f;
	return frame_encode(x->encoder, f->out, f->out_cap, data, len, &f->len, err);
}

/* Adds `tail` bytes, which the caller has written. */
static void end_frame(struct emitter *x, struct frame *f, size_t tail)
{
	f->tail = tail;
	f->len += tail;
	pool_frame_ready(x->pool, f);
}

int emit_build(struct emitter *x, struct build *b, struct error **err)
{
	const struct vma_trailer *t = &b->trailer;
	struct frame *f;
	size_t len, tail;
	int r;

	if (!t->n)
		return 0;
	len = build_finish(b, x->uuid);
	r = begin_frame(x, b->room, len, &f, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < t->n; i++)
		f->keys[i] = t->entries[i].key;
	f->n_keys = t->n;
	tail = vma_pad_size(f->len, vma_trailer_size(t->n), x->align);
	vma_trailer_encode(f->out + f->len, tail, t);
	end_frame(x, f, tail);
	build_begin(b, b->room);
	return 0;
}

int emit_zeroes(struct emitter *x, const struct zeroes *z, struct error **err)
{
	const size_t len = zeroes_pack(z, x->uuid, x->scratch);
	struct frame *f;
	size_t tail;
	int r = begin_frame(x, x->scratch, len, &f, err);

	if (r < 0)
		return r;
	tail = vma_pad_size(f->len, MIN_PAD, x->align);
	vma_pad_encode(f->out + f->len, tail);
	end_frame(x, f, tail);
	return 0;
}

int emit_rest(struct emitter *x, struct error **err)
{
	int r = x->zeroes.n_runs ? emit_zeroes(x, &x->zeroes, err) : 0;

	x->zeroes.n_runs = x->zeroes.clusters = 0;
	return r;
}

int emit_zero(struct emitter *x, uint8_t dev, uint32_t cluster, struct error **err)
{
	zeroes_add(&x->zeroes, dev, cluster, 1);
	return zeroes_full(&x->zeroes) ? emit_rest(x, err) : 0;
}
