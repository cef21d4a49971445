#include "copy/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void runs_add(struct runs *r, uint32_t first, uint32_t n)
{
	struct run *last = r->n > r->at ? &r->v[r->n - 1] : NULL;

	if (last && last->first + last->n == first) {
		last->n += n;
		return;
	}
	if (r->at && r->at == r->n)
		r->at = r->n = 0;
	/* a list that is used while it grows holds no more than what waits */
	if (r->n == r->cap && r->at > r->cap / 2) {
		memmove(r->v, r->v + r->at, (r->n - r->at) * sizeof(*r->v));
		r->n -= r->at;
		r->at = 0;
	}
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->v = xreallocarray(r->v, r->cap, sizeof(*r->v));
	}
	r->v[r->n++] = (struct run){ first, n };
}

void runs_reset(struct runs *r)
{
	r->n = r->at = 0;
}

void runs_clear(struct runs *r)
{
	free(r->v);
	*r = (struct runs){ 0 };
}

uint32_t runs_clusters(const struct runs *r, uint32_t enough)
{
	uint32_t n = 0;

	for (size_t i = r->at; i < r->n && n < enough; i++)
		n += r->v[i].n;
	return n;
}
