/* The inside of random access: where clusters are (random-index.c), and unpacked frames (random-cache.c). */
#ifndef VZDUMP_VMA_RANDOM_INTERNAL_H
#define VZDUMP_VMA_RANDOM_INTERNAL_H

#include <pthread.h>

#include "vma/random.h"

#define RANDOM_MAX_CONTENT  ((size_t)8 << 20)     /* of a frame, unpacked */
#define RANDOM_MAX_RUNS     ((size_t)1 << 25)     /* 384 MiB */
#define RANDOM_MAX_TAIL     ((uint64_t)1 << 30)   /* index and seek table, packed */
#define RANDOM_MAX_UNPACKED ((uint64_t)512 << 20) /* the index, with RANDOM_MAX_RUNS in it */

/* Clusters of one device that one frame stores. */
struct random_run {
	uint32_t first, n;
	uint32_t frame;
};

struct random_runs {
	struct random_run *list; /* ascending, apart from each other */
	size_t n, cap;
};

struct random_map {
	struct vma_header hdr;
	bool plain;         /* frames are extents that are not packed */
	uint64_t *offsets;  /* n_frames + 1, in the file */
	uint32_t *contents; /* unpacked bytes */
	size_t n_frames, cap_frames;
	size_t n_runs;
	struct random_runs runs[VMA_MAX_DEVICES + 1];
	uint64_t stored[VMA_MAX_DEVICES + 1];
};

/* Fills *m, empty so far, from the file.  The caller clears it, also after an error. */
int random_map_load(int fd, const char *path, struct random_map *m, struct error **err);
void random_map_clear(struct random_map *m);
/* The run that holds the cluster, or the next behind it, or NULL. */
const struct random_run *random_map_find(const struct random_map *m, uint8_t dev, uint64_t cluster);

/* For the loaders. */
void random_map_add_frame(struct random_map *m, uint64_t offset, uint32_t content);
int random_map_add_run(struct random_map *m, uint8_t dev, const struct random_run *run, struct error **err);
/* Sorts, and checks that no cluster comes twice and none lies behind its disk. */
int random_map_seal(struct random_map *m, struct error **err);
int random_map_load_plain(int fd, uint64_t size, struct random_map *m, struct error **err);

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
/* The unpacked frame; give it back by random_cache_put(). */
int random_cache_get(struct random_cache *c, size_t frame, struct random_slot **ret, struct error **err);
void random_cache_put(struct random_cache *c, struct random_slot *s);

#endif
