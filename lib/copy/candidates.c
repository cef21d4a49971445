#include "copy/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* All clusters are candidates. */
static void give_up(struct candidates *c, char *why)
{
	c->known = true;
	c->why = why;
}

bool candidates_init(struct candidates *c, uint64_t size, uint64_t was, const char *why)
{
	const uint32_t clusters = clusters_up(was && was < size ? was : size);

	*c = (struct candidates){ .size = size, .marked = clusters ? clusters - 1 : 0 };
	if (!map_init(&c->map, clusters_up(size)))
		return false;
	if (why || !size)
		give_up(c, xstrdup(why ? why : "it is empty"));
	return true;
}

void candidates_clear(struct candidates *c)
{
	map_clear(&c->map);
	free(c->why);
}

bool candidates_next(struct candidates *c, struct question *ret)
{
	const uint32_t left = c->map.n - c->at;

	if (c->known || c->open)
		return false;
	c->open = true;
	c->answered = cluster_offset(c->at);
	*ret = (struct question){ c->answered, left > QUESTION_MAX_CLUSTERS
						       ? cluster_offset(QUESTION_MAX_CLUSTERS)
						       : c->size - c->answered };
	return true;
}

void candidates_piece(struct candidates *c, const struct piece *p)
{
	uint64_t end = p->offset + p->length;

	if (p->offset != c->answered || !p->length || p->offset >= c->size)
		return;
	if (end > c->size)
		end = c->size;
	if (p->state == PIECE_DIRTY) {
		for (uint64_t i = p->offset / VMA_CLUSTER_SIZE; i < clusters_up(end); i++)
			map_set(&c->map, (uint32_t)i);
	}
	c->answered = end;
}

void candidates_end(struct candidates *c, int error)
{
	const uint32_t end = c->answered >= c->size ? c->map.n : (uint32_t)(c->answered / VMA_CLUSTER_SIZE);

	c->open = false;
	if (error || end <= c->at) {
		give_up(c, error ? xasprintf("its bitmap cannot be read (%s)", strerror(error))
				 : xstrdup("its bitmap cannot be read"));
		return;
	}
	c->at = end;
	if (end < c->map.n)
		return;
	c->known = true;
	if (!map_get(&c->map, c->marked))
		give_up(c, xstrdup("its bitmap cannot be trusted: the disk was resized"));
}
