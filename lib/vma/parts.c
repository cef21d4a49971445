#include "vma/parts.h"

#include <string.h>
#include <xxhash.h>

#include "stream/bytes.h"

static unsigned count_parts(size_t len)
{
	return (unsigned)(len / VMA_PART_SIZE + (len % VMA_PART_SIZE != 0));
}

static uint32_t sum_part(const uint8_t *content, size_t len, unsigned i)
{
	const size_t at = (size_t)i * VMA_PART_SIZE;

	return (uint32_t)XXH3_64bits(content + at, len - at < VMA_PART_SIZE ? len - at : VMA_PART_SIZE);
}

size_t vma_parts_encode(uint8_t out[VMA_PARTS_SIZE(VMA_PARTS_MAX)], const uint8_t *content, size_t len)
{
	const unsigned n = count_parts(len);
	uint8_t *p = out + FRAME_SKIPPABLE_HEADER_SIZE;

	memset(out, 0, VMA_PARTS_HEAD);
	frame_skippable_header(out, FRAME_SKIPPABLE_VMA_PARTS,
			       VMA_PARTS_SIZE(n) - FRAME_SKIPPABLE_HEADER_SIZE);
	memcpy(p, VMA_PARTS_TEXT, 8);
	put_le16(p + 8, VMA_PARTS_VERSION);
	put_le16(p + 10, VMA_PARTS_LOG);
	for (unsigned i = 0; i < n; i++)
		put_le32(out + VMA_PARTS_SIZE(i), sum_part(content, len, i));
	return VMA_PARTS_SIZE(n);
}

bool vma_parts_decode(const uint8_t *frame, size_t len, size_t content, struct vma_parts *ret)
{
	const uint8_t *p = frame + FRAME_SKIPPABLE_HEADER_SIZE;
	const unsigned n = count_parts(content);

	ret->n = 0;
	if (n > VMA_PARTS_MAX || len != VMA_PARTS_SIZE(n) || get_le32(frame) != FRAME_SKIPPABLE_VMA_PARTS ||
	    get_le32(frame + 4) != len - FRAME_SKIPPABLE_HEADER_SIZE || memcmp(p, VMA_PARTS_TEXT, 8) != 0 ||
	    get_le16(p + 8) != VMA_PARTS_VERSION || get_le16(p + 10) != VMA_PARTS_LOG)
		return false;
	for (unsigned i = 0; i < n; i++)
		ret->sums[i] = get_le32(frame + VMA_PARTS_SIZE(i));
	ret->n = n;
	return true;
}

bool vma_part_is_right(const struct vma_parts *p, unsigned i, const uint8_t *content, size_t len)
{
	return i < p->n && sum_part(content, len, i) == p->sums[i];
}
