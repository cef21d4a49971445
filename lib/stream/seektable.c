#include "stream/seektable.h"

#include "stream/bytes.h"
#include "stream/frame.h"
#include "stream/varint.h"

#define CHUNK_ENTRIES 4096

int seektable_add(struct seektable_writer *t, uint64_t compressed, uint64_t decompressed, struct error **err)
{
	if (t->frames == SEEKTABLE_MAX_FRAMES)
		return error_set(err, ERR_UNSUPPORTED,
				 "the archive has more than the %u frames a seek table can hold",
				 SEEKTABLE_MAX_FRAMES);
	varint_add(&t->sizes, compressed);
	varint_add(&t->sizes, decompressed);
	t->frames++;
	return 0;
}

static int write_head(const struct seektable_writer *t, struct output *o, struct error **err)
{
	uint8_t head[FRAME_SKIPPABLE_HEADER_SIZE];

	frame_skippable_header(head, FRAME_SKIPPABLE_SEEK_TABLE,
			       t->frames * SEEKTABLE_ENTRY_SIZE + SEEKTABLE_FOOTER_SIZE);
	return output_write(o, head, sizeof(head), err);
}

static int write_footer(const struct seektable_writer *t, struct output *o, struct error **err)
{
	uint8_t footer[SEEKTABLE_FOOTER_SIZE] = { 0 };

	put_le32(footer, t->frames);
	put_le32(footer + 5, SEEKTABLE_MAGIC);
	return output_write(o, footer, sizeof(footer), err);
}

/* Writes the next n entries. */
static int write_chunk(const uint8_t **at, const uint8_t *end, uint32_t n, struct output *o,
		       struct error **err)
{
	uint8_t out[CHUNK_ENTRIES * SEEKTABLE_ENTRY_SIZE];
	uint64_t compressed = 0, decompressed = 0;

	for (uint32_t i = 0; i < n; i++) {
		varint_get(at, end, &compressed);
		varint_get(at, end, &decompressed);
		put_le32(out + SEEKTABLE_ENTRY_SIZE * i, (uint32_t)compressed);
		put_le32(out + SEEKTABLE_ENTRY_SIZE * i + 4, (uint32_t)decompressed);
	}
	return output_write(o, out, (size_t)n * SEEKTABLE_ENTRY_SIZE, err);
}

int seektable_write(const struct seektable_writer *t, struct output *o, struct error **err)
{
	const uint8_t *at = (const uint8_t *)t->sizes.data, *end = at + t->sizes.len;
	uint32_t left = t->frames;
	int r = write_head(t, o, err);

	while (r == 0 && left) {
		uint32_t n = left < CHUNK_ENTRIES ? left : CHUNK_ENTRIES;

		r = write_chunk(&at, end, n, o, err);
		left -= n;
	}
	return r < 0 ? r : write_footer(t, o, err);
}

void seektable_writer_clear(struct seektable_writer *t)
{
	buf_clear(&t->sizes);
	t->frames = 0;
}
