/* Unpacking a data frame of the base, and checking all that is said of it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "vma/base-internal.h"
#include "vma/index.h"

/* The last part is for a cluster with its zeroes. */
#define CONTENT_SIZE ((size_t)VMA_EXTENT_MAX_SIZE + VMA_CLUSTER_SIZE)

int vma_base_unpacked_init(struct vma_base_unpacked *u, struct error **err)
{
	*u = (struct vma_base_unpacked){ .content = malloc(CONTENT_SIZE) };
	if (!u->content)
		return error_set(err, -ENOMEM, "no memory to unpack frames of the base");
	return frame_decoder_new(&u->decoder, err);
}

void vma_base_unpacked_clear(struct vma_base_unpacked *u)
{
	frame_decoder_free(u->decoder);
	free(u->packed);
	free(u->content);
	*u = (struct vma_base_unpacked){ 0 };
}

static int make_room(struct vma_base_unpacked *u, size_t len, struct error **err)
{
	if (len <= u->packed_cap)
		return 0;
	free(u->packed);
	u->packed = malloc(len);
	u->packed_cap = u->packed ? len : 0;
	return u->packed ? 0 : error_set(err, -ENOMEM, "no memory to read it");
}

/* Reads the frame with its trailer and unpacks it into u->content. */
static int read_frame(const struct vma_base *b, uint32_t frame, struct vma_base_unpacked *u,
		      struct error **err)
{
	struct vma_base_span p;
	uint64_t len = 0;
	size_t n = 0;
	int r;

	vma_base_span(b, frame, &p);
	r = make_room(u, (size_t)(p.frame + p.trailer), err);
	if (r == 0)
		r = base_read(b, u->packed, (size_t)(p.frame + p.trailer), p.offset, err);
	if (r == 0)
		r = base_trailer_decode(b, frame, u->packed + p.frame, (size_t)p.trailer, &u->trailer, err);
	if (r == 0 && (frame_length(u->packed, (size_t)p.frame, &len) != 1 || len != p.frame))
		r = error_set(err, ERR_CORRUPT, "it does not begin or end where the seek table says");
	if (r == 0)
		r = frame_decode(u->decoder, u->content, VMA_EXTENT_MAX_SIZE, u->packed, (size_t)p.frame, &n,
				 err);
	if (r == 0 && n != p.content)
		r = error_set(err, ERR_CORRUPT, "it has %zu bytes instead of %" PRIu64, n, p.content);
	return r;
}

/* One cluster of the extent, whose blocks are at `at`. */
static int take_info(struct vma_base_unpacked *u, const struct vma_block_info *info, const uint8_t *at,
		     struct error **err)
{
	const struct vma_trailer_entry *e =
		vma_trailer_find(&u->trailer, vma_cluster_key(info->dev, info->cluster));

	if (!e || e->mask != info->mask || u->blocks[e - u->trailer.entries])
		return error_set(err, ERR_CORRUPT, "its extent and its trailer do not agree");
	u->blocks[e - u->trailer.entries] = at;
	return 0;
}

/*
 * Finds the blocks of each entry; the clusters of an extent are in any order.  It has as many blocks as the
 * entries, and none of them twice, so that none is left out.
 */
static int take_extent(const struct vma_base *b, uint32_t frame, struct vma_base_unpacked *u,
		       struct error **err)
{
	const uint8_t *at = u->content + VMA_EXTENT_HEADER_SIZE;
	size_t size;
	int r = vma_extent_header_decode(u->content, b->map.hdr.uuid, &size, err);

	memset(u->blocks, 0, sizeof(u->blocks));
	if (r == 0 && size != b->map.contents[frame])
		return error_set(err, ERR_CORRUPT, "it is not one extent");
	for (unsigned i = 0; r == 0 && i < VMA_CLUSTERS_PER_EXTENT; i++) {
		struct vma_block_info info = vma_block_info_decode(u->content, i);

		if (!info.dev)
			continue;
		r = take_info(u, &info, at, err);
		at += (size_t)__builtin_popcount(info.mask) * VMA_BLOCK_SIZE;
	}
	return r;
}

/* The cluster with its zeroes; valid until the next call. */
static const uint8_t *whole_cluster(struct vma_base_unpacked *u, unsigned i)
{
	uint8_t *out = u->content + VMA_EXTENT_MAX_SIZE;
	const uint8_t *from = u->blocks[i];

	if (u->trailer.entries[i].mask == VMA_MASK_ALL)
		return from;
	memset(out, 0, VMA_CLUSTER_SIZE);
	for (unsigned block = 0; block < VMA_CLUSTER_BLOCKS; block++) {
		if (!(u->trailer.entries[i].mask >> block & 1))
			continue;
		memcpy(out + (size_t)block * VMA_BLOCK_SIZE, from, VMA_BLOCK_SIZE);
		from += VMA_BLOCK_SIZE;
	}
	return out;
}

static int check_hashes(const struct vma_base *b, struct vma_base_unpacked *u, struct error **err)
{
	uint8_t hash[VMA_HASH_SIZE];

	for (unsigned i = 0; i < u->trailer.n; i++) {
		const struct vma_trailer_entry *e = &u->trailer.entries[i];

		vma_hash_cluster(&b->chain.secret, whole_cluster(u, i), hash);
		if (memcmp(hash, e->hash, VMA_HASH_SIZE) != 0)
			return error_set(err, ERR_CORRUPT, "the hash of %s cluster %" PRIu32 " is wrong",
					 b->map.hdr.devices[e->key >> 32].name, (uint32_t)e->key);
	}
	return 0;
}

int vma_base_unpack(struct vma_base *b, uint32_t frame, struct vma_base_unpacked *u, struct error **err)
{
	int r = base_check_number(b, frame, err);

	if (r == 0)
		r = read_frame(b, frame, u, err);
	if (r == 0)
		r = take_extent(b, frame, u, err);
	if (r == 0)
		r = check_hashes(b, u, err);
	if (r == 0)
		return 0;
	u->trailer.n = 0;
	return error_wrap(err, r, "base '%s': frame %" PRIu32, b->name, frame);
}
