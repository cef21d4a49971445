#include "vma/reader-emit.h"

struct emit {
	const struct vma_header *hdr;
	const struct reader_report *rep;
};

/* Blocks that follow each other on the disk, and in the extent if they are stored. */
struct piece {
	uint8_t dev; /* 0: empty */
	bool is_zero;
	uint64_t offset, len;
	const uint8_t *data;
};

static int flush_piece(const struct emit *x, struct piece *piece, struct error **err)
{
	struct piece done = *piece;

	piece->dev = 0;
	if (!done.dev)
		return 0;
	if (!done.is_zero)
		return x->rep->receiver->data(x->rep->opaque, done.dev, done.offset, done.data,
					      (size_t)done.len, err);
	if (!x->rep->receiver->zero)
		return 0;
	return x->rep->receiver->zero(x->rep->opaque, done.dev, done.offset, done.len, err);
}

static int add_piece(const struct emit *x, struct piece *piece, const struct piece *more, struct error **err)
{
	int r = 0;

	if (piece->dev == more->dev && piece->is_zero == more->is_zero &&
	    piece->offset + piece->len == more->offset &&
	    (piece->is_zero || piece->data + piece->len == more->data)) {
		piece->len += more->len;
		return 0;
	}
	r = flush_piece(x, piece, err);
	*piece = *more;
	return r;
}

/* How many blocks from i on are like block i: all stored, or all not stored. */
static unsigned same_blocks(uint16_t mask, unsigned i)
{
	unsigned n = 1;

	while (i + n < VMA_CLUSTER_BLOCKS && (mask >> (i + n) & 1) == (mask >> i & 1))
		n++;
	return n;
}

static int emit_cluster(const struct emit *x, const struct vma_block_info *b, const uint8_t *data,
			struct piece *piece, struct error **err)
{
	uint32_t len = vma_cluster_len(x->hdr->devices[b->dev].size, b->cluster);
	int r = 0;

	for (unsigned i = 0, n; r == 0 && i * VMA_BLOCK_SIZE < len; i += n) {
		uint32_t at = i * VMA_BLOCK_SIZE, size;
		bool stored = b->mask >> i & 1;

		n = same_blocks(b->mask, i);
		size = n * VMA_BLOCK_SIZE < len - at ? n * VMA_BLOCK_SIZE : len - at;
		r = add_piece(x, piece,
			      &(struct piece){ .dev = b->dev,
					       .is_zero = !stored,
					       .offset = (uint64_t)b->cluster * VMA_CLUSTER_SIZE + at,
					       .len = size,
					       .data = data },
			      err);
		if (stored)
			data += (size_t)n * VMA_BLOCK_SIZE;
	}
	return r;
}

int emit_span(const struct vma_header *hdr, const struct reader_report *rep, const struct span *s,
	      struct error **err)
{
	const struct emit x = { .hdr = hdr, .rep = rep };
	struct piece piece = { 0 };
	const uint8_t *at = s->at;
	int r = 0;

	while (at < s->end && r == 0) {
		const uint8_t *header = at;

		at += VMA_EXTENT_HEADER_SIZE;
		for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT && r == 0; i++) {
			struct vma_block_info b = vma_block_info_decode(header, i);

			if (b.dev)
				r = emit_cluster(&x, &b, at, &piece, err);
			at += (size_t)__builtin_popcount(b.mask) * VMA_BLOCK_SIZE;
		}
	}
	return r < 0 ? r : flush_piece(&x, &piece, err);
}
