/* Disks in memory for tests: made from a seed, and handed to a writer by several threads at once. */
#ifndef VZDUMP_TESTS_VMA_DISKS_H
#define VZDUMP_TESTS_VMA_DISKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "vma/compression.h"
#include "vma/writer.h"

struct disk {
	const char *name;
	uint64_t size;
	uint8_t *data;
};

static inline uint32_t disk_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* A writer to fd with so many threads. */
static inline int disk_writer(enum vma_compression c, unsigned threads, const struct vma_writer_options *o,
			      int fd, const struct vma_header *h, struct vma_writer **ret, struct error **err)
{
	struct budget budget;
	struct vma_writer_options own = *o;
	struct output *output = NULL;
	int r = output_plain_new(fd, &output, err);

	budget_init(&budget, &(struct budget_limits){ .threads = threads });
	own.budget = &budget;
	own.layout = vma_compression_layout(c, o->chain != NULL);
	if (r == 0)
		r = vma_compression_filter(c, threads, &output, err);
	return r < 0 ? r : vma_writer_new(&own, output, h, ret, err);
}

/* A block that is zero, noise, zero but for its last byte, or text. */
static inline void disk_fill_block(uint8_t *block, size_t len, uint32_t *seed)
{
	static const char text[] = "the quick brown fox\n";
	uint32_t kind = disk_random(seed) % 5, start = disk_random(seed);

	for (size_t i = 0; i < len && kind != 0; i++) {
		if (kind == 1)
			block[i] = (uint8_t)disk_random(seed);
		else if (kind == 2)
			block[i] = i == len - 1;
		else
			block[i] = (uint8_t)text[(start + i) % 20];
	}
}

/* Every third cluster is zero. */
static inline void disk_fill(struct disk *d, uint32_t seed)
{
	d->data = xcalloc(1, d->size + 1);
	for (uint64_t at = 0; at < d->size; at += VMA_BLOCK_SIZE) {
		uint64_t left = d->size - at;

		if (at / VMA_CLUSTER_SIZE % 3 != 1)
			disk_fill_block(d->data + at, left < VMA_BLOCK_SIZE ? left : VMA_BLOCK_SIZE, &seed);
	}
}

/* All clusters of the disks, dev 1 being disks[0], in the order in which they are to be written. */
struct feed {
	struct vma_writer *w;
	const struct disk *disks;
	uint64_t *keys; /* dev << 32 | cluster */
	unsigned n_keys;
	atomic_uint next;
	bool say_zero; /* tell the writer of zero clusters instead of copying them */
	atomic_bool failed;
};

static inline void feed_init(struct feed *f, const struct disk *disks, unsigned n, bool shuffle)
{
	uint32_t seed = 7;

	*f = (struct feed){ .disks = disks };
	for (unsigned i = 0; i < n; i++) {
		uint64_t clusters = vma_clusters(disks[i].size);

		f->keys = xreallocarray(f->keys, f->n_keys + clusters + 1, sizeof(uint64_t));
		for (uint64_t c = 0; c < clusters; c++)
			f->keys[f->n_keys++] = (uint64_t)(i + 1) << 32 | c;
	}
	for (unsigned i = f->n_keys; shuffle && i > 1; i--) {
		unsigned k = disk_random(&seed) % i;
		uint64_t key = f->keys[k];

		f->keys[k] = f->keys[i - 1];
		f->keys[i - 1] = key;
	}
}

static inline bool feed_cluster(struct feed *f, uint64_t key, struct vma_extent *e, unsigned slot)
{
	const struct disk *d = &f->disks[(key >> 32) - 1];
	uint32_t cluster = (uint32_t)key, len = vma_cluster_len(d->size, cluster);
	const uint8_t *from = d->data + (uint64_t)cluster * VMA_CLUSTER_SIZE;

	if (f->say_zero && io_is_zero(from, len))
		return vma_writer_zero(f->w, (uint8_t)(key >> 32), cluster, 1, NULL) == 0;
	memset(vma_extent_slot(e, slot), 0xaa, VMA_CLUSTER_SIZE); /* must not show behind the end */
	memcpy(vma_extent_slot(e, slot), from, len);
	vma_extent_set(e, slot, (uint8_t)(key >> 32), cluster, len);
	return true;
}

/* Fills extents, leaving slots unused here and there, until no cluster is left. */
static inline void *feed_thread(void *arg)
{
	struct feed *f = arg;
	uint32_t seed = 3;
	bool good = true, left = true;

	while (good && left) {
		struct vma_extent *e = NULL;

		if (vma_writer_extent_get(f->w, disk_random(&seed) % 2, &e, NULL) < 0)
			break;
		for (unsigned slot = 0; good && left && slot < VMA_CLUSTERS_PER_EXTENT; slot++) {
			unsigned i;

			if (disk_random(&seed) % 8 == 0)
				continue;
			i = atomic_fetch_add(&f->next, 1);
			left = i < f->n_keys;
			if (left)
				good = feed_cluster(f, f->keys[i], e, slot);
		}
		vma_writer_extent_put(f->w, e);
	}
	if (left)
		atomic_store(&f->failed, true);
	return NULL;
}

/* False when the writer failed. */
static inline bool feed_run(struct feed *f, struct vma_writer *w, unsigned threads)
{
	pthread_t ids[16];

	f->w = w;
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, feed_thread, f);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return !f->failed;
}

#endif
