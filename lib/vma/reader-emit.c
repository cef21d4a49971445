/* What a checked extent holds goes to the sink, in pieces as large as can be. */
#include "vma/reader-internal.h"

/* Blocks that follow each other on the disk, and in the extent if they are stored. */
struct run {
	uint8_t dev; /* 0: empty */
	bool is_zero;
	uint64_t offset, len;
	const uint8_t *data;
};

static int flush(const struct vma_reader *r, struct run *run, struct error **err)
{
	struct run done = *run;

	run->dev = 0;
	if (!done.dev)
		return 0;
	if (!done.is_zero)
		return r->sink->data(r->opaque, done.dev, done.offset, done.data, (size_t)done.len, err);
	if (!r->sink->zero)
		return 0;
	return r->sink->zero(r->opaque, done.dev, done.offset, done.len, err);
}

static int add(const struct vma_reader *r, struct run *run, const struct run *more, struct error **err)
{
	int s = 0;

	if (run->dev == more->dev && run->is_zero == more->is_zero &&
	    run->offset + run->len == more->offset && (run->is_zero || run->data + run->len == more->data)) {
		run->len += more->len;
		return 0;
	}
	s = flush(r, run, err);
	*run = *more;
	return s;
}

/* The blocks from i on that are stored as block i is, or not. */
static unsigned same_blocks(uint16_t mask, unsigned i)
{
	unsigned n = 1;

	while (i + n < VMA_CLUSTER_BLOCKS && (mask >> (i + n) & 1) == (mask >> i & 1))
		n++;
	return n;
}

static int emit_cluster(const struct vma_reader *r, const struct vma_block_info *b, const uint8_t *data,
			struct run *run, struct error **err)
{
	uint32_t len = vma_cluster_len(r->hdr.devices[b->dev].size, b->cluster);
	int s = 0;

	for (unsigned i = 0, n; s == 0 && i * VMA_BLOCK_SIZE < len; i += n) {
		uint32_t at = i * VMA_BLOCK_SIZE, size;
		bool stored = b->mask >> i & 1;

		n = same_blocks(b->mask, i);
		size = n * VMA_BLOCK_SIZE < len - at ? n * VMA_BLOCK_SIZE : len - at;
		s = add(r, run,
			&(struct run){ .dev = b->dev,
				       .is_zero = !stored,
				       .offset = (uint64_t)b->cluster * VMA_CLUSTER_SIZE + at,
				       .len = size,
				       .data = data },
			err);
		if (stored)
			data += (size_t)n * VMA_BLOCK_SIZE;
	}
	return s;
}

int reader_emit(const struct vma_reader *r, const struct span *s, struct error **err)
{
	struct run run = { 0 };
	const uint8_t *at = s->at;
	int result = 0;

	while (at < s->end && result == 0) {
		const uint8_t *header = at;

		at += VMA_EXTENT_HEADER_SIZE;
		for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT && result == 0; i++) {
			struct vma_block_info b = vma_block_info_decode(header, i);

			if (b.dev)
				result = emit_cluster(r, &b, at, &run, err);
			at += (size_t)__builtin_popcount(b.mask) * VMA_BLOCK_SIZE;
		}
	}
	return result < 0 ? result : flush(r, &run, err);
}
