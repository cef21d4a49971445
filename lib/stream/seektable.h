/*
 * The seek table of zstd's seekable format (contrib/seekable_format in zstd's sources): the last
 * frame of a file, skippable, little-endian:
 *
 *	table  := magic u32 = 0x184D2A5E  length u32  entry*  footer
 *	entry  := compressed_size u32  decompressed_size u32
 *	footer := frames u32  descriptor u8  magic u32 = 0x8F92EAB1
 *
 * One entry for each frame before it, skippable ones included (decompressed size 0).  Bit 7 of the
 * descriptor says that entries end with a checksum; ours do not, our frames have their own.
 */
#ifndef VZDUMP_STREAM_SEEKTABLE_H
#define VZDUMP_STREAM_SEEKTABLE_H

#include <stdint.h>

#include "base/buf.h"
#include "stream/output.h"

#define SEEKTABLE_MAGIC       UINT32_C(0x8F92EAB1)
#define SEEKTABLE_ENTRY_SIZE  8
#define SEEKTABLE_FOOTER_SIZE 9
#define SEEKTABLE_MAX_FRAMES  UINT32_C(0x8000000) /* the limit of zstd's own reader */

/* Collects the sizes, in about six bytes of memory for each frame.  All zero at first. */
struct seektable_writer {
	struct buf sizes; /* varints, two for each frame */
	uint32_t frames;
};

/* Adds a frame of these sizes in bytes.  ERR_UNSUPPORTED: the format has no room for it. */
int seektable_add(struct seektable_writer *t, uint64_t compressed, uint64_t decompressed, struct error **err);
/* Writes the table, once all frames before it have been added. */
int seektable_write(const struct seektable_writer *t, struct output *o, struct error **err);
void seektable_writer_clear(struct seektable_writer *t);

#endif
