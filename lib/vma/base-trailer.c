/* The trailers of the base: read, checked against the index, and kept for a while. */
#include <inttypes.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "vma/base-internal.h"
#include "vma/index.h"

void base_cache_init(struct base_cache *c)
{
	pthread_mutex_init(&c->lock, NULL);
	c->slots = xcalloc(BASE_CACHE_SLOTS, sizeof(*c->slots));
	for (unsigned i = 0; i < BASE_CACHE_SLOTS; i++)
		c->slots[i].frame = VMA_BASE_NONE;
}

void base_cache_clear(struct base_cache *c)
{
	pthread_mutex_destroy(&c->lock);
	free(c->slots);
}

/* Every other frame is a trailer. */
static struct base_slot *slot_of(struct base_cache *c, uint32_t frame)
{
	return &c->slots[frame / 2 % BASE_CACHE_SLOTS];
}

static bool cache_get(struct base_cache *c, uint32_t frame, struct vma_trailer *ret)
{
	struct base_slot *slot = slot_of(c, frame);
	bool hit;

	pthread_mutex_lock(&c->lock);
	hit = slot->frame == frame;
	if (hit)
		*ret = slot->trailer;
	pthread_mutex_unlock(&c->lock);
	return hit;
}

static void cache_put(struct base_cache *c, uint32_t frame, const struct vma_trailer *t)
{
	struct base_slot *slot = slot_of(c, frame);

	pthread_mutex_lock(&c->lock);
	slot->frame = frame;
	slot->trailer = *t;
	pthread_mutex_unlock(&c->lock);
}

int base_read(const struct vma_base *b, void *out, size_t len, uint64_t offset, struct error **err)
{
	ssize_t n = io_pread_full(b->fd, out, len, (off_t)offset);

	if (n < 0)
		return error_errno(err, (int)-n, "cannot read it");
	if (n != (ssize_t)len)
		return error_set(err, ERR_CORRUPT, "the file has become shorter");
	return 0;
}

int base_check_number(const struct vma_base *b, uint32_t frame, struct error **err)
{
	if (frame >= b->map.n_frames || !b->devs[frame])
		return error_set(err, ERR_CORRUPT, "it stores no clusters");
	return 0;
}

/* The blocks that a cluster of a disk can have. */
static uint16_t blocks_of(uint64_t size, uint32_t cluster)
{
	uint32_t len = vma_cluster_len(size, cluster);

	return (uint16_t)((1u << (len + VMA_BLOCK_SIZE - 1) / VMA_BLOCK_SIZE) - 1);
}

/* An entry of the frame: the index must say the same, which has no cluster behind the end of a disk. */
static int check_entry(const struct vma_base *b, uint32_t frame, const struct vma_trailer_entry *e,
		       struct error **err)
{
	const uint8_t dev = (uint8_t)(e->key >> 32);
	const uint32_t cluster = (uint32_t)e->key;
	const struct random_run *run = random_map_find(&b->map, dev, cluster);

	if (!run || run->first > cluster || run->frame != frame)
		return error_set(err, ERR_CORRUPT, "the trailer names other clusters than the index");
	if (e->mask & ~blocks_of(b->map.hdr.devices[dev].size, cluster))
		return error_set(err, ERR_CORRUPT, "the trailer names blocks behind the end of the disk");
	return 0;
}

/* As many clusters as the index says, each of them among those: then they are the same. */
static int check_trailer(const struct vma_base *b, uint32_t frame, const struct vma_trailer *t,
			 struct error **err)
{
	uint32_t content = VMA_EXTENT_HEADER_SIZE;
	int r = 0;

	if (t->n != b->counts[frame])
		return error_set(err, ERR_CORRUPT,
				 "the trailer has another number of clusters than the index");
	for (unsigned i = 0; r == 0 && i < t->n; i++) {
		content += (uint32_t)__builtin_popcount(t->entries[i].mask) * VMA_BLOCK_SIZE;
		r = check_entry(b, frame, &t->entries[i], err);
	}
	if (r == 0 && content != b->map.contents[frame])
		return error_set(err, ERR_CORRUPT, "the trailer has another number of blocks than the frame");
	return r;
}

int base_trailer_decode(const struct vma_base *b, uint32_t frame, const uint8_t *raw, size_t len,
			struct vma_trailer *ret, struct error **err)
{
	int r = vma_trailer_decode(raw, len, ret, err);

	return r < 0 ? r : check_trailer(b, frame, ret, err);
}

static int read_trailer(const struct vma_base *b, uint32_t frame, struct vma_trailer *ret, struct error **err)
{
	_cleanup_free_ uint8_t *raw = NULL;
	struct vma_base_span p;
	int r;

	vma_base_span(b, frame, &p);
	raw = xmalloc((size_t)p.trailer);
	r = base_read(b, raw, (size_t)p.trailer, p.offset + p.frame, err);
	return r < 0 ? r : base_trailer_decode(b, frame, raw, (size_t)p.trailer, ret, err);
}

int vma_base_trailer(struct vma_base *b, uint32_t frame, struct vma_trailer *ret, struct error **err)
{
	int r = base_check_number(b, frame, err);

	if (r == 0 && cache_get(&b->cache, frame, ret))
		return 0;
	if (r == 0)
		r = read_trailer(b, frame, ret, err);
	if (r < 0)
		return error_wrap(err, r, "base '%s': frame %" PRIu32, b->name, frame);
	cache_put(&b->cache, frame, ret);
	return 0;
}
