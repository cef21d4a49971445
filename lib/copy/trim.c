#include "copy/trim.h"

#include <stdlib.h>

/* In one request: 1 GiB. */
#define TRIM_MAX_CLUSTERS 16384u

void trims_init(struct trims *t, uint64_t granularity)
{
	const uint64_t n = (granularity + VMA_CLUSTER_SIZE - 1) / VMA_CLUSTER_SIZE;

	*t = (struct trims){ .granule = n < 1 ? 1 : n > TRIM_MAX_CLUSTERS ? TRIM_MAX_CLUSTERS : (uint32_t)n };
}

void trims_clear(struct trims *t)
{
	runs_clear(&t->added);
	runs_clear(&t->list);
}

uint32_t trims_granule(const struct trims *t, const struct cover *c, uint32_t cluster, uint32_t *ret_end)
{
	const uint32_t first = cluster - cluster % t->granule;

	*ret_end = c->clusters - first < t->granule ? c->clusters : first + t->granule;
	return first;
}

void trims_add(struct trims *t, struct cover *c, struct run run)
{
	uint32_t end;

	if (!t->wanted)
		return;
	if (t->granule == 1) {
		runs_add(&t->added, run.first, run.n);
		return;
	}
	for (uint32_t at = run.first - run.first % t->granule; at < run.first + run.n; at = end) {
		trims_granule(t, c, at, &end);
		if (cover_range_done(c, at, end))
			runs_add(&t->added, at, end - at);
	}
}

static int compare_runs(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Takes the next run of the sorted list, with those that continue it, up to what one request may hold. */
static struct run take_joined(struct trims *t)
{
	const uint32_t max = TRIM_MAX_CLUSTERS - TRIM_MAX_CLUSTERS % t->granule;
	struct runs *list = &t->list;
	struct run *next = &list->v[list->at], ret;

	while (list->at + 1 < list->n && next->first + next->n == list->v[list->at + 1].first) {
		list->v[list->at + 1] = (struct run){ next->first, next->n + list->v[list->at + 1].n };
		next = &list->v[++list->at];
	}
	ret = (struct run){ next->first, next->n < max ? next->n : max };
	next->first += ret.n;
	next->n -= ret.n;
	if (!next->n)
		list->at++;
	return ret;
}

/* Nothing is left of the sorted list: what was added since is the next one. */
static void sort_added(struct trims *t)
{
	const struct runs used_up = t->list;

	t->list = t->added;
	t->added = used_up;
	runs_reset(&t->added);
	if (runs_waiting(&t->list))
		qsort(t->list.v + t->list.at, runs_waiting(&t->list), sizeof(*t->list.v), compare_runs);
}

void trims_go_first(struct trims *t)
{
	sort_added(t);
	t->first = runs_waiting(&t->list);
}

unsigned trims_next(struct trims *t, struct run ret[TRIMS_AT_ONCE])
{
	if (t->in_flight)
		return 0;
	if (!runs_waiting(&t->list))
		sort_added(t);
	while (runs_waiting(&t->list) && t->in_flight < TRIMS_AT_ONCE)
		ret[t->in_flight++] = take_joined(t);
	return t->in_flight;
}

void trims_end(struct trims *t)
{
	t->in_flight--;
	if (!t->in_flight && !runs_waiting(&t->list))
		t->first = false;
}

void trims_describe(const struct trims *t, struct buf *b)
{
	if (t->wanted)
		buf_addf(b, "TRIM: granules of %u clusters, %u in flight, %zu runs wait%s\n", t->granule,
			 t->in_flight, runs_waiting(&t->list) + runs_waiting(&t->added),
			 t->first ? ", before everything else" : "");
	else
		buf_adds(b, "TRIM: none\n");
}
