/*
 * One bit per 64 KiB cluster of a disk.  No locking of its own.
 * Memory is 2 MiB per TiB of disk.
 */
#ifndef VZDUMP_VMA_MAP_H
#define VZDUMP_VMA_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct map {
	uint64_t *words;
	uint32_t n; /* clusters */
};

/* No bit is set.  False when memory is out. */
bool map_init(struct map *m, uint32_t n);
void map_clear(struct map *m);

static inline bool map_get(const struct map *m, uint32_t i)
{
	return m->words[i / 64] >> (i % 64) & 1;
}

static inline void map_set(struct map *m, uint32_t i)
{
	m->words[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void map_unset(struct map *m, uint32_t i)
{
	m->words[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* The first cluster from `from` on whose bit is set, or m->n if there is none. */
uint32_t map_next_set(const struct map *m, uint32_t from);
/* The first one whose bit is not set, or m->n. */
uint32_t map_next_unset(const struct map *m, uint32_t from);

#endif
