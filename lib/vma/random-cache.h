/* A cache of unpacked frames: a few slots, of which the least recently used one is replaced first. */
#ifndef VZDUMP_VMA_RANDOM_CACHE_H
#define VZDUMP_VMA_RANDOM_CACHE_H

#include <pthread.h>

#include "vma/random-map.h"
#include "vma/random.h"

#define RANDOM_MAX_CONTENT ((size_t)8 << 20) /* of a frame, unpacked */

/* A cluster in an unpacked frame. */
struct random_cluster {
	uint64_t key; /* vma_cluster_key() */
	uint16_t mask;
	const uint8_t *blocks;
};

struct random_slot {
	size_t frame;
	enum {
		SLOT_EMPTY,
		SLOT_LOADING,
		SLOT_READY
	} state;
	unsigned users;
	uint64_t used_at;
	uint8_t *data;
	size_t cap;
	struct random_cluster *clusters; /* ascending */
	size_t n_clusters, cap_clusters;
};

struct random_cache {
	int fd;
	const struct random_map *map;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a slot became ready or free */
	struct random_slot *slots;
	size_t n_slots;
	uint64_t clock;
	struct vma_random_stats stats;
};

void random_cache_init(struct random_cache *c, int fd, const struct random_map *map, uint64_t bytes);
void random_cache_clear(struct random_cache *c);
/*
 * Gets the unpacked frame, which stays until random_cache_put().  A frame that several threads want is
 * unpacked only once; different frames are unpacked in parallel.
 */
int random_cache_get(struct random_cache *c, size_t frame, struct random_slot **ret, struct error **err);
void random_cache_put(struct random_cache *c, struct random_slot *s);

#endif
