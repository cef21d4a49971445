#include "vma/writer-build.h"

#include <string.h>

#include "vma/writer-pack.h"

void build_begin(struct build *b, uint8_t *room)
{
	b->room = room;
	b->len = 0;
	b->dev = 0;
	b->trailer.n = 0;
}

static uint8_t *blocks_end(const struct build *b)
{
	return b->room + VMA_EXTENT_HEADER_SIZE + b->len;
}

/* Entries ascend; clusters mostly come in order. */
static void note_cluster(struct build *b, const struct vma_trailer_entry *e)
{
	struct vma_trailer *t = &b->trailer;
	unsigned i = t->n;

	b->dev = (uint8_t)(e->key >> 32);
	b->infos[t->n++] =
		(struct vma_block_info){ .mask = e->mask, .dev = b->dev, .cluster = (uint32_t)e->key };
	for (; i && t->entries[i - 1].key > e->key; i--)
		t->entries[i] = t->entries[i - 1];
	t->entries[i] = *e;
}

void build_add(struct build *b, const struct vma_trailer_entry *e, const uint8_t *cluster)
{
	uint8_t *start = blocks_end(b);

	b->len += (size_t)(pack_blocks(start, cluster, e->mask) - start);
	note_cluster(b, e);
}

void build_add_blocks(struct build *b, const struct vma_trailer_entry *e, const uint8_t *blocks)
{
	const size_t len = (size_t)__builtin_popcount(e->mask) * VMA_BLOCK_SIZE;

	memcpy(blocks_end(b), blocks, len);
	b->len += len;
	note_cluster(b, e);
}

size_t build_finish(struct build *b, const uint8_t uuid[VMA_UUID_SIZE])
{
	const unsigned n = b->trailer.n;

	memset(b->infos + n, 0, (VMA_CLUSTERS_PER_EXTENT - n) * sizeof(*b->infos));
	vma_extent_header_encode(b->room, uuid, b->infos);
	return VMA_EXTENT_HEADER_SIZE + b->len;
}
