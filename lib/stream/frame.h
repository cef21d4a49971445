/*
 * Zstandard frames, made and unpacked in one piece.  Each of ours holds its content size and a checksum and
 * can be unpacked on its own.  Only this file and the unpacker of whole streams (input-zstd.c)
 * call zstd.
 */
#ifndef VZDUMP_STREAM_FRAME_H
#define VZDUMP_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define FRAME_DEFAULT_LEVEL 3

#define FRAME_MAGIC_SIZE            4
#define FRAME_SKIPPABLE_HEADER_SIZE 8
#define FRAME_SKIPPABLE_SEEK_TABLE  UINT32_C(0x184D2A5E)
#define FRAME_SKIPPABLE_VMA_INDEX   UINT32_C(0x184D2A5A)
#define FRAME_SKIPPABLE_VMA_CHAIN   UINT32_C(0x184D2A5B) /* vma/chain.h and vma/trailer.h */
#define FRAME_SKIPPABLE_VMA_PAD     UINT32_C(0x184D2A5C)
#define FRAME_SKIPPABLE_VMA_PARTS   UINT32_C(0x184D2A5D) /* vma/parts.h */

/* ---- making frames ---- */

/* A compressor with its memory, for one thread at a time. */
struct frame_encoder;

/*
 * level as of zstd; 0 is the default, 3.
 *
 * At level 3 the window is as large as an extent (windowLog 22) and the table of short matches half of zstd's
 * (chainLog 15), so that it and the one of long matches, which is zstd's (hashLog 17), cost few misses of the
 * L2 cache.  CPU time and size against one stream of zstd -3, in frames of an extent, an AMD EPYC with
 * 512 KiB of L2:
 *
 *				this		zstd's tables	both halved
 *	libraries	0.76  1.027	0.80  1.029	0.73  1.048
 *	a tree of files	0.71  1.001	0.73  1.001	0.62  1.005
 *	a log		0.75  1.008	0.74  1.009	0.67  1.046
 *	a database	0.60  1.006	0.74  1.000	0.56  1.016
 */
int frame_encoder_new(int level, struct frame_encoder **ret, struct error **err);
void frame_encoder_free(struct frame_encoder *e);
DEFINE_CLEANUP(struct frame_encoder *, frame_encoder_free)

/* Room that is enough for any len bytes, compressed. */
size_t frame_bound(size_t len);

/* Compresses data into out, of frame_bound(len) bytes or more. */
int frame_encode(struct frame_encoder *e, void *out, size_t out_cap, const void *data, size_t len,
		 size_t *ret_len, struct error **err);
/* Appends the frame. */
int frame_append(struct frame_encoder *e, const void *data, size_t len, struct buf *ret, struct error **err);

/* Writes the magic and length that precede the content of a skippable frame. */
void frame_skippable_header(uint8_t out[FRAME_SKIPPABLE_HEADER_SIZE], uint32_t magic, uint32_t len);

/* ---- inspecting frames; nothing in them is trusted ---- */

/* Whether these are the first 4 bytes of a frame of any kind, and of a skippable one. */
bool frame_begins(const uint8_t p[FRAME_MAGIC_SIZE]);
bool frame_begins_skippable(const uint8_t p[FRAME_MAGIC_SIZE]);

/*
 * The content size that the frame at data claims; len bytes of it are there.  The two values that are no
 * size are larger than any limit.
 */
#define FRAME_CONTENT_UNKNOWN UINT64_MAX       /* it does not say */
#define FRAME_CONTENT_INVALID (UINT64_MAX - 1) /* no frame, or its header is not complete */
uint64_t frame_content(const void *data, size_t len);
/* So many bytes hold the header of any frame. */
#define FRAME_HEADER_MAX 18u

/* How long the frame itself is: 1 and *ret; 0: not all of it is there; ERR_CORRUPT: it is damaged. */
int frame_length(const void *data, size_t len, uint64_t *ret);

/* ---- unpacking frames ---- */

/* A decompressor with its memory, for one thread at a time. */
struct frame_decoder;

int frame_decoder_new(struct frame_decoder **ret, struct error **err);
void frame_decoder_free(struct frame_decoder *d);
DEFINE_CLEANUP(struct frame_decoder *, frame_decoder_free)

/*
 * Unpacks the frame, checks its checksum, and writes at most out_cap bytes.  If d is NULL, memory is
 * allocated for this call only.  ERR_CORRUPT, or -ENOMEM if the data is not at fault; the message is zstd's,
 * and the caller adds which frame it is.
 */
int frame_decode(struct frame_decoder *d, void *out, size_t out_cap, const void *data, size_t len,
		 size_t *ret_len, struct error **err);

/*
 * The same a block at a time, to stop where no more is needed.  The checksum is only checked at the end of
 * the frame: until then the caller must have sums of its own.
 *
 *	frame_decode_begin(d, out, out_cap)
 *	frame_decode_step(d, data, len, &taken, err)	// until 0, or frame_decode_done() will do
 */
void frame_decode_begin(struct frame_decoder *d, void *out, size_t out_cap);
/*
 * Takes up to one block of the packed bytes that come next; out must stay as it is.  1: more is to come; 0:
 * the frame has ended; errors as frame_decode().
 */
int frame_decode_step(struct frame_decoder *d, const void *data, size_t len, size_t *ret_taken,
		      struct error **err);
/* Bytes that are unpacked so far. */
size_t frame_decode_done(const struct frame_decoder *d);
/* Packed bytes that the next step takes, if they are there. */
size_t frame_decode_wants(const struct frame_decoder *d);

/* One of these two codes for an error code of zstd; for input-zstd.c. */
int frame_error(size_t code);

#endif
