#include "vma/random-frame.h"

#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"

#define READ_SIZE  ((size_t)256 << 10)   /* more than a block of zstd, packed */
#define BEHIND_MAX ((uint64_t)256 << 10) /* a trailer, up to a boundary (vma/chain.h) */

void random_frame_clear(struct random_frame *f)
{
	frame_decoder_free(f->decoder);
	random_check_clear(&f->check);
	free(f->data);
	*f = (struct random_frame){ 0 };
}

static int read_archive_bytes(int fd, void *data, size_t len, uint64_t offset, struct error **err)
{
	ssize_t n = io_pread_full(fd, data, len, (off_t)offset);

	if (n < 0)
		return error_errno(err, (int)-n, "cannot read the archive");
	return n == (ssize_t)len ? 0 : error_set(err, ERR_CORRUPT, "the file is cut off");
}

/* With what stands behind it.  Whatever is wrong with that, the frame can still be unpacked as a whole. */
static void begin_check(struct random_frame *f, int fd, const struct random_map *map, size_t number)
{
	_cleanup_free_ uint8_t *raw = NULL;
	uint64_t len = 0;

	if (!map->plain && number + 1 < map->n_frames && !map->contents[number + 1])
		len = map->offsets[number + 2] - map->offsets[number + 1];
	if (len < FRAME_SKIPPABLE_HEADER_SIZE || len > BEHIND_MAX)
		len = 0;
	raw = xmalloc((size_t)len + 1);
	if (io_pread_full(fd, raw, (size_t)len, (off_t)map->offsets[number + 1]) != (ssize_t)len)
		len = 0;
	random_check_begin(&f->check, f->content, raw, (size_t)len, map->secret);
}

int random_frame_begin(struct random_frame *f, int fd, const struct random_map *map, size_t number,
		       struct error **err)
{
	int r = f->decoder ? 0 : frame_decoder_new(&f->decoder, err);

	f->packed = map->offsets[number];
	f->packed_end = map->offsets[number + 1];
	f->content = map->contents[number];
	f->checked = 0;
	if (r < 0)
		return r;
	if (f->content > RANDOM_MAX_CONTENT || f->packed_end - f->packed > frame_bound(RANDOM_MAX_CONTENT))
		return error_set(err, ERR_CORRUPT, "it is larger than any frame should be");
	if (f->cap < f->content) {
		free(f->data);
		f->data = xmalloc(f->content);
		f->cap = f->content;
	}
	begin_check(f, fd, map, number);
	frame_decode_begin(f->decoder, f->data, f->content);
	return 0;
}

/* Packed bytes that are in memory. */
struct window {
	uint8_t *bytes;
	size_t at, len;
};

/* Has what the next step takes, as far as the frame goes. */
static int fill_window(struct random_frame *f, int fd, struct window *w, struct error **err)
{
	const uint64_t left = f->packed_end - f->packed;

	if (w->len - w->at >= frame_decode_wants(f->decoder) || w->len - w->at == left)
		return 0;
	w->at = 0;
	w->len = left < READ_SIZE ? (size_t)left : READ_SIZE;
	return read_archive_bytes(fd, w->bytes, w->len, f->packed, err);
}

/* 1: more is to come; 0: the frame has ended. */
static int unpack_block(struct random_frame *f, int fd, struct window *w, struct error **err)
{
	size_t taken = 0;
	int r = fill_window(f, fd, w, err);

	if (r < 0)
		return r;
	if (w->at == w->len)
		return error_set(err, ERR_CORRUPT, "it is cut off");
	r = frame_decode_step(f->decoder, w->bytes + w->at, w->len - w->at, &taken, err);
	w->at += taken;
	f->packed += taken;
	return r;
}

/* The end of the frame: zstd has compared its checksum. */
static int end_frame(struct random_frame *f, struct error **err)
{
	const size_t unpacked = frame_decode_done(f->decoder);

	if (unpacked != f->content)
		return error_set(err, ERR_CORRUPT, "it holds %zu bytes, the seek table says %zu", unpacked,
				 f->content);
	f->checked = f->content;
	return 0;
}

/* The end of a frame is where zstd's checksum is, not where the last byte is unpacked. */
static bool is_reached(const struct random_frame *f, size_t n)
{
	return f->checked >= n && f->checked < f->content;
}

static int unpack_until(struct random_frame *f, int fd, size_t n, struct window *w, struct error **err)
{
	int r = 1;

	while (r > 0 && !is_reached(f, n)) {
		r = unpack_block(f, fd, w, err);
		if (r < 0)
			break;
		random_check_more(&f->check, f->data, frame_decode_done(f->decoder), f->content);
		f->checked = f->check.checked;
	}
	return r == 0 ? end_frame(f, err) : r < 0 ? r : 0;
}

int random_frame_reach(struct random_frame *f, int fd, const struct random_map *map, size_t n,
		       struct error **err)
{
	struct window w = { 0 };
	int r;

	if (f->checked >= n || f->checked == f->content)
		return 0;
	if (map->plain) {
		r = read_archive_bytes(fd, f->data, f->content, f->packed, err);
		f->checked = r == 0 ? f->content : 0;
		return r;
	}
	w.bytes = xmalloc(READ_SIZE);
	r = unpack_until(f, fd, n, &w, err);
	free(w.bytes);
	return r;
}
