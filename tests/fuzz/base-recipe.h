/*
 * Archives of a chain by a recipe that a fuzzer writes, since random bytes never become one: what is packed
 * or has a checksum in the file is neither in the recipe.
 *
 *	recipe := step*
 *	step   := DATA   n u8  (dev u8  cluster u16){n}  edits u8  edit*	// a data frame, changed
 *	          ZEROES n u8  (dev u8  cluster u16){n}
 *	          RAW    n u8  byte{n}			// a frame as it is
 *	          CHAIN  at u8  value u32		// changes the chain frame
 *	          TABLE  at u16  value u32		// changes the seek table
 *	          FILE   at u32  value u8		// changes the file
 *	edit   := what u8  at u8  value u32
 *
 * The last three are done when all frames are there.
 */
#ifndef VZDUMP_TESTS_FUZZ_BASE_RECIPE_H
#define VZDUMP_TESTS_FUZZ_BASE_RECIPE_H

#include "../unit/vma-pieces.h"
#include "vma/format-internal.h"

struct recipe {
	const uint8_t *at, *end;
	const uint8_t *changes[64]; /* steps that are done at last */
	unsigned n_changes;
};

/* The next number of so many bytes; 0 behind the end. */
static inline uint32_t recipe_get(struct recipe *r, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes && r->at < r->end; i++)
		value |= (uint32_t)*r->at++ << 8 * i;
	return value;
}

/* The three disks, which are the same each time. */
static inline const struct disk *recipe_disks(void)
{
	static struct disk disks[3] = { { .name = "drive-scsi0", .size = 5000000 },
					{ .name = "drive-scsi1", .size = 540672 },
					{ .name = "drive-scsi2", .size = 4096 } };

	for (unsigned i = 0; i < 3 && !disks[i].data; i++)
		disk_fill(&disks[i], i + 1);
	return disks;
}

static inline unsigned recipe_clusters(struct recipe *r, struct chained_cluster list[VMA_CLUSTERS_PER_EXTENT])
{
	unsigned n = recipe_get(r, 1) % (VMA_CLUSTERS_PER_EXTENT + 1);

	for (unsigned i = 0; i < n; i++) {
		list[i].dev = (uint8_t)recipe_get(r, 1);
		list[i].cluster = recipe_get(r, 2);
	}
	return n;
}

static inline void recipe_edit_info(struct chained_piece *p, const uint8_t *uuid, unsigned i, uint32_t value)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT];

	for (unsigned k = 0; k < VMA_CLUSTERS_PER_EXTENT; k++)
		infos[k] = vma_block_info_decode((const uint8_t *)p->extent.data, k);
	infos[i].mask = (uint16_t)(infos[i].mask ^ value >> 16);
	infos[i].dev ^= (uint8_t)(value >> 8);
	infos[i].cluster ^= value & 0xff;
	vma_extent_header_encode((uint8_t *)p->extent.data, uuid, infos);
}

static inline void recipe_edit(struct recipe *r, const struct chained *c, struct chained_piece *p)
{
	unsigned what = recipe_get(r, 1), i = recipe_get(r, 1) % VMA_CLUSTERS_PER_EXTENT;
	uint32_t value = recipe_get(r, 4);

	switch (what % 8) {
	case 0:
		p->t.entries[i].mask = (uint16_t)value;
		break;
	case 1:
		p->t.entries[i].key ^= value;
		break;
	case 2:
		p->t.entries[i].hash[value % VMA_HASH_SIZE] ^= 1;
		break;
	case 3:
		p->t.n = value % (VMA_CLUSTERS_PER_EXTENT + 1);
		break;
	case 4:
		p->keys[i] ^= (uint64_t)(value & 0xff) << 32 | value >> 8;
		break;
	case 5:
		p->n_keys = value % (VMA_CLUSTERS_PER_EXTENT + 1);
		break;
	case 6:
		recipe_edit_info(p, c->frame_uuid, i, value);
		break;
	default:
		p->extent.data[value % p->extent.len] ^= 1;
	}
}

static inline void recipe_data(struct recipe *r, struct chained *c)
{
	struct chained_cluster list[VMA_CLUSTERS_PER_EXTENT];
	unsigned n = recipe_clusters(r, list);
	struct chained_piece p;

	chained_piece(c, list, n, &p);
	for (unsigned edits = recipe_get(r, 1) % 8; edits; edits--)
		recipe_edit(r, c, &p);
	chained_put(c, &p);
	chained_piece_clear(&p);
}

static inline void recipe_raw(struct recipe *r, struct chained *c)
{
	size_t n = recipe_get(r, 1);

	n = n < (size_t)(r->end - r->at) ? n : (size_t)(r->end - r->at);
	if (n)
		chained_frame(c, r->at, n, 0);
	r->at += n;
}

/* Lengths of the steps that are done at last, what they are included. */
static const unsigned recipe_change_len[3] = { 6, 7, 6 };

static inline void recipe_step(struct recipe *r, struct chained *c)
{
	struct chained_cluster list[VMA_CLUSTERS_PER_EXTENT];
	const uint8_t *start = r->at;
	unsigned what = recipe_get(r, 1) % 6, n;

	if (what == 0) {
		recipe_data(r, c);
	} else if (what == 1) {
		n = recipe_clusters(r, list);
		chained_zeroes(c, list, n);
	} else if (what == 2) {
		recipe_raw(r, c);
	} else if (recipe_change_len[what - 3] > (size_t)(r->end - start)) {
		r->at = r->end;
	} else {
		r->at = start + recipe_change_len[what - 3];
		if (r->n_changes < 64)
			r->changes[r->n_changes++] = start;
	}
}

static inline void recipe_change_chain(struct vma_chain *chain, unsigned at, uint32_t value)
{
	uint32_t *const numbers[] = { &chain->align, &chain->generation, &chain->kept_frames };

	if (at < 3)
		*numbers[at] = value;
	else if (at < 3 + VMA_GEN_SIZE)
		chain->gen[at - 3] = (uint8_t)value;
	else
		chain->base_gen[at % VMA_GEN_SIZE] = (uint8_t)value;
}

/* file: the archive is whole; else what comes before its end. */
static inline void recipe_change(const struct recipe *r, struct chained *c, bool file)
{
	for (unsigned i = 0; i < r->n_changes; i++) {
		const uint8_t *at = r->changes[i];

		if (*at % 6 == 3 && !file)
			recipe_change_chain(&c->chain, at[1], get_le32(at + 2));
		else if (*at % 6 == 4 && !file)
			put_le32((uint8_t *)c->table.data + 4 * (get_le16(at + 1) % (c->table.len / 4)),
				 get_le32(at + 3));
		else if (*at % 6 == 5 && file)
			c->file.data[get_le32(at + 1) % c->file.len] ^= (char)at[5];
	}
}

static inline void recipe_cook(const uint8_t *data, size_t len, struct chained *c)
{
	struct recipe r = { .at = data, .end = data + len };

	chained_begin(c, recipe_disks(), 3, 4096);
	c->index.part_max = 40;
	c->index.held_max = 0;
	while (r.at < r.end && c->file.len < 4u << 20)
		recipe_step(&r, c);
	recipe_change(&r, c, false);
	chained_finish(c);
	recipe_change(&r, c, true);
}

#endif
