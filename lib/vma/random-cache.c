#include "vma/random-cache.h"

#include <inttypes.h>

#include "base/mem.h"
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
	for (size_t i = 0; i < c->n_slots; i++)
		c->slots[i].frame = RANDOM_NO_FRAME;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
}

void random_cache_clear(struct random_cache *c)
{
	for (size_t i = 0; i < c->n_slots; i++) {
		random_frame_clear(&c->slots[i].content);
		free(c->slots[i].clusters);
	}
	free(c->slots);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
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

/* The header has been checked, so there are as many blocks. */
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

/* Unpacks the header of the extent at that offset. */
static int reach_header(const struct random_cache *c, struct random_slot *s, size_t at, size_t *ret_size,
			struct error **err)
{
	struct random_frame *f = &s->content;
	int r;

	if (f->content - at < VMA_EXTENT_HEADER_SIZE)
		return error_set(err, ERR_CORRUPT, "it ends inside an extent");
	r = random_frame_reach(f, c->fd, c->map, at + VMA_EXTENT_HEADER_SIZE, err);
	if (r == 0)
		r = vma_extent_header_decode(f->data + at, c->map->hdr.uuid, ret_size, err);
	if (r == 0 && *ret_size > f->content - at)
		r = error_set(err, ERR_CORRUPT, "it ends inside an extent");
	return r;
}

static int list_clusters(const struct random_cache *c, struct random_slot *s, struct error **err)
{
	size_t size = 0;

	s->n_clusters = 0;
	for (size_t at = 0; at < s->content.content; at += size) {
		int r = reach_header(c, s, at, &size, err);

		if (r < 0)
			return r;
		list_extent(s, s->content.data + at);
	}
	if (s->n_clusters)
		qsort(s->clusters, s->n_clusters, sizeof(*s->clusters), compare_clusters);
	s->is_listed = true;
	return 0;
}

static int compare_key(const void *key, const void *cluster)
{
	const uint64_t a = *(const uint64_t *)key, b = ((const struct random_cluster *)cluster)->key;

	return a < b ? -1 : a > b;
}

const struct random_cluster *random_slot_find(const struct random_slot *s, uint64_t key)
{
	if (!s->n_clusters)
		return NULL;
	return bsearch(&key, s->clusters, s->n_clusters, sizeof(*s->clusters), compare_key);
}

/* The clusters that somebody reads. */
struct wanted {
	uint64_t key, n;
};

/* How far the frame must be unpacked for them. */
static size_t needed_bytes(const struct random_slot *s, const struct wanted *w)
{
	size_t need = 0;

	for (uint64_t i = 0; i < w->n; i++) {
		const struct random_cluster *c = random_slot_find(s, w->key + i);
		size_t end = 0;

		if (c)
			end = (size_t)(c->blocks - s->content.data) +
			      (size_t)__builtin_popcount(c->mask) * VMA_BLOCK_SIZE;
		need = end > need ? end : need;
	}
	return need;
}

static int load_more(const struct random_cache *c, struct random_slot *s, const struct wanted *w,
		     struct error **err)
{
	int r = 0;

	if (!s->is_listed) {
		r = random_frame_begin(&s->content, c->fd, c->map, s->frame, err);
		if (r == 0)
			r = list_clusters(c, s, err);
	}
	if (r == 0)
		r = random_frame_reach(&s->content, c->fd, c->map, needed_bytes(s, w), err);
	return r < 0 ? error_wrap(err, r, "frame %zu at byte %" PRIu64 " of the archive", s->frame,
				  c->map->offsets[s->frame])
		     : 0;
}

/* ---- slots; the lock is held ---- */

static struct random_slot *find_slot(struct random_cache *c, size_t frame)
{
	for (size_t i = 0; i < c->n_slots; i++)
		if (c->slots[i].frame == frame)
			return &c->slots[i];
	return NULL;
}

/* One without a frame, or else the least recently used one, that is not in use; NULL: all are in use. */
static struct random_slot *spare_slot(struct random_cache *c)
{
	struct random_slot *best = NULL;

	for (size_t i = 0; i < c->n_slots; i++) {
		struct random_slot *s = &c->slots[i];

		if (s->users)
			continue;
		if (s->frame == RANDOM_NO_FRAME)
			return s;
		if (!best || s->used_at < best->used_at)
			best = s;
	}
	return best;
}

static void take_slot(struct random_cache *c, struct random_slot *s, size_t frame)
{
	s->frame = frame;
	s->is_listed = false;
	s->checked = 0;
	c->stats.unpacked++;
}

/* Whether all that is wanted is unpacked.  checked is 0 while the clusters are not listed. */
static bool is_there(const struct random_slot *s, const struct wanted *w)
{
	return s->checked && needed_bytes(s, w) <= s->checked;
}

/* After a failure others still have what was unpacked before, and who comes later begins again. */
static int load_slot(struct random_cache *c, struct random_slot *s, const struct wanted *w,
		     struct error **err)
{
	int r;

	s->loading = true;
	s->users++;
	pthread_mutex_unlock(&c->lock);
	r = load_more(c, s, w, err);
	pthread_mutex_lock(&c->lock);
	s->loading = false;
	if (r < 0) {
		s->frame = RANDOM_NO_FRAME;
		s->users--;
	} else {
		c->stats.bytes += s->content.checked - s->checked;
		s->checked = s->content.checked;
	}
	pthread_cond_broadcast(&c->changed);
	return r;
}

/* Waits while another thread unpacks the frame; if that one fails, tries again to get an error of its own. */
static int get_slot(struct random_cache *c, size_t frame, const struct wanted *w, struct random_slot **ret,
		    struct error **err)
{
	for (;;) {
		struct random_slot *s = find_slot(c, frame);

		if (s && is_there(s, w)) {
			s->users++;
			c->stats.hits++;
			*ret = s;
			return 0;
		}
		if (!s) {
			s = spare_slot(c);
			if (s)
				take_slot(c, s, frame);
		}
		if (s && !s->loading) {
			*ret = s;
			return load_slot(c, s, w, err);
		}
		pthread_cond_wait(&c->changed, &c->lock);
	}
}

int random_cache_get(struct random_cache *c, size_t frame, uint64_t key, uint64_t n, struct random_slot **ret,
		     struct error **err)
{
	const struct wanted w = { .key = key, .n = n };
	int r;

	pthread_mutex_lock(&c->lock);
	r = get_slot(c, frame, &w, ret, err);
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
