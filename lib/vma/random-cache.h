/*
 * A cache of unpacked frames: a few slots, of which the least recently used one is replaced first.  A frame
 * is unpacked only as far as somebody reads it.
 */
#ifndef VZDUMP_VMA_RANDOM_CACHE_H
#define VZDUMP_VMA_RANDOM_CACHE_H

#include <pthread.h>

#include "vma/random-frame.h"
#include "vma/random.h"

/* A cluster in an unpacked frame. */
struct random_cluster {
	uint64_t key; /* vma_cluster_key() */
	uint16_t mask;
	const uint8_t *blocks;
};

#define RANDOM_NO_FRAME SIZE_MAX

struct random_slot {
	size_t frame; /* RANDOM_NO_FRAME: empty, or it could not be unpacked */
	unsigned users;
	bool loading; /* one of them unpacks */
	uint64_t used_at;
	bool is_listed; /* clusters are there */
	size_t checked; /* of content.checked, for others than the one who unpacks */
	struct random_frame content;
	struct random_cluster *clusters; /* ascending; what they store may not be unpacked yet */
	size_t n_clusters, cap_clusters;
};

struct random_cache {
	int fd;
	const struct random_map *map;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a slot has more, or is free */
	struct random_slot *slots;
	size_t n_slots;
	uint64_t clock;
	struct vma_random_stats stats;
};

void random_cache_init(struct random_cache *c, int fd, const struct random_map *map, uint64_t bytes);
void random_cache_clear(struct random_cache *c);
/*
 * Gets the frame, unpacked as far as n clusters from key (vma_cluster_key()) on need it, if it has them.  It
 * stays until random_cache_put().  What several threads want is unpacked only once; different frames are
 * unpacked in parallel.
 */
int random_cache_get(struct random_cache *c, size_t frame, uint64_t key, uint64_t n, struct random_slot **ret,
		     struct error **err);
/* The cluster with that key, or NULL. */
const struct random_cluster *random_slot_find(const struct random_slot *s, uint64_t key);
void random_cache_put(struct random_cache *c, struct random_slot *s);

#endif
