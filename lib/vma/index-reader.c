/* The parts of the index: unpacking and walking them. */
#include <string.h>

#include "stream/bytes.h"
#include "stream/frame.h"
#include "stream/varint.h"
#include "vma/index.h"

#define CONTENT (FRAME_SKIPPABLE_HEADER_SIZE + VMA_INDEX_CONTENT_HEADER_SIZE)

static int part_is_malformed(const char *text, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "index: %s", text);
}

static int check_content(const uint8_t *frame, size_t len, const uint8_t uuid[VMA_UUID_SIZE], uint16_t kind,
			 struct error **err)
{
	const uint8_t *content = frame + FRAME_SKIPPABLE_HEADER_SIZE;

	if (len < CONTENT || get_le32(frame) != FRAME_SKIPPABLE_VMA_INDEX ||
	    get_le32(frame + 4) != len - FRAME_SKIPPABLE_HEADER_SIZE ||
	    memcmp(content, VMA_INDEX_MAGIC, 8) != 0)
		return part_is_malformed("a part of it does not begin as one", err);
	if (get_le16(content + 8) != VMA_INDEX_VERSION || get_le16(content + 10) != kind)
		return part_is_malformed("a part of it has an unknown version or kind", err);
	if (memcmp(content + 16, uuid, VMA_UUID_SIZE) != 0)
		return part_is_malformed("its uuid is that of another archive", err);
	return 0;
}

int vma_index_unpack(const uint8_t *frame, size_t len, const uint8_t uuid[VMA_UUID_SIZE], uint16_t kind,
		     struct buf *ret, struct error **err)
{
	uint64_t size;
	size_t n;
	int r = check_content(frame, len, uuid, kind, err);

	if (r < 0)
		return r;
	size = frame_content(frame + CONTENT, len - CONTENT);
	if (size > VMA_INDEX_UNPACKED_MAX) /* also if it does not say */
		return part_is_malformed("a part of it is too large or does not say its size", err);
	r = frame_decode(NULL, buf_reserve(ret, (size_t)size), (size_t)size, frame + CONTENT, len - CONTENT,
			 &n, err);
	if (r < 0)
		return error_wrap(err, r, "index");
	buf_added(ret, n);
	return 0;
}

int vma_index_header(const uint8_t **at, const uint8_t *end, const uint8_t uuid[VMA_UUID_SIZE],
		     struct vma_header *ret, struct error **err)
{
	uint64_t len;
	int r;

	if (!varint_get(at, end, &len) || len > (uint64_t)(end - *at))
		return part_is_malformed("it is cut off", err);
	r = vma_header_decode(*at, (size_t)len, ret, err);
	if (r < 0)
		return error_wrap(err, r, "index");
	*at += len;
	if (memcmp(ret->uuid, uuid, VMA_UUID_SIZE) == 0)
		return 0;
	vma_header_clear(ret);
	return part_is_malformed("its uuid is that of another archive", err);
}

static int next_record(struct vma_index_cursor *c, struct error **err)
{
	uint64_t delta;

	if (!varint_get(&c->at, c->end, &delta) || !varint_get(&c->at, c->end, &c->runs))
		return part_is_malformed("it is cut off", err);
	c->frame += delta;
	return 1;
}

int vma_index_next(struct vma_index_cursor *c, struct vma_index_run *ret, struct error **err)
{
	uint64_t tag, distance, first, n;

	while (!c->runs) {
		if (c->at == c->end)
			return 0;
		if (next_record(c, err) < 0)
			return ERR_CORRUPT;
	}
	c->runs--;
	if (!varint_get(&c->at, c->end, &tag) || ((tag & 1) && c->at == c->end))
		return part_is_malformed("it is cut off", err);
	if (tag & 1)
		c->dev = *c->at++;
	if (!varint_get(&c->at, c->end, &distance))
		return part_is_malformed("it is cut off", err);
	first = c->expected[c->dev] + (uint64_t)varint_unzigzag(distance);
	n = (tag >> 1) + 1;
	if (first > UINT32_MAX || n > UINT32_MAX || first + n > UINT32_MAX)
		return part_is_malformed("it names clusters that no disk has", err);
	c->expected[c->dev] = (uint32_t)(first + n);
	*ret = (struct vma_index_run){ .frame = c->frame, .dev = c->dev, .first = first, .n = n };
	return 1;
}
