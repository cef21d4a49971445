#include "vma/map.h"

#include <stdlib.h>

bool map_init(struct map *m, uint32_t n)
{
	m->n = n;
	m->words = calloc((size_t)n / 64 + 1, sizeof(*m->words));
	return m->words != NULL;
}

void map_clear(struct map *m)
{
	free(m->words);
	m->words = NULL;
	m->n = 0;
}

static uint32_t next_bit(const struct map *m, uint32_t from, bool value)
{
	const uint64_t flip = value ? 0 : ~UINT64_C(0);

	while (from < m->n) {
		uint64_t word = (m->words[from / 64] ^ flip) >> (from % 64);

		if (word) {
			uint32_t at = from + (uint32_t)__builtin_ctzll(word);

			return at < m->n ? at : m->n;
		}
		from = (from / 64 + 1) * 64;
	}
	return m->n;
}

uint32_t map_next_set(const struct map *m, uint32_t from)
{
	return next_bit(m, from, true);
}

uint32_t map_next_unset(const struct map *m, uint32_t from)
{
	return next_bit(m, from, false);
}
