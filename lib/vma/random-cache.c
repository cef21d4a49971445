#include "vma/random-cache.h"

#include <inttypes.h>

#include "base/io.h"
#include "base/mem.h"
#include "stream/frame.h"
#include "vma/index.h"

#define SLOT_BYTES ((uint64_t)4 << 20) /* what a frame usually holds at most */
#define MIN_SLOTS  2u
#define MAX_SLOTS  4096u

void random_cache_init(struct random_cache *c, int fd, const struct random_map *map, uint64_t bytes)
{
	uint64_t n = bytes / SLOT_BYTES;

	*c = (struct random_cache){ .fd = fd, .map = map };
	c->n_slots = n < MIN_SLOTS ? MIN_SLOTS : n > MAX_SLOTS ? MAX_SLOTS : (size_t)n;
	c->slots = xcalloc(c->n_slots, sizeof(*c->slots));
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
}

void random_cache_clear(struct random_cache *c)
{
	for (size_t i = 0; i < c->n_slots; i++) {
		free(c->slots[i].data);
		free(c->slots[i].clusters);
	}
	free(c->slots);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
}

/* ---- unpacking ---- */

static int unpack_frame(struct random_slot *s, const void *packed, size_t len, size_t content,
			struct error **err)
{
	size_t n = 0;
	int r = frame_decode(NULL, s->data, content, packed, len, &n, err);

	if (r < 0)
		return r;
	if (n != content)
		return error_set(err, ERR_CORRUPT, "it holds %zu bytes, the seek table says %zu", n, content);
	return 0;
}

static int read_archive_bytes(int fd, void *data, size_t len, uint64_t offset, struct error **err)
{
	ssize_t n = io_pread_full(fd, data, len, (off_t)offset);

	if (n < 0)
		return error_errno(err, (int)-n, "cannot read the archive");
	return n == (ssize_t)len ? 0 : error_set(err, ERR_CORRUPT, "the file is cut off");
}

static int fetch_frame(const struct random_cache *c, struct random_slot *s, struct error **err)
{
	const uint64_t offset = c->map->offsets[s->frame];
	const uint64_t packed = c->map->offsets[s->frame + 1] - offset;
	const size_t content = c->map->contents[s->frame];
	_cleanup_free_ uint8_t *raw = NULL;
	int r;

	if (content > RANDOM_MAX_CONTENT || packed > frame_bound(RANDOM_MAX_CONTENT))
		return error_set(err, ERR_CORRUPT, "it is larger than any frame should be");
	if (s->cap < content) {
		s->data = xreallocarray(s->data, content, 1);
		s->cap = content;
	}
	if (c->map->plain)
		return read_archive_bytes(c->fd, s->data, content, offset, err);
	raw = xmalloc((size_t)packed);
	r = read_archive_bytes(c->fd, raw, (size_t)packed, offset, err);
	return r < 0 ? r : unpack_frame(s, raw, (size_t)packed, content, err);
}

/* ---- the clusters of a frame ---- */

static void add_cluster(struct random_slot *s, const struct vma_block_info *b, const uint8_t *blocks)
{
	if (s->n_clusters == s->cap_clusters) {
		s->cap_clusters = s->cap_clusters ? 2 * s->cap_clusters : 64;
		s->clusters = xreallocarray(s->clusters, s->cap_clusters, sizeof(*s->clusters));
	}
	s->clusters[s->n_clusters++] = (struct random_cluster){ .key = vma_cluster_key(b->dev, b->cluster),
								.mask = b->mask,
								.blocks = blocks };
}

static int compare_clusters(const void *a, const void *b)
{
	const struct random_cluster *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* The header has been checked, so all blocks are there. */
static void list_extent(struct random_slot *s, const uint8_t *at)
{
	const uint8_t *blocks = at + VMA_EXTENT_HEADER_SIZE;

	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++) {
		struct vma_block_info b = vma_block_info_decode(at, i);

		if (b.dev)
			add_cluster(s, &b, blocks);
		blocks += (size_t)__builtin_popcount(b.mask) * VMA_BLOCK_SIZE;
	}
}

static int list_clusters(const struct random_cache *c, struct random_slot *s, struct error **err)
{
	const uint8_t *at = s->data, *end = at + c->map->contents[s->frame];

	s->n_clusters = 0;
	while (at < end) {
		size_t size;
		int r;

		if (end - at < VMA_EXTENT_HEADER_SIZE)
			return error_set(err, ERR_CORRUPT, "it ends inside an extent");
		r = vma_extent_header_decode(at, c->map->hdr.uuid, &size, err);
		if (r < 0)
			return r;
		if (size > (size_t)(end - at))
			return error_set(err, ERR_CORRUPT, "it ends inside an extent");
		list_extent(s, at);
		at += size;
	}
	if (s->n_clusters)
		qsort(s->clusters, s->n_clusters, sizeof(*s->clusters), compare_clusters);
	return 0;
}

static int load_frame(const struct random_cache *c, struct random_slot *s, struct error **err)
{
	int r = fetch_frame(c, s, err);

	if (r == 0)
		r = list_clusters(c, s, err);
	return r < 0 ? error_wrap(err, r, "frame %zu at byte %" PRIu64 " of the archive", s->frame,
				  c->map->offsets[s->frame])
		     : 0;
}

/* ---- slots; the lock is held ---- */

static struct random_slot *find_slot(struct random_cache *c, size_t frame)
{
	for (size_t i = 0; i < c->n_slots; i++)
		if (c->slots[i].state != SLOT_EMPTY && c->slots[i].frame == frame)
			return &c->slots[i];
	return NULL;
}

/* An empty slot, or else the least recently used one that is not in use; NULL: all are in use. */
static struct random_slot *spare_slot(struct random_cache *c)
{
	struct random_slot *best = NULL;

	for (size_t i = 0; i < c->n_slots; i++) {
		struct random_slot *s = &c->slots[i];

		if (s->state == SLOT_EMPTY && !s->users)
			return s;
		if (s->state == SLOT_READY && !s->users && (!best || s->used_at < best->used_at))
			best = s;
	}
	return best;
}

static int load_into(struct random_cache *c, struct random_slot *s, size_t frame, struct error **err)
{
	int r;

	s->frame = frame;
	s->state = SLOT_LOADING;
	s->users = 1;
	pthread_mutex_unlock(&c->lock);
	r = load_frame(c, s, err);
	pthread_mutex_lock(&c->lock);
	c->stats.unpacked++;
	s->state = r < 0 ? SLOT_EMPTY : SLOT_READY;
	if (r < 0)
		s->users = 0;
	pthread_cond_broadcast(&c->changed);
	return r;
}

/* Waits while another thread unpacks the frame; if that one fails, tries again to get an error of its own. */
static int get_slot(struct random_cache *c, size_t frame, struct random_slot **ret, struct error **err)
{
	for (;;) {
		struct random_slot *s = find_slot(c, frame);

		if (s && s->state == SLOT_READY) {
			s->users++;
			c->stats.hits++;
			*ret = s;
			return 0;
		}
		if (!s) {
			s = spare_slot(c);
			if (s) {
				*ret = s;
				return load_into(c, s, frame, err);
			}
		}
		pthread_cond_wait(&c->changed, &c->lock);
	}
}

int random_cache_get(struct random_cache *c, size_t frame, struct random_slot **ret, struct error **err)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = get_slot(c, frame, ret, err);
	if (r == 0)
		(*ret)->used_at = ++c->clock;
	pthread_mutex_unlock(&c->lock);
	return r;
}

void random_cache_put(struct random_cache *c, struct random_slot *s)
{
	pthread_mutex_lock(&c->lock);
	if (--s->users == 0)
		pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}
