#include "stream/frame-cut.h"

#include <string.h>

#include "base/mem.h"
#include "stream/bytes.h"
#include "stream/frame.h"

/*
 * How many candidates may be measured at length and then turn out to be no frames, in as much of a file as
 * one frame may take.  By chance they are rare, but a crafted file could have a million of them.
 */
#define COSTLY_MAX 16u

/* Frames of a chain's archive begin at multiples of this, at least. */
#define CHAIN_ALIGN 4096u

enum measure {
	MEASURE_FRAME,
	MEASURE_SKIPPABLE,
	MEASURE_MORE,
	MEASURE_STREAM,
	MEASURE_BAD,
};

void frame_cutter_init(struct frame_cutter *c, struct input_raw *raw, size_t max_content)
{
	*c = (struct frame_cutter){ .raw = raw, .max_content = max_content };
	c->rest = xmalloc(frame_cutter_room(c));
}

void frame_cutter_clear(struct frame_cutter *c)
{
	free(c->rest);
	c->rest = NULL;
}

size_t frame_cutter_room(const struct frame_cutter *c)
{
	return frame_bound(c->max_content) + FRAME_CUT_READ;
}

/* What stands behind data frames. */
static bool is_between_frames(uint32_t magic)
{
	return magic == FRAME_SKIPPABLE_VMA_CHAIN || magic == FRAME_SKIPPABLE_VMA_PAD ||
	       magic == FRAME_SKIPPABLE_VMA_PARTS;
}

/*
 * Whether a skippable frame counts only if another frame follows it.  There is one behind almost every frame,
 * and a wrong length of one must not cost what follows it.
 */
static bool is_distrusted(const struct frame_cutter *c, uint32_t magic)
{
	return c->is_lost || (c->only_frames && is_between_frames(magic));
}

/* Whether its content, which is all there, has a frame where those of a chain's archive begin. */
static bool has_frame_inside(const uint8_t *p, const struct frame_cut *f)
{
	for (uint64_t at = CHAIN_ALIGN - f->offset % CHAIN_ALIGN; at < f->packed; at += CHAIN_ALIGN)
		if (frame_begins(p + at))
			return true;
	return false;
}

static enum measure measure_skippable(struct frame_cutter *c, const uint8_t *p, size_t n,
				      struct frame_cut *ret)
{
	ret->packed = FRAME_SKIPPABLE_HEADER_SIZE + (uint64_t)get_le32(p + 4);
	ret->content = 0;
	if (!is_distrusted(c, ret->magic))
		return MEASURE_SKIPPABLE;
	if (ret->packed > c->max_content)
		return MEASURE_BAD;
	c->was_costly = c->is_lost;
	if (n < ret->packed + 4)
		return MEASURE_MORE;
	if (!frame_begins(p + ret->packed) || (c->only_frames && has_frame_inside(p, ret)))
		return MEASURE_BAD;
	return MEASURE_SKIPPABLE;
}

/* Measures the frame that begins at p, as far as its first n bytes show. */
static enum measure measure_frame(struct frame_cutter *c, const uint8_t *p, size_t n, struct frame_cut *ret)
{
	uint64_t content;
	int r;

	c->was_costly = false;
	if (n < FRAME_SKIPPABLE_HEADER_SIZE)
		return MEASURE_MORE;
	ret->magic = get_le32(p);
	if (frame_begins_skippable(p))
		return measure_skippable(c, p, n, ret);
	if (!frame_begins(p))
		return MEASURE_BAD;
	content = frame_content(p, n);
	if (content == FRAME_CONTENT_INVALID)
		return n < FRAME_HEADER_MAX ? MEASURE_MORE : MEASURE_BAD;
	if (content > c->max_content)
		return c->only_frames ? MEASURE_BAD : MEASURE_STREAM;
	c->was_costly = true;
	r = frame_length(p, n, &ret->packed);
	if (r <= 0)
		return r == 0 ? MEASURE_MORE : MEASURE_BAD;
	ret->content = content;
	return MEASURE_FRAME;
}

/* Skips n bytes, of which the first are in rest. */
static int skip_bytes(struct frame_cutter *c, uint64_t n, struct error **err)
{
	while (n) {
		uint64_t have = c->rest_len - c->rest_at, now = n < have ? n : have;
		int r;

		c->rest_at += (size_t)now;
		n -= now;
		if (!n)
			break;
		r = input_raw_read(c->raw, c->rest, FRAME_CUT_READ, &c->rest_len, err);
		c->rest_at = 0;
		if (r < 0)
			return r;
		if (!c->rest_len)
			return error_set(err, ERR_CORRUPT, "it is cut off, %llu bytes are missing",
					 (unsigned long long)n);
	}
	return 0;
}

/* The file offset of what comes next. */
static uint64_t next_offset(const struct frame_cutter *c)
{
	return c->raw->pos - (c->rest_len - c->rest_at);
}

/* Puts back bytes that were read into out and do not belong to the frame. */
static void put_back_bytes(struct frame_cutter *c, const uint8_t *from, size_t n)
{
	memcpy(c->rest, from, n);
	c->rest_at = 0;
	c->rest_len = n;
}

static int bad_frame(struct frame_cutter *c, const uint8_t *out, size_t n, const char *text,
		     struct error **err)
{
	/* all of it, as the next frame may begin in there */
	put_back_bytes(c, out, n);
	return error_set(err, ERR_CORRUPT, "%s", text);
}

/* For a frame that is not all in rest: reads on into out. */
static int read_frame(struct frame_cutter *c, uint8_t *out, struct frame_cut *ret, struct error **err)
{
	size_t n = c->rest_len - c->rest_at, got = 0, cap = frame_cutter_room(c);
	enum measure m = MEASURE_MORE;
	int r = 0;

	memcpy(out, c->rest + c->rest_at, n);
	c->rest_at = c->rest_len = 0;
	while (m == MEASURE_MORE && n + FRAME_CUT_READ <= cap) {
		r = input_raw_read(c->raw, out + n, FRAME_CUT_READ, &got, err);
		if (r < 0)
			return r;
		n += got;
		m = measure_frame(c, out, n, ret);
		if (!got)
			break;
	}
	if (m == MEASURE_MORE && n && n == ret->packed && frame_begins_skippable(out))
		m = MEASURE_SKIPPABLE; /* the file ends with it */
	if (!n) {
		ret->kind = FRAME_CUT_END;
		return 0;
	}
	if (m == MEASURE_STREAM) {
		ret->kind = FRAME_CUT_STREAM;
		ret->packed = n;
		return 0;
	}
	if (m == MEASURE_FRAME) {
		put_back_bytes(c, out + ret->packed, n - (size_t)ret->packed);
		ret->kind = FRAME_CUT_FRAME;
		return 0;
	}
	if (m == MEASURE_SKIPPABLE) {
		put_back_bytes(c, out, n);
		ret->kind = FRAME_CUT_SKIPPABLE;
		return skip_bytes(c, ret->packed, err);
	}
	return bad_frame(c, out, n, m == MEASURE_BAD ? "there is no zstd frame" : "it is cut off or damaged",
			 err);
}

/* Counts a candidate that turned out to be no frame. */
static void count_costly(struct frame_cutter *c, uint64_t offset)
{
	if (!c->was_costly)
		return;
	if (offset >= c->costly_end) {
		c->costly_end = offset + frame_cutter_room(c);
		c->costly = 0;
	}
	c->costly++;
}

int frame_cutter_next(struct frame_cutter *c, uint8_t *out, struct frame_cut *ret, struct error **err)
{
	size_t have = c->rest_len - c->rest_at;
	int r = 0;

	*ret = (struct frame_cut){ .offset = next_offset(c) };
	switch (measure_frame(c, c->rest + c->rest_at, have, ret)) {
	case MEASURE_FRAME:
		memcpy(out, c->rest + c->rest_at, (size_t)ret->packed);
		c->rest_at += (size_t)ret->packed;
		ret->kind = FRAME_CUT_FRAME;
		break;
	case MEASURE_SKIPPABLE:
		ret->kind = FRAME_CUT_SKIPPABLE;
		r = skip_bytes(c, ret->packed, err);
		break;
	case MEASURE_STREAM:
		memcpy(out, c->rest + c->rest_at, have);
		c->rest_at = c->rest_len = 0;
		ret->kind = FRAME_CUT_STREAM;
		ret->packed = have;
		break;
	case MEASURE_BAD:
		r = error_set(err, ERR_CORRUPT, "there is no zstd frame");
		break;
	case MEASURE_MORE:
		r = read_frame(c, out, ret, err);
		break;
	}
	if (r < 0) {
		count_costly(c, ret->offset);
		error_prefix(err, "zstd frame at byte %llu", (unsigned long long)ret->offset);
	} else {
		c->is_lost = false;
	}
	return r;
}

static bool is_candidate(const struct frame_cutter *c)
{
	return frame_begins(c->rest + c->rest_at) &&
	       (c->costly < COSTLY_MAX || next_offset(c) >= c->costly_end);
}

int frame_cutter_resync(struct frame_cutter *c, struct error **err)
{
	size_t got = 0;

	c->is_lost = true;
	if (c->rest_at < c->rest_len)
		c->rest_at++;
	for (;;) {
		int r;

		for (; c->rest_at + 4 <= c->rest_len; c->rest_at++)
			if (is_candidate(c))
				return 0;
		memmove(c->rest, c->rest + c->rest_at, c->rest_len - c->rest_at);
		c->rest_len -= c->rest_at;
		c->rest_at = 0;
		r = input_raw_read(c->raw, c->rest + c->rest_len, FRAME_CUT_READ, &got, err);
		if (r < 0)
			return r;
		if (!got) {
			c->rest_len = 0;
			return 0;
		}
		c->rest_len += got;
	}
}
