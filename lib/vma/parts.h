/*
 * Sums of the parts of a frame: behind each frame that stores something, in an archive that belongs to no
 * chain, stands a skippable one with a sum for each 256 KiB of what it holds, unpacked.  So a reader of
 * single places can stop unpacking behind what it wants and still hands out nothing that is damaged: zstd's
 * own checksum stands at the end of the frame.  Little-endian:
 *
 *	parts   := magic u32 = 0x184D2A5D  length u32  content
 *	content := "VMAPARTS"  version u16 = 1  log u16 = 18  0 u32  sum u32{n}
 *
 * sum is the low half of XXH3 with 64 bits over the next 2^log bytes; the last part may be shorter.  Who does
 * not know the version, or finds another number of sums, unpacks the frame to its end.
 */
#ifndef VZDUMP_VMA_PARTS_H
#define VZDUMP_VMA_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/frame.h"
#include "vma/format.h"

#define VMA_PARTS_TEXT    "VMAPARTS"
#define VMA_PARTS_VERSION 1
#define VMA_PARTS_LOG     18
#define VMA_PART_SIZE     (1u << VMA_PARTS_LOG)
#define VMA_PARTS_MAX     (VMA_EXTENT_MAX_SIZE / VMA_PART_SIZE + 1)
#define VMA_PARTS_HEAD    (FRAME_SKIPPABLE_HEADER_SIZE + 16u)
/* The size of the skippable frame with n sums. */
#define VMA_PARTS_SIZE(n) (VMA_PARTS_HEAD + 4u * (n))

struct vma_parts {
	unsigned n; /* 0: there are none */
	uint32_t sums[VMA_PARTS_MAX];
};

/* Writes the skippable frame for the content of a frame, of an extent at most; returns its size. */
size_t vma_parts_encode(uint8_t out[VMA_PARTS_SIZE(VMA_PARTS_MAX)], const uint8_t *content, size_t len);
/* Reads it; false: it is not what belongs to a frame with that content. */
bool vma_parts_decode(const uint8_t *frame, size_t len, size_t content, struct vma_parts *ret);
/* Whether the i-th part of the content is right; len is that of the whole content. */
bool vma_part_is_right(const struct vma_parts *p, unsigned i, const uint8_t *content, size_t len);

#endif
