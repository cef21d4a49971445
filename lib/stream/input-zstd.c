/* Unpacks zstd as one stream, whatever its frames are like. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"
#include "stream/frame.h"
#include "stream/unpacker.h"

#define WINDOW_LOG_MAX 25 /* 32 MiB: zstd's levels up to 20; an archive must not ask for more */
#define READ_SIZE      (256u << 10)
#define FRAME_BEGIN    5u /* the least that shows what begins there */

struct zstd_unpacker {
	struct unpacker base;
	struct input_raw *raw;
	ZSTD_DStream *stream;
	uint8_t *packed;
	ZSTD_inBuffer in;
	size_t wanted; /* bytes, for the next step */
	bool middle;   /* of a frame */
};

static int zstd_refill(struct zstd_unpacker *z, struct error **err)
{
	size_t n = 0;
	int r = input_raw_read(z->raw, z->packed, READ_SIZE, &n, err);

	z->in = (ZSTD_inBuffer){ .src = z->packed, .size = n };
	return r;
}

static int zstd_failed(const struct zstd_unpacker *z, size_t code, struct error **err)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
		return error_set(err, ERR_UNSUPPORTED,
				 "the archive needs a window of more than %u MiB; give it as "
				 "'zstd -dc --long=31 FILE | vma ... -'",
				 1u << (WINDOW_LOG_MAX - 20));
	return error_set(err, frame_error(code), "zstd stream at about byte %llu: %s",
			 (unsigned long long)z->raw->pos, ZSTD_getErrorName(code));
}

/*
 * Passes in no more than zstd asks for, a block or the checksum: a call that fails hands out nothing, not
 * even the good blocks before the bad one.
 */
static size_t zstd_step(struct zstd_unpacker *z, ZSTD_outBuffer *out)
{
	ZSTD_inBuffer slice = z->in;
	size_t r;

	if (slice.size - slice.pos > z->wanted)
		slice.size = slice.pos + z->wanted;
	r = ZSTD_decompressStream(z->stream, out, &slice);
	z->in.pos = slice.pos;
	z->wanted = r ? r : FRAME_BEGIN;
	return r;
}

static int zstd_fill(struct zstd_unpacker *z, ZSTD_outBuffer *out, struct error **err)
{
	while (out->pos < out->size) {
		size_t before = out->pos, r;

		if (z->in.pos == z->in.size && zstd_refill(z, err) < 0)
			return (*err) ? (*err)->code : ERR_CORRUPT;
		r = z->in.size || z->middle ? zstd_step(z, out) : 0;
		if (ZSTD_isError(r))
			return zstd_failed(z, r, err);
		if (!z->in.size && out->pos == before) {
			if (z->middle)
				return error_set(err, ERR_CORRUPT,
						 "the archive is cut off at byte %llu, in a zstd "
						 "frame",
						 (unsigned long long)z->raw->pos);
			return 0;
		}
		if (z->in.size)
			z->middle = r != 0;
	}
	return 0;
}

static int zstd_read(struct unpacker *u, void *data, size_t len, size_t *ret_len, struct error **err)
{
	ZSTD_outBuffer out = { .dst = data, .size = len };
	struct error *own = NULL;
	int r = zstd_fill((struct zstd_unpacker *)u, &out, &own);

	error_keep_first(err, &own);
	*ret_len = out.pos;
	return r;
}

static void zstd_free(struct unpacker *u)
{
	struct zstd_unpacker *z = (struct zstd_unpacker *)u;

	ZSTD_freeDStream(z->stream);
	free(z->packed);
	free(z);
}

static const struct unpacker_ops zstd_ops = { .read = zstd_read, .free = zstd_free };

int unpacker_zstd_new(struct input_raw *raw, const void *head, size_t head_len, struct unpacker **ret,
		      struct error **err)
{
	struct zstd_unpacker *z = xcalloc(1, sizeof(*z));

	z->base.ops = &zstd_ops;
	z->raw = raw;
	z->wanted = FRAME_BEGIN;
	z->stream = ZSTD_createDStream();
	z->packed = xmalloc(head_len > READ_SIZE ? head_len : READ_SIZE);
	if (head_len)
		memcpy(z->packed, head, head_len);
	z->in = (ZSTD_inBuffer){ .src = z->packed, .size = head_len };
	if (!z->stream ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(z->stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		zstd_free(&z->base);
		return error_set(err, -ENOMEM, "no memory for a zstd decompressor");
	}
	*ret = &z->base;
	return 0;
}
