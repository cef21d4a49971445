/* The front of the reader: chunks out of the file. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "stream/frame.h"
#include "vma/reader-internal.h"

static bool tolerates(const struct vma_reader *r)
{
	return r->sink && r->sink->damage;
}

/* Keeps the error as a damage in front of the chunk. */
static void note(struct chunk *c, struct error **err)
{
	c->is_lost = true;
	if (!c->damage)
		c->damage = xstrdup(error_message(*err));
	error_free(TAKE_PTR(*err));
}

/* Adds a frame to what the seek table must hold. */
static int count_frame(struct vma_reader *r, const struct frame_cut *f, struct error **err)
{
	if (r->stats.has_seektable) {
		r->stats.has_seektable = false;
		return error_set(err, ERR_CORRUPT, "zstd frame at byte %llu: it stands behind the seek table",
				 (unsigned long long)f->offset);
	}
	if (f->kind == FRAME_CUT_SKIPPABLE && f->magic == FRAME_SKIPPABLE_SEEK_TABLE) {
		r->stats.has_seektable = true;
		return 0;
	}
	r->has_frames |= f->kind == FRAME_CUT_FRAME;
	r->stats.index_frames += f->kind == FRAME_CUT_SKIPPABLE && f->magic == FRAME_SKIPPABLE_VMA_INDEX;
	r->stats.frames_sum = vma_reader_sum_frame(r, r->stats.frames_sum, f->packed, f->content);
	r->stats.frames++;
	return 0;
}

static void fill_frame(struct vma_reader *r, struct chunk *c, const struct frame_cut *f)
{
	c->is_packed = true;
	c->packed_len = (size_t)f->packed;
	c->content = (size_t)f->content;
	c->offset = f->offset;
	c->frame = r->frame_count++;
}

/* From here on it is one stream. */
static int go_streaming(struct vma_reader *r, const struct chunk *c, const struct frame_cut *f,
			struct error **err)
{
	r->framed = false;
	return unpacker_zstd_new(&r->raw, c->packed, (size_t)f->packed, &r->unpacker, err);
}

/* 1: a frame; 0: the end; 2: something else was passed. */
static int take_frame(struct vma_reader *r, struct chunk *c, struct error **err)
{
	struct frame_cut f;
	int s;

	/* among frames that say how much they hold, one that does not is damaged */
	r->cutter.only_frames = r->has_frames && tolerates(r);
	s = frame_cutter_next(&r->cutter, c->packed, &f, err);

	if (s < 0 || f.kind == FRAME_CUT_END)
		return s;
	if (f.kind == FRAME_CUT_STREAM) {
		s = go_streaming(r, c, &f, err);
		return s < 0 ? s : 2;
	}
	s = count_frame(r, &f, err);
	if (s < 0)
		return s;
	if (f.kind == FRAME_CUT_FRAME) {
		fill_frame(r, c, &f);
		return 1;
	}
	r->frame_count++;
	return 2;
}

static int next_frame(struct vma_reader *r, struct chunk *c, struct error **err)
{
	for (;;) {
		int s = take_frame(r, c, err);

		if (s == 2 && !r->framed)
			return 2;
		if (s == 0 || s == 1)
			return s;
		if (s == 2)
			continue;
		if (s != ERR_CORRUPT || !tolerates(r))
			return s;
		note(c, err);
		s = frame_cutter_resync(&r->cutter, err);
		if (s < 0)
			return s;
		r->frame_count++;
	}
}

/* What comes before a damage counts; the error waits until that is handed out. */
static int next_bytes(struct vma_reader *r, struct chunk *c, struct error **err)
{
	struct error *own = TAKE_PTR(r->late);
	int s = own ? own->code : unpacker_read(r->unpacker, c->data, CHUNK_DATA, &c->len, &own);

	c->is_filler = r->raw.is_filler && r->plain;
	if (s >= 0)
		return c->len > 0;
	if (c->len) {
		r->late = own;
		return 1;
	}
	if (s == ERR_CORRUPT && tolerates(r)) {
		c->damage = xasprintf("%s%s", error_message(own),
				      r->plain ? ""
					       : "; the checksums of such a stream stand behind the "
						 "data, so any disk may be wrong at any place before");
		error_free(own);
		return 0;
	}
	error_keep_first(err, &own);
	return s;
}

/* Tells of a stretch that cannot be read when it is over. */
static void note_bad(struct vma_reader *r, struct chunk *c)
{
	const struct input_bad *b = &r->raw.bad;

	if (!b->bytes || (r->raw.bad_run && !r->source_ended))
		return;
	c->unreadable = xasprintf("%llu bytes of the archive, from byte %llu to %llu, cannot be read: %s",
				  (unsigned long long)b->bytes, (unsigned long long)b->from,
				  (unsigned long long)b->to, strerrordesc_np(EIO));
	r->raw.bad = (struct input_bad){ 0 };
}

int reader_source_next(struct vma_reader *r, struct chunk *c, struct error **err)
{
	int s = 2;

	c->is_packed = c->is_lost = c->is_filler = false;
	c->data = c->room + CHUNK_HEAD;
	c->len = 0;
	if (r->source_ended)
		return 0;
	if (r->framed)
		s = next_frame(r, c, err);
	if (s == 2)
		s = next_bytes(r, c, err);
	if (s == 0)
		r->source_ended = true;
	note_bad(r, c);
	c->is_last = r->source_ended;
	/* a damage at the very end still has to be told, and the end may show one */
	return s == 0 && tolerates(r) ? 1 : s;
}
