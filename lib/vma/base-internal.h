/* What the files of the base share. */
#ifndef VZDUMP_VMA_BASE_INTERNAL_H
#define VZDUMP_VMA_BASE_INTERNAL_H

#include <pthread.h>

#include "vma/base.h"
#include "vma/random-map.h"

/* Trailers that were read lately, each in the one place that its frame's number gives. */
#define BASE_CACHE_SLOTS 256u

struct base_slot {
	uint32_t frame; /* VMA_BASE_NONE: empty */
	struct vma_trailer trailer;
};

struct base_cache {
	pthread_mutex_t lock; /* never held while the file is read */
	struct base_slot *slots;
};

struct vma_base {
	int fd;
	char *name;
	uint64_t size; /* of the file */
	struct vma_chain chain;
	struct random_map map;
	uint8_t *devs, *counts; /* of each frame: vma_base_frame_dev(), vma_base_frame_clusters() */
	struct base_cache cache;
};

/* ---- base-frames.c ---- */

/* Fills devs and counts from the map, and checks that each data frame is one that can be taken over. */
int base_frames_init(struct vma_base *b, struct error **err);

/* ---- base-trailer.c ---- */

void base_cache_init(struct base_cache *c);
void base_cache_clear(struct base_cache *c);
/* Decodes the trailer of a data frame and checks it against the index. */
int base_trailer_decode(const struct vma_base *b, uint32_t frame, const uint8_t *raw, size_t len,
			struct vma_trailer *ret, struct error **err);
/* ERR_CORRUPT unless it is the number of a data frame. */
int base_check_number(const struct vma_base *b, uint32_t frame, struct error **err);
/* Reads len bytes at offset: all of them, or an error. */
int base_read(const struct vma_base *b, void *out, size_t len, uint64_t offset, struct error **err);

#endif
