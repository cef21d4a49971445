#include "vma/random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "vma/index.h"
#include "vma/random-cache.h"
#include "vma/random-load.h"

struct vma_random {
	int fd;
	struct random_map map;
	struct random_cache cache;
};

int vma_random_open(const char *path, uint64_t cache, struct vma_random **ret, struct error **err)
{
	_cleanup_(vma_random_freep) struct vma_random *x = xcalloc(1, sizeof(*x));
	int r;

	random_cache_init(&x->cache, -1, &x->map, cache ? cache : VMA_RANDOM_CACHE_DEFAULT);
	x->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (x->fd < 0)
		return error_errno(err, errno, "cannot open archive '%s'", path);
	x->cache.fd = x->fd;
	r = random_map_load(x->fd, path, &x->map, err);
	if (r < 0)
		return error_wrap(err, r, "archive '%s'", path);
	*ret = TAKE_PTR(x);
	return 0;
}

const struct vma_header *vma_random_header(const struct vma_random *x)
{
	return &x->map.hdr;
}

uint64_t vma_random_stored(const struct vma_random *x, uint8_t dev)
{
	return x->map.stored[dev];
}

/* Blocks that are not stored are zero. */
static void copy_blocks(const struct random_cluster *c, uint32_t at, uint8_t *out, uint32_t len)
{
	while (len) {
		unsigned block = at / VMA_BLOCK_SIZE;
		uint32_t in_block = at % VMA_BLOCK_SIZE;
		uint32_t now = VMA_BLOCK_SIZE - in_block < len ? VMA_BLOCK_SIZE - in_block : len;
		unsigned before = (unsigned)__builtin_popcount(c->mask & ((1u << block) - 1));

		if (c->mask >> block & 1)
			memcpy(out, c->blocks + (size_t)before * VMA_BLOCK_SIZE + in_block, now);
		else
			memset(out, 0, now);
		at += now;
		out += now;
		len -= now;
	}
}

/* Reads len bytes that all lie in clusters of one run. */
static int read_run(struct vma_random *x, uint8_t dev, size_t frame, uint64_t offset, uint8_t *out,
		    uint64_t len, struct error **err)
{
	const char *name = x->map.hdr.devices[dev].name;
	const uint32_t first = (uint32_t)(offset / VMA_CLUSTER_SIZE);
	const uint64_t n = (offset + len - 1) / VMA_CLUSTER_SIZE - first + 1;
	struct random_slot *slot;
	int r = random_cache_get(&x->cache, frame, vma_cluster_key(dev, first), n, &slot, err);

	if (r < 0)
		return error_wrap(err, r, "%s at byte %" PRIu64, name, offset);
	while (r == 0 && len) {
		uint32_t cluster = (uint32_t)(offset / VMA_CLUSTER_SIZE);
		uint32_t at = (uint32_t)(offset % VMA_CLUSTER_SIZE);
		uint32_t now = VMA_CLUSTER_SIZE - at < len ? VMA_CLUSTER_SIZE - at : (uint32_t)len;
		const struct random_cluster *c = random_slot_find(slot, vma_cluster_key(dev, cluster));

		if (!c)
			r = error_set(err, ERR_CORRUPT,
				      "%s at byte %" PRIu64
				      ": frame %zu does not hold it, though the index says so",
				      name, offset, frame);
		else
			copy_blocks(c, at, out, now);
		offset += now;
		out += now;
		len -= now;
	}
	random_cache_put(&x->cache, slot);
	return r;
}

/* The run that stores the next *ret_len bytes, or NULL if they are zero. */
static const struct random_run *next_piece(const struct vma_random *x, uint8_t dev, uint64_t offset,
					   uint64_t max, uint64_t *ret_len)
{
	uint64_t cluster = offset / VMA_CLUSTER_SIZE, end;
	const struct random_run *run = random_map_find(&x->map, dev, cluster);
	bool inside = run && run->first <= cluster;

	if (!run)
		end = UINT64_MAX;
	else
		end = ((uint64_t)run->first + (inside ? run->n : 0)) * VMA_CLUSTER_SIZE;
	*ret_len = end - offset < max ? end - offset : max;
	return inside ? run : NULL;
}

int vma_random_read(struct vma_random *x, uint8_t dev, uint64_t offset, void *data, size_t len,
		    struct error **err)
{
	uint8_t *out = data;
	uint64_t left = len;
	int r = 0;

	while (r == 0 && left) {
		uint64_t now;
		const struct random_run *run = next_piece(x, dev, offset, left, &now);

		if (run)
			r = read_run(x, dev, run->frame, offset, out, now, err);
		else
			memset(out, 0, (size_t)now);
		offset += now;
		out += now;
		left -= now;
	}
	return r;
}

bool vma_random_is_zero(const struct vma_random *x, uint8_t dev, uint64_t offset, uint64_t max,
			uint64_t *ret_len)
{
	uint64_t len;
	bool zero = !next_piece(x, dev, offset, max, &len);

	/* adjacent runs are one piece of data */
	while (!zero && len < max) {
		uint64_t more;

		if (!next_piece(x, dev, offset + len, max - len, &more))
			break;
		len += more;
	}
	*ret_len = len;
	return zero;
}

void vma_random_get_stats(struct vma_random *x, struct vma_random_stats *ret)
{
	pthread_mutex_lock(&x->cache.lock);
	*ret = x->cache.stats;
	pthread_mutex_unlock(&x->cache.lock);
}

void vma_random_free(struct vma_random *x)
{
	if (!x)
		return;
	random_cache_clear(&x->cache);
	random_map_clear(&x->map);
	if (x->fd >= 0)
		close(x->fd);
	free(x);
}
