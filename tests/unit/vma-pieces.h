/*
 * Archives that belong to a chain (vma/chain.h), built frame by frame and without the writer, so that a test
 * can also build what no writer makes:
 *
 *	chained_begin(&c, disks, n, align)	// header and its pad
 *	chained_disk(&c, dev, per_frame)	// all of a disk
 *	chained_piece(&c, clusters, n, &piece)	// or a data frame, to change it
 *	chained_put(&c, &piece)
 *	chained_finish(&c)			// c.file is the archive
 *
 * or, after chained_begin(), chained_write(&c, per_frame), which returns a descriptor of it.
 *
 * Everything in it is the same each time.
 */
#ifndef VZDUMP_TESTS_VMA_PIECES_H
#define VZDUMP_TESTS_VMA_PIECES_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/bytes.h"
#include "stream/frame.h"
#include "stream/seektable.h"
#include "vma/chain.h"
#include "vma/index.h"
#include "vma/trailer.h"

#include "vma-disks.h"

/* A data frame before it is written. */
struct chained_piece {
	struct buf extent; /* not packed */
	struct vma_trailer t;
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT]; /* what the index says, ascending */
	unsigned n_keys;
};

struct chained {
	struct vma_header h;
	struct vma_chain chain;
	uint8_t frame_uuid[VMA_UUID_SIZE]; /* of extents, the archive's unless a test changes it */
	uint8_t chain_uuid[VMA_UUID_SIZE]; /* of the chain frame, likewise */
	struct disk disks[VMA_MAX_DEVICES + 1];
	struct vma_index_device totals[VMA_MAX_DEVICES + 1];
	struct vma_index_writer index;
	struct frame_encoder *e;
	struct buf file, table;
	uint32_t n_frames;
	uint64_t vma_size;
	bool no_chain; /* leaves the chain frame out */
	/* May change a data frame before it is written; may be NULL. */
	void (*alter)(uint32_t frame, struct chained_piece *p);
};

struct chained_cluster {
	uint8_t dev;
	uint32_t cluster;
};

static inline void chained_clear(struct chained *c)
{
	vma_header_clear(&c->h);
	vma_chain_clear(&c->chain);
	vma_index_writer_clear(&c->index);
	frame_encoder_free(c->e);
	buf_clear(&c->file);
	buf_clear(&c->table);
	*c = (struct chained){ 0 };
}

static inline void chained_piece_clear(struct chained_piece *p)
{
	buf_clear(&p->extent);
}

/* ---- frames ---- */

/* Returns its number. */
static inline uint32_t chained_frame(struct chained *c, const void *data, size_t len, size_t content)
{
	uint8_t entry[SEEKTABLE_ENTRY_SIZE];

	put_le32(entry, (uint32_t)len);
	put_le32(entry + 4, (uint32_t)content);
	buf_add(&c->file, data, len);
	buf_add(&c->table, entry, sizeof(entry));
	return c->n_frames++;
}

static inline void chained_pad(struct chained *c)
{
	size_t len = vma_pad_size(c->file.len, FRAME_SKIPPABLE_HEADER_SIZE, c->chain.align);
	_cleanup_free_ uint8_t *pad = NULL;

	if (c->file.len % c->chain.align == 0)
		return;
	pad = xmalloc(len);
	vma_pad_encode(pad, len);
	chained_frame(c, pad, len, 0);
}

/* One zstd frame of the content. */
static inline uint32_t chained_pack(struct chained *c, const struct buf *content)
{
	_cleanup_buf_ struct buf packed = BUF_INIT;

	if (frame_append(c->e, content->data, content->len, &packed, NULL) < 0)
		abort();
	c->vma_size += content->len;
	return chained_frame(c, packed.data, packed.len, content->len);
}

/* Writes the parts of the index that are held back. */
static inline void chained_parts(struct chained *c)
{
	const uint32_t first = c->n_frames;
	const void *part;
	size_t len;

	for (size_t i = 0; (part = vma_index_held(&c->index, i, &len)); i++)
		chained_frame(c, part, len, 0);
	vma_index_written(&c->index, first, 1);
}

static inline void chained_begin(struct chained *c, const struct disk *disks, unsigned n, uint32_t align)
{
	_cleanup_buf_ struct buf header = BUF_INIT;

	*c = (struct chained){ 0 };
	if (vma_header_init(&c->h, NULL) < 0 || vma_chain_begin(&c->chain, 1700000000, align, NULL) < 0 ||
	    frame_encoder_new(0, &c->e, NULL) < 0)
		abort();
	for (unsigned i = 0; i < 16; i++)
		c->h.uuid[i] = (uint8_t)(0x10 + i);
	memset(c->chain.gen, 0x47, sizeof(c->chain.gen));
	for (unsigned i = 0; i < VMA_SECRET_SIZE; i++)
		c->chain.secret.bytes[i] = (uint8_t)(i * 37 + 11);
	memcpy(c->frame_uuid, c->h.uuid, VMA_UUID_SIZE);
	memcpy(c->chain_uuid, c->h.uuid, VMA_UUID_SIZE);
	c->h.ctime = 1700000000;
	for (unsigned i = 0; i < n; i++) {
		uint8_t dev;

		if (vma_header_add_device(&c->h, disks[i].name, disks[i].size, &dev, NULL) < 0)
			abort();
		c->disks[dev] = disks[i];
	}
	vma_index_writer_init(&c->index, c->h.uuid);
	vma_header_encode(&c->h, &header);
	chained_pack(c, &header);
	chained_pad(c);
}

/* ---- data ---- */

/* The cluster with zeroes behind the end of its disk. */
static inline void chained_content(const struct chained *c, struct chained_cluster at,
				   uint8_t out[VMA_CLUSTER_SIZE])
{
	const struct disk *d = &c->disks[at.dev];

	memset(out, 0, VMA_CLUSTER_SIZE);
	if (d->data && at.cluster < vma_clusters(d->size))
		memcpy(out, d->data + (size_t)at.cluster * VMA_CLUSTER_SIZE,
		       vma_cluster_len(d->size, at.cluster));
}

static inline uint16_t chained_mask(const uint8_t cluster[VMA_CLUSTER_SIZE])
{
	uint16_t mask = 0;

	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS; i++)
		if (!io_is_zero(cluster + (size_t)i * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE))
			mask = (uint16_t)(mask | 1u << i);
	return mask;
}

static inline int chained_compare_entries(const void *a, const void *b)
{
	const struct vma_trailer_entry *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* Makes the data frame of these clusters, which stand in the extent in this order. */
static inline void chained_piece(const struct chained *c, const struct chained_cluster *list, unsigned n,
				 struct chained_piece *p)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { 0 };
	uint8_t head[VMA_EXTENT_HEADER_SIZE], cluster[VMA_CLUSTER_SIZE];

	*p = (struct chained_piece){ .t.n = n, .n_keys = n };
	memset(head, 0, sizeof(head));
	buf_add(&p->extent, head, sizeof(head));
	for (unsigned i = 0; i < n; i++) {
		struct vma_trailer_entry *e = &p->t.entries[i];

		chained_content(c, list[i], cluster);
		*e = (struct vma_trailer_entry){ .key = vma_cluster_key(list[i].dev, list[i].cluster),
						 .mask = chained_mask(cluster) };
		vma_hash_cluster(&c->chain.secret, cluster, e->hash);
		infos[i] = (struct vma_block_info){ e->mask, list[i].dev, list[i].cluster };
		for (unsigned k = 0; k < VMA_CLUSTER_BLOCKS; k++)
			if (e->mask >> k & 1)
				buf_add(&p->extent, cluster + (size_t)k * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE);
	}
	vma_extent_header_encode(head, c->frame_uuid, infos);
	memcpy(p->extent.data, head, sizeof(head));
	qsort(p->t.entries, n, sizeof(p->t.entries[0]), chained_compare_entries);
	for (unsigned i = 0; i < n; i++)
		p->keys[i] = p->t.entries[i].key;
}

/* What the extent stores, whatever the trailer says. */
static inline void chained_count(struct chained *c, const struct chained_piece *p)
{
	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++) {
		const struct vma_block_info b = vma_block_info_decode((const uint8_t *)p->extent.data, i);
		uint32_t len;

		if (b.cluster >= vma_clusters(c->disks[b.dev].size))
			continue;
		len = vma_cluster_len(c->disks[b.dev].size, b.cluster);
		c->totals[b.dev].data_bytes += vma_stored_bytes(b.mask, len);
		c->totals[b.dev].zero_bytes += len - vma_stored_bytes(b.mask, len);
	}
}

/* Writes the frame and its trailer; returns the number of the frame. */
static inline uint32_t chained_put(struct chained *c, const struct chained_piece *p)
{
	uint32_t frame = chained_pack(c, &p->extent);
	size_t len = vma_pad_size(c->file.len, vma_trailer_size(p->t.n), c->chain.align);
	_cleanup_free_ uint8_t *trailer = xmalloc(len);

	vma_trailer_encode(trailer, len, &p->t);
	chained_frame(c, trailer, len, 0);
	chained_count(c, p);
	if (p->n_keys && vma_index_add(&c->index, frame, p->keys, p->n_keys, c->e, NULL) < 0)
		abort();
	if (vma_index_is_full(&c->index)) {
		chained_parts(c);
		chained_pad(c);
	}
	return frame;
}

/* Makes and writes it. */
static inline uint32_t chained_data(struct chained *c, const struct chained_cluster *list, unsigned n)
{
	struct chained_piece p;
	uint32_t frame;

	chained_piece(c, list, n, &p);
	if (c->alter)
		c->alter(c->n_frames, &p);
	frame = chained_put(c, &p);
	chained_piece_clear(&p);
	return frame;
}

/* Writes an extent of zero clusters. */
static inline void chained_zeroes(struct chained *c, const struct chained_cluster *list, unsigned n)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { 0 };
	uint8_t head[VMA_EXTENT_HEADER_SIZE];
	_cleanup_buf_ struct buf extent = BUF_INIT;

	for (unsigned i = 0; i < n; i++) {
		infos[i] = (struct vma_block_info){ 0, list[i].dev, list[i].cluster };
		c->totals[list[i].dev].zero_bytes +=
			vma_cluster_len(c->disks[list[i].dev].size, list[i].cluster);
	}
	vma_extent_header_encode(head, c->frame_uuid, infos);
	buf_add(&extent, head, sizeof(head));
	chained_pack(c, &extent);
	chained_pad(c);
}

/* Writes the clusters of a disk from first on, up to end, in frames of so many. */
static inline void chained_range(struct chained *c, uint8_t dev, uint32_t first, uint32_t end,
				 unsigned per_frame)
{
	struct chained_cluster data[VMA_CLUSTERS_PER_EXTENT], zero[VMA_CLUSTERS_PER_EXTENT];
	uint8_t cluster[VMA_CLUSTER_SIZE];
	unsigned n = 0, zeroes = 0;

	for (uint32_t i = first; i < end; i++) {
		const struct chained_cluster at = { dev, i };

		chained_content(c, at, cluster);
		if (chained_mask(cluster))
			data[n++] = at;
		else
			zero[zeroes++] = at;
		if (n == per_frame || (n && i + 1 == end)) {
			chained_data(c, data, n);
			n = 0;
		}
		if (zeroes == VMA_CLUSTERS_PER_EXTENT || (zeroes && i + 1 == end)) {
			chained_zeroes(c, zero, zeroes);
			zeroes = 0;
		}
	}
}

static inline void chained_disk(struct chained *c, uint8_t dev, unsigned per_frame)
{
	chained_range(c, dev, 0, (uint32_t)vma_clusters(c->disks[dev].size), per_frame);
}

/* ---- the end ---- */

static inline void chained_table(struct chained *c)
{
	uint8_t head[FRAME_SKIPPABLE_HEADER_SIZE], footer[SEEKTABLE_FOOTER_SIZE] = { 0 };

	frame_skippable_header(head, FRAME_SKIPPABLE_SEEK_TABLE, (uint32_t)(c->table.len + sizeof(footer)));
	put_le32(footer, c->n_frames);
	put_le32(footer + 5, SEEKTABLE_MAGIC);
	buf_add(&c->file, head, sizeof(head));
	buf_add(&c->file, c->table.data, c->table.len);
	buf_add(&c->file, footer, sizeof(footer));
}

/* Writes index, chain frame and seek table. */
static inline void chained_finish(struct chained *c)
{
	_cleanup_buf_ struct buf chain = BUF_INIT, root = BUF_INIT;

	c->chain.new_bytes = c->file.len;
	if (vma_index_seal(&c->index, c->e, NULL) < 0)
		abort();
	chained_parts(c);
	if (vma_chain_encode(&c->chain, c->chain_uuid, c->e, &chain, NULL) < 0)
		abort();
	if (!c->no_chain)
		chained_frame(c, chain.data, chain.len, 0);
	if (vma_index_root(&c->index, &c->h, c->vma_size, c->totals, c->e, &root, NULL) < 0)
		abort();
	chained_frame(c, root.data, root.len, 0);
	chained_table(c);
}

/* Where the frame begins, in the file. */
static inline uint64_t chained_offset(const struct chained *c, uint32_t frame)
{
	uint64_t offset = 0;

	for (uint32_t i = 0; i < frame; i++)
		offset += get_le32((const uint8_t *)c->table.data + (size_t)i * SEEKTABLE_ENTRY_SIZE);
	return offset;
}

/* A file in memory with these bytes. */
static inline int chained_open(const void *data, size_t len)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	if (fd < 0 || io_pwrite_all(fd, data, len, 0) < 0)
		abort();
	return fd;
}

/* After chained_begin(): all disks in frames of so many clusters, as such a file; clears *c. */
static inline int chained_write(struct chained *c, unsigned per_frame)
{
	int fd;

	for (unsigned dev = 1; dev <= VMA_MAX_DEVICES && c->disks[dev].data; dev++)
		chained_disk(c, (uint8_t)dev, per_frame);
	chained_finish(c);
	fd = chained_open(c->file.data, c->file.len);
	chained_clear(c);
	return fd;
}

#endif
