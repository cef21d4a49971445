/* Building the index while the archive is written. */
#include <string.h>

#include "stream/bytes.h"
#include "stream/varint.h"
#include "vma/index.h"

void vma_index_writer_init(struct vma_index_writer *w, const uint8_t uuid[VMA_UUID_SIZE])
{
	*w = (struct vma_index_writer){ .part_max = VMA_INDEX_PART_MAX, .held_max = VMA_INDEX_HELD_MAX };
	memcpy(w->uuid, uuid, VMA_UUID_SIZE);
}

void vma_index_writer_clear(struct vma_index_writer *w)
{
	buf_clear(&w->part);
	buf_clear(&w->held);
	buf_clear(&w->held_sizes);
	buf_clear(&w->part_counts);
	buf_clear(&w->part_frames);
}

static void add_run(struct vma_index_writer *w, uint64_t key, uint32_t n)
{
	uint8_t dev = (uint8_t)(key >> 32);
	uint32_t first = (uint32_t)key;
	bool other = dev != w->dev;

	varint_add(&w->part, (uint64_t)(n - 1) << 1 | other);
	if (other)
		buf_addc(&w->part, (char)dev);
	varint_add(&w->part, varint_zigzag((int64_t)first - (int64_t)w->expected[dev]));
	w->dev = dev;
	w->expected[dev] = first + n;
}

/* How many of the keys follow each other from the first one on. */
static unsigned run_length(const uint64_t *keys, unsigned n)
{
	unsigned i = 1;

	while (i < n && keys[i] == keys[0] + i)
		i++;
	return i;
}

static unsigned count_runs(const uint64_t *keys, unsigned n)
{
	unsigned runs = 0;

	for (unsigned i = 0; i < n; i += run_length(keys + i, n - i))
		runs++;
	return runs;
}

int vma_index_add(struct vma_index_writer *w, uint64_t frame, const uint64_t *keys, unsigned n,
		  struct frame_encoder *e, struct error **err)
{
	varint_add(&w->part, frame - w->last_frame);
	varint_add(&w->part, count_runs(keys, n));
	for (unsigned i = 0, len; i < n; i += len) {
		len = run_length(keys + i, n - i);
		add_run(w, keys[i], len);
	}
	w->last_frame = frame;
	w->clusters += n;
	return w->part.len < w->part_max ? 0 : vma_index_seal(w, e, err);
}

static void add_content_header(const struct vma_index_writer *w, uint16_t kind, size_t packed,
			       struct buf *ret)
{
	uint8_t out[FRAME_SKIPPABLE_HEADER_SIZE + VMA_INDEX_CONTENT_HEADER_SIZE] = { 0 };
	uint8_t *content = out + FRAME_SKIPPABLE_HEADER_SIZE;

	frame_skippable_header(out, FRAME_SKIPPABLE_VMA_INDEX,
			       (uint32_t)(VMA_INDEX_CONTENT_HEADER_SIZE + packed));
	memcpy(content, VMA_INDEX_MAGIC, 8);
	put_le16(content + 8, VMA_INDEX_VERSION);
	put_le16(content + 10, kind);
	memcpy(content + 16, w->uuid, VMA_UUID_SIZE);
	buf_add(ret, out, sizeof(out));
}

/* Appends the skippable frame that holds the payload. */
static int pack_index_frame(const struct vma_index_writer *w, uint16_t kind, const struct buf *payload,
			    struct frame_encoder *e, struct buf *ret, struct error **err)
{
	_cleanup_buf_ struct buf packed = BUF_INIT;
	int r = frame_append(e, payload->data, payload->len, &packed, err);

	if (r < 0)
		return r;
	add_content_header(w, kind, packed.len, ret);
	buf_add(ret, packed.data, packed.len);
	return 0;
}

int vma_index_seal(struct vma_index_writer *w, struct frame_encoder *e, struct error **err)
{
	size_t before = w->held.len, size;
	int r;

	if (!w->part.len)
		return 0;
	r = pack_index_frame(w, VMA_INDEX_PART, &w->part, e, &w->held, err);
	if (r < 0)
		return r;
	size = w->held.len - before;
	buf_add(&w->held_sizes, &size, sizeof(size));
	buf_add(&w->part_counts, &w->clusters, sizeof(w->clusters));
	buf_reset(&w->part);
	w->clusters = 0;
	w->last_frame = 0;
	w->dev = 0;
	memset(w->expected, 0, sizeof(w->expected));
	return 0;
}

const void *vma_index_held(const struct vma_index_writer *w, size_t i, size_t *ret_len)
{
	size_t offset = 0, size = 0;

	if (i >= w->held_sizes.len / sizeof(size))
		return NULL;
	for (size_t k = 0; k <= i; k++) {
		offset += size;
		memcpy(&size, w->held_sizes.data + k * sizeof(size), sizeof(size));
	}
	*ret_len = size;
	return w->held.data + offset;
}

void vma_index_written(struct vma_index_writer *w, uint64_t first_frame, unsigned step)
{
	size_t n = w->held_sizes.len / sizeof(size_t);

	for (size_t i = 0; i < n; i++) {
		uint64_t frame = first_frame + i * step;

		buf_add(&w->part_frames, &frame, sizeof(frame));
	}
	buf_reset(&w->held);
	buf_reset(&w->held_sizes);
}

static uint64_t u64_at(const struct buf *b, size_t i)
{
	uint64_t value;

	memcpy(&value, b->data + i * sizeof(value), sizeof(value));
	return value;
}

static void add_parts(const struct vma_index_writer *w, struct buf *payload)
{
	size_t n = w->part_frames.len / sizeof(uint64_t);
	uint64_t last = 0;

	varint_add(payload, n);
	for (size_t i = 0; i < n; i++) {
		uint64_t frame = u64_at(&w->part_frames, i);

		varint_add(payload, frame - last);
		varint_add(payload, u64_at(&w->part_counts, i));
		last = frame;
	}
}

static void add_devices(const struct vma_header *hdr, const struct vma_index_device *devices,
			struct buf *payload)
{
	unsigned n = 0;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		n += hdr->devices[i].name != NULL;
	varint_add(payload, n);
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		if (!hdr->devices[i].name)
			continue;
		buf_addc(payload, (char)i);
		varint_add(payload, devices[i].data_bytes);
		varint_add(payload, devices[i].zero_bytes);
	}
}

int vma_index_root(struct vma_index_writer *w, const struct vma_header *hdr, uint64_t vma_size,
		   const struct vma_index_device devices[VMA_MAX_DEVICES + 1], struct frame_encoder *e,
		   struct buf *ret, struct error **err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT, header = BUF_INIT;

	vma_header_encode(hdr, &header);
	varint_add(&payload, header.len);
	buf_add(&payload, header.data, header.len);
	varint_add(&payload, vma_size);
	add_devices(hdr, devices, &payload);
	add_parts(w, &payload);
	return pack_index_frame(w, VMA_INDEX_ROOT, &payload, e, ret, err);
}
