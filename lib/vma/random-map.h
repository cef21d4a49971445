/* A map in memory that says which frame of an archive holds which clusters. */
#ifndef VZDUMP_VMA_RANDOM_MAP_H
#define VZDUMP_VMA_RANDOM_MAP_H

#include "vma/format.h"
#include "vma/hash.h"

#define RANDOM_MAX_RUNS ((size_t)1 << 25) /* 384 MiB */

/* Clusters of one device that one frame stores. */
struct random_run {
	uint32_t first, n;
	uint32_t frame;
};

struct random_runs {
	struct random_run *list; /* ascending, without overlaps */
	size_t n, cap;
};

struct random_map {
	struct vma_header hdr;
	bool plain;                /* frames are extents that are not packed */
	struct vma_secret *secret; /* of its chain; NULL: it belongs to none */
	uint64_t *offsets;         /* n_frames + 1, in the file */
	uint32_t *contents;        /* unpacked bytes */
	size_t n_frames, cap_frames;
	size_t n_runs;
	struct random_runs runs[VMA_MAX_DEVICES + 1];
	uint64_t stored[VMA_MAX_DEVICES + 1];
};

void random_map_clear(struct random_map *m);
/* The run that holds the cluster, or else the next one, or NULL. */
const struct random_run *random_map_find(const struct random_map *m, uint8_t dev, uint64_t cluster);

/* ---- for the loaders; the caller of a loader clears *m, also after an error ---- */

/* The loader sets offsets[n_frames] itself, once all frames are added. */
void random_map_add_frame(struct random_map *m, uint64_t offset, uint32_t content);
int random_map_add_run(struct random_map *m, uint8_t dev, const struct random_run *run, struct error **err);
/* Sorts, and checks that no cluster comes twice and none lies beyond the end of its disk. */
int random_map_seal(struct random_map *m, struct error **err);

#endif
