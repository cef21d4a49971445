/*
 * Archives of a chain, written by the grammar in vma/chain.h alone, so that a test can also write wrong ones.
 * Clusters of each disk come in order, some in each frame; zeroes follow the data of their disk.
 */
#ifndef VZDUMP_TESTS_VMA_CHAINED_H
#define VZDUMP_TESTS_VMA_CHAINED_H

#include <sys/mman.h>
#include <unistd.h>

#include "stream/seektable.h"
#include "vma/chain.h"
#include "vma/index.h"
#include "vma/trailer.h"

#include "tap.h"
#include "vma-disks.h"

struct chained {
	const struct vma_header *hdr; /* with disks[i] as device i + 1 */
	const struct vma_chain *chain;
	const struct disk *disks;
	unsigned n_disks;
	unsigned per_frame; /* clusters of a data frame */
	/* May change what the trailer of a frame says, or the extent before it is packed; may be NULL. */
	void (*alter_trailer)(uint64_t frame, struct vma_trailer *t);
	void (*alter_extent)(uint64_t frame, uint8_t *extent);

	/* The writer's own: */
	struct buf file;
	uint64_t frames, vma_size;
	struct vma_index_device totals[VMA_MAX_DEVICES + 1];
	struct vma_index_writer index;
	struct seektable_writer table;
	struct frame_encoder *encoder;
};

static inline void chained_count_frame(struct chained *c, size_t before, size_t content)
{
	seektable_add(&c->table, c->file.len - before, content, NULL);
	c->vma_size += content;
	c->frames++;
}

static inline void chained_add_frame(struct chained *c, const void *content, size_t len)
{
	const size_t before = c->file.len;

	frame_append(c->encoder, content, len, &c->file, NULL);
	chained_count_frame(c, before, len);
}

static inline void chained_add_raw(struct chained *c, const void *frame, size_t len)
{
	const size_t before = c->file.len;

	buf_add(&c->file, frame, len);
	chained_count_frame(c, before, 0);
}

static inline void chained_add_pad(struct chained *c)
{
	const size_t len = vma_pad_size(c->file.len, 8, c->chain->align);
	_cleanup_free_ uint8_t *pad = xmalloc(len);

	vma_pad_encode(pad, len);
	chained_add_raw(c, pad, len);
}

static inline void chained_add_trailer(struct chained *c, uint64_t frame, struct vma_trailer *t)
{
	const size_t len = vma_pad_size(c->file.len, vma_trailer_size(t->n), c->chain->align);
	_cleanup_free_ uint8_t *out = xmalloc(len);

	if (c->alter_trailer)
		c->alter_trailer(frame, t);
	vma_trailer_encode(out, len, t);
	chained_add_raw(c, out, len);
}

/* Adds the cluster to the extent if it has the wanted content; false: it has the other one. */
static inline bool chained_add_cluster(struct chained *c, unsigned disk, uint32_t cluster, bool zero,
				       struct vma_block_info *info, struct buf *blocks, struct vma_trailer *t)
{
	const struct disk *d = &c->disks[disk];
	const uint32_t len = vma_cluster_len(d->size, cluster);
	uint8_t whole[VMA_CLUSTER_SIZE] = { 0 };
	unsigned mask = 0;

	memcpy(whole, d->data + (uint64_t)cluster * VMA_CLUSTER_SIZE, len);
	if (io_is_zero(whole, sizeof(whole)) != zero)
		return false;
	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS; i++)
		if (!io_is_zero(whole + (size_t)i * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE)) {
			mask |= 1u << i;
			buf_add(blocks, whole + (size_t)i * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE);
		}
	*info = (struct vma_block_info){ .mask = (uint16_t)mask,
					 .dev = (uint8_t)(disk + 1),
					 .cluster = cluster };
	t->entries[t->n].key = vma_cluster_key(info->dev, cluster);
	t->entries[t->n].mask = info->mask;
	vma_hash_cluster(&c->chain->secret, whole, t->entries[t->n].hash);
	c->totals[info->dev].data_bytes += vma_stored_bytes(info->mask, len);
	c->totals[info->dev].zero_bytes += len - vma_stored_bytes(info->mask, len);
	return true;
}

/* Writes up to so many clusters, from *at on, as a frame with what follows it. */
static inline void chained_add_extent(struct chained *c, unsigned disk, uint32_t *at, bool zero, unsigned max)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { 0 };
	_cleanup_buf_ struct buf extent = BUF_INIT;
	struct vma_trailer t = { 0 };
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	const uint64_t frame = c->frames;

	buf_added(&extent, (buf_reserve(&extent, VMA_EXTENT_HEADER_SIZE), VMA_EXTENT_HEADER_SIZE));
	for (; t.n < max && *at < vma_clusters(c->disks[disk].size); ++*at)
		if (chained_add_cluster(c, disk, *at, zero, &infos[t.n], &extent, &t)) {
			keys[t.n] = t.entries[t.n].key;
			t.n++;
		}
	if (!t.n)
		return;
	vma_extent_header_encode((uint8_t *)extent.data, c->hdr->uuid, infos);
	if (c->alter_extent)
		c->alter_extent(frame, (uint8_t *)extent.data);
	chained_add_frame(c, extent.data, extent.len);
	if (zero) {
		chained_add_pad(c);
		return;
	}
	vma_index_add(&c->index, frame, keys, t.n, c->encoder, NULL);
	chained_add_trailer(c, frame, &t);
}

static inline void chained_add_disk(struct chained *c, unsigned disk)
{
	for (unsigned zero = 0; zero < 2; zero++)
		for (uint32_t at = 0; at < vma_clusters(c->disks[disk].size);)
			chained_add_extent(c, disk, &at, zero, zero ? VMA_CLUSTERS_PER_EXTENT : c->per_frame);
}

static inline void chained_add_end(struct chained *c)
{
	const uint64_t first = c->frames;
	_cleanup_buf_ struct buf chain = BUF_INIT, root = BUF_INIT;
	const void *part;
	size_t len;

	vma_index_seal(&c->index, c->encoder, NULL);
	for (size_t i = 0; (part = vma_index_held(&c->index, i, &len)); i++)
		chained_add_raw(c, part, len);
	vma_index_written(&c->index, first, 1);
	vma_chain_encode(c->chain, c->hdr->uuid, c->encoder, &chain, NULL);
	chained_add_raw(c, chain.data, chain.len);
	vma_index_root(&c->index, c->hdr, c->vma_size, c->totals, c->encoder, &root, NULL);
	chained_add_raw(c, root.data, root.len);
}

/* Returns a descriptor of the archive, at its beginning; the members down to alter_extent are set. */
static inline int chained_write(struct chained *c)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	_cleanup_buf_ struct buf header = BUF_INIT;
	struct output *o = NULL;

	frame_encoder_new(0, &c->encoder, NULL);
	vma_index_writer_init(&c->index, c->hdr->uuid);
	vma_header_encode(c->hdr, &header);
	chained_add_frame(c, header.data, header.len);
	chained_add_pad(c);
	for (unsigned i = 0; i < c->n_disks; i++)
		chained_add_disk(c, i);
	chained_add_end(c);
	if (fd < 0 || output_plain_new(fd, &o, NULL) < 0 ||
	    output_write(o, c->file.data, c->file.len, NULL) < 0 || seektable_write(&c->table, o, NULL) < 0 ||
	    output_finish(o, NULL) < 0 || lseek(fd, 0, SEEK_SET) != 0)
		diag("cannot write an archive");
	output_free(o);
	buf_clear(&c->file);
	frame_encoder_free(c->encoder);
	vma_index_writer_clear(&c->index);
	seektable_writer_clear(&c->table);
	return fd;
}

#endif
