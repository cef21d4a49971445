#include "vma/reader-source.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "stream/input.h"
#include "stream/frame.h"
#include "vma/sum.h"

void source_init(struct source *s)
{
	frame_cutter_init(&s->cutter, &s->raw, CHUNK_DATA);
}

void source_clear(struct source *s)
{
	unpacker_free(s->unpacker);
	frame_cutter_clear(&s->cutter);
	error_free(s->late);
}

int source_open(struct source *s, int fd, const struct cancel *cancel, struct error **err)
{
	int r = input_raw_init(&s->raw, fd, cancel, err);

	if (r < 0)
		return r;
	s->framed = input_kind(&s->raw) == INPUT_ZSTD;
	s->plain = input_kind(&s->raw) == INPUT_PLAIN;
	return s->framed ? 0 : input_unpacker_new(&s->raw, &s->unpacker, err);
}

int source_skip_first(struct source *s, uint64_t offset)
{
	int r = input_raw_seek(&s->raw, offset);

	if (r < 0)
		return r;
	frame_cutter_clear(&s->cutter);
	frame_cutter_init(&s->cutter, &s->raw, CHUNK_DATA);
	unpacker_free(TAKE_PTR(s->unpacker));
	error_free(TAKE_PTR(s->late));
	s->framed = true;
	s->plain = false;
	s->ended = false;
	s->n_frames = 1;
	return 0;
}

/* Keeps the error as a damage before the chunk. */
static void note_damage(struct chunk *c, struct error **err)
{
	c->is_lost = true;
	if (!c->damage)
		c->damage = xstrdup(error_message(*err));
	error_free(TAKE_PTR(*err));
}

/* Adds a frame to those that the seek table must hold. */
static int count_frame(struct source *s, const struct frame_cut *f, struct error **err)
{
	if (s->stats->has_seektable) {
		s->stats->has_seektable = false;
		return error_set(err, ERR_CORRUPT, "zstd frame at byte %llu: it comes after the seek table",
				 (unsigned long long)f->offset);
	}
	if (f->kind == FRAME_CUT_SKIPPABLE && f->magic == FRAME_SKIPPABLE_SEEK_TABLE) {
		s->stats->has_seektable = true;
		return 0;
	}
	s->has_frames |= f->kind == FRAME_CUT_FRAME;
	s->stats->index_frames += f->kind == FRAME_CUT_SKIPPABLE && f->magic == FRAME_SKIPPABLE_VMA_INDEX;
	s->stats->chain_frames += f->kind == FRAME_CUT_SKIPPABLE && f->magic == FRAME_SKIPPABLE_VMA_CHAIN;
	s->stats->frames_sum = vma_sum_frame(s->stats->sum_seed, s->stats->frames_sum, f->packed, f->content);
	s->stats->frames++;
	return 0;
}

static void fill_frame(struct source *s, struct chunk *c, const struct frame_cut *f)
{
	c->is_packed = true;
	c->packed_len = (size_t)f->packed;
	c->offset = f->offset;
	c->frame = s->n_frames++;
}

/* The rest of the file is read as one stream. */
static int go_streaming(struct source *s, const struct chunk *c, const struct frame_cut *f,
			struct error **err)
{
	s->framed = false;
	return unpacker_zstd_new(&s->raw, c->packed, (size_t)f->packed, &s->unpacker, err);
}

/* 1: a frame; 0: the end; 2: something else was skipped, or the rest is a stream. */
static int take_frame(struct source *s, struct chunk *c, struct error **err)
{
	struct frame_cut f;
	int r;

	/* among frames that say how much they hold, one that does not is damaged */
	s->cutter.only_frames = s->has_frames && s->tolerates;
	r = frame_cutter_next(&s->cutter, c->packed, &f, err);

	if (r < 0 || f.kind == FRAME_CUT_END)
		return r;
	if (f.kind == FRAME_CUT_STREAM) {
		r = go_streaming(s, c, &f, err);
		return r < 0 ? r : 2;
	}
	r = count_frame(s, &f, err);
	if (r == ERR_CORRUPT && s->tolerates) {
		note_damage(c, err);
		r = 0;
	}
	if (r < 0)
		return r;
	if (f.kind == FRAME_CUT_FRAME) {
		fill_frame(s, c, &f);
		return 1;
	}
	s->n_frames++;
	return 2;
}

static int next_frame(struct source *s, struct chunk *c, struct error **err)
{
	for (;;) {
		int r = take_frame(s, c, err);

		if (r == 2 && !s->framed)
			return 2;
		if (r == 0 || r == 1)
			return r;
		if (r == 2)
			continue;
		if (r != ERR_CORRUPT || !s->tolerates)
			return r;
		note_damage(c, err);
		r = frame_cutter_resync(&s->cutter, err);
		if (r < 0)
			return r;
		s->n_frames++;
	}
}

/* Bytes before a damage are good, so the error is kept until they have been handed out. */
static int next_bytes(struct source *s, struct chunk *c, struct error **err)
{
	struct error *own = TAKE_PTR(s->late);
	int r = own ? own->code : unpacker_read(s->unpacker, c->data, CHUNK_DATA, &c->len, &own);

	c->is_filler = s->raw.is_filler && s->plain;
	if (r >= 0)
		return c->len > 0;
	if (c->len) {
		s->late = own;
		return 1;
	}
	if (r == ERR_CORRUPT && s->tolerates) {
		c->damage = xasprintf("%s%s", error_message(own),
				      s->plain ? ""
					       : "; the checksums of such a stream come after the "
						 "data, so any disk may be wrong at any place before");
		error_free(own);
		return 0;
	}
	error_keep_first(err, &own);
	return r;
}

/* Notes an unreadable stretch in the chunk, once its end is known. */
static void note_bad(struct source *s, struct chunk *c)
{
	const struct input_bad *b = &s->raw.bad;

	if (!b->bytes || (s->raw.bad_run && !s->ended))
		return;
	c->unreadable = xasprintf("%llu bytes of the archive, from byte %llu to %llu, cannot be read: %s",
				  (unsigned long long)b->bytes, (unsigned long long)b->from,
				  (unsigned long long)b->to, strerrordesc_np(EIO));
	s->raw.bad = (struct input_bad){ 0 };
}

int source_next(struct source *s, struct chunk *c, struct error **err)
{
	int r = 2;

	c->is_packed = c->is_lost = c->is_filler = false;
	c->data = c->room + CHUNK_HEAD;
	c->len = 0;
	if (s->ended)
		return 0;
	if (s->framed)
		r = next_frame(s, c, err);
	if (r == 2)
		r = next_bytes(s, c, err);
	if (r == 0)
		s->ended = true;
	note_bad(s, c);
	c->is_last = s->ended;
	/* a damage at the very end still has to be reported, and the end may show one */
	return r == 0 && s->tolerates ? 1 : r;
}
