#include "stream/frame.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"
#include "stream/bytes.h"

#define MAGIC          UINT32_C(0xFD2FB528)
#define SKIPPABLE      UINT32_C(0x184D2A50)
#define SKIPPABLE_MASK UINT32_C(0xFFFFFFF0)
#define FIRST_BYTES    5u /* of a frame, that say how long its header is */

/* ---- making frames ---- */

struct frame_encoder {
	ZSTD_CCtx *ctx;
};

static const struct parameter {
	ZSTD_cParameter name;
	int value;
} level_3[] = {
	{ ZSTD_c_windowLog, 22 },
	{ ZSTD_c_hashLog, 17 },
	{ ZSTD_c_chainLog, 15 },
};

static size_t set_parameters(ZSTD_CCtx *ctx, int level)
{
	size_t r = ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level);

	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 1);
	if (level != FRAME_DEFAULT_LEVEL)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(level_3) && !ZSTD_isError(r); i++)
		r = ZSTD_CCtx_setParameter(ctx, level_3[i].name, level_3[i].value);
	return r;
}

int frame_encoder_new(int level, struct frame_encoder **ret, struct error **err)
{
	_cleanup_(frame_encoder_freep) struct frame_encoder *e = xcalloc(1, sizeof(*e));
	size_t r;

	if (!level)
		level = FRAME_DEFAULT_LEVEL;
	if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())
		return error_set(err, ERR_INVALID, "zstd level %d: give one from %d to %d", level,
				 ZSTD_minCLevel(), ZSTD_maxCLevel());
	e->ctx = ZSTD_createCCtx();
	if (!e->ctx)
		return error_set(err, -ENOMEM, "no memory for a zstd compressor");
	r = set_parameters(e->ctx, level);
	if (ZSTD_isError(r))
		return error_set(err, ERR_INVALID, "zstd level %d: %s", level, ZSTD_getErrorName(r));
	*ret = TAKE_PTR(e);
	return 0;
}

void frame_encoder_free(struct frame_encoder *e)
{
	if (!e)
		return;
	ZSTD_freeCCtx(e->ctx);
	free(e);
}

size_t frame_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

int frame_encode(struct frame_encoder *e, void *out, size_t out_cap, const void *data, size_t len,
		 size_t *ret_len, struct error **err)
{
	size_t r = ZSTD_compress2(e->ctx, out, out_cap, data, len);

	if (ZSTD_isError(r))
		return error_set(err, -EIO, "zstd cannot compress %zu bytes: %s", len, ZSTD_getErrorName(r));
	*ret_len = r;
	return 0;
}

int frame_append(struct frame_encoder *e, const void *data, size_t len, struct buf *ret, struct error **err)
{
	size_t bound = frame_bound(len), n = 0;
	int r = frame_encode(e, buf_reserve(ret, bound), bound, data, len, &n, err);

	if (r < 0)
		return r;
	buf_added(ret, n);
	return 0;
}

void frame_skippable_header(uint8_t out[FRAME_SKIPPABLE_HEADER_SIZE], uint32_t magic, uint32_t len)
{
	put_le32(out, magic);
	put_le32(out + 4, len);
}

/* ---- inspecting frames ---- */

bool frame_begins_skippable(const uint8_t p[FRAME_MAGIC_SIZE])
{
	return (get_le32(p) & SKIPPABLE_MASK) == SKIPPABLE;
}

bool frame_begins(const uint8_t p[FRAME_MAGIC_SIZE])
{
	return get_le32(p) == MAGIC || frame_begins_skippable(p);
}

_Static_assert(ZSTD_CONTENTSIZE_UNKNOWN == FRAME_CONTENT_UNKNOWN &&
		       ZSTD_CONTENTSIZE_ERROR == FRAME_CONTENT_INVALID,
	       "zstd's values");

uint64_t frame_content(const void *data, size_t len)
{
	return ZSTD_getFrameContentSize(data, len);
}

int frame_length(const void *data, size_t len, uint64_t *ret)
{
	size_t n = ZSTD_findFrameCompressedSize(data, len);

	if (ZSTD_isError(n))
		return ZSTD_getErrorCode(n) == ZSTD_error_srcSize_wrong ? 0 : ERR_CORRUPT;
	*ret = n;
	return 1;
}

/* ---- unpacking frames ---- */

struct frame_decoder {
	ZSTD_DCtx *ctx;
	ZSTD_outBuffer out; /* of the frame that is unpacked a block at a time */
	size_t wants;
};

int frame_decoder_new(struct frame_decoder **ret, struct error **err)
{
	struct frame_decoder *d = xcalloc(1, sizeof(*d));

	d->ctx = ZSTD_createDCtx();
	if (!d->ctx) {
		free(d);
		return error_set(err, -ENOMEM, "no memory for a zstd decompressor");
	}
	*ret = d;
	return 0;
}

void frame_decoder_free(struct frame_decoder *d)
{
	if (!d)
		return;
	ZSTD_freeDCtx(d->ctx);
	free(d);
}

int frame_error(size_t code)
{
	return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? -ENOMEM : ERR_CORRUPT;
}

int frame_decode(struct frame_decoder *d, void *out, size_t out_cap, const void *data, size_t len,
		 size_t *ret_len, struct error **err)
{
	size_t n = d ? ZSTD_decompressDCtx(d->ctx, out, out_cap, data, len)
		     : ZSTD_decompress(out, out_cap, data, len);

	if (ZSTD_isError(n))
		return error_set(err, frame_error(n), "%s", ZSTD_getErrorName(n));
	*ret_len = n;
	return 0;
}

/*
 * What zstd calls ZSTD_d_stableOutBuffer, where the library has it: blocks are unpacked right into out, and
 * the decompressor needs no window of its own, of up to a frame.  Without it only that differs.
 */
static void unpack_in_place(ZSTD_DCtx *ctx)
{
	ZSTD_DCtx_setParameter(ctx, ZSTD_d_experimentalParam2, 1);
}

void frame_decode_begin(struct frame_decoder *d, void *out, size_t out_cap)
{
	ZSTD_DCtx_reset(d->ctx, ZSTD_reset_session_and_parameters);
	unpack_in_place(d->ctx);
	d->out = (ZSTD_outBuffer){ .dst = out, .size = out_cap };
	d->wants = FIRST_BYTES;
}

/* Passes in no more than zstd asks for: so it stops behind each block. */
int frame_decode_step(struct frame_decoder *d, const void *data, size_t len, size_t *ret_taken,
		      struct error **err)
{
	ZSTD_inBuffer in = { .src = data, .size = len < d->wants ? len : d->wants };
	const size_t wants = ZSTD_decompressStream(d->ctx, &d->out, &in);

	if (ZSTD_isError(wants))
		return error_set(err, frame_error(wants), "%s", ZSTD_getErrorName(wants));
	*ret_taken = in.pos;
	d->wants = wants;
	return wants != 0;
}

size_t frame_decode_done(const struct frame_decoder *d)
{
	return d->out.pos;
}

size_t frame_decode_wants(const struct frame_decoder *d)
{
	return d->wants;
}
