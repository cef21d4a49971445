/* The data frames of the base, one after the other: the runs of the index, sorted by frame. */
#include "base/mem.h"
#include "vma/base-internal.h"
#include "vma/index.h"

struct walk_run {
	uint32_t frame, first, n;
	uint8_t dev;
};

struct vma_base_walk {
	struct walk_run *runs;
	size_t n, at;
};

static int compare_runs(const void *a, const void *b)
{
	const struct walk_run *x = a, *y = b;

	if (x->frame != y->frame)
		return x->frame < y->frame ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

static void add_runs(struct vma_base_walk *w, const struct random_runs *runs, uint8_t dev)
{
	for (size_t i = 0; i < runs->n; i++)
		w->runs[w->n++] = (struct walk_run){ .frame = runs->list[i].frame,
						     .first = runs->list[i].first,
						     .n = runs->list[i].n,
						     .dev = dev };
}

struct vma_base_walk *vma_base_walk_new(const struct vma_base *b, uint8_t dev)
{
	struct vma_base_walk *w = xcalloc(1, sizeof(*w));
	unsigned first = dev ? dev : 1, last = dev ? dev : VMA_MAX_DEVICES;
	size_t n = 0;

	for (unsigned i = first; i <= last; i++)
		n += b->map.runs[i].n;
	w->runs = xreallocarray(NULL, n + 1, sizeof(*w->runs));
	for (unsigned i = first; i <= last; i++)
		add_runs(w, &b->map.runs[i], (uint8_t)i);
	qsort(w->runs, w->n, sizeof(*w->runs), compare_runs);
	return w;
}

/* All runs of a frame are of one device, and no more clusters than an extent has: base-frames.c. */
bool vma_base_walk_next(struct vma_base_walk *w, uint32_t *ret_frame,
			uint64_t ret_keys[VMA_CLUSTERS_PER_EXTENT], unsigned *ret_n)
{
	const uint32_t frame = w->at < w->n ? w->runs[w->at].frame : VMA_BASE_NONE;
	unsigned n = 0;

	if (frame == VMA_BASE_NONE)
		return false;
	for (; w->at < w->n && w->runs[w->at].frame == frame; w->at++)
		for (uint32_t i = 0; i < w->runs[w->at].n; i++)
			ret_keys[n++] = vma_cluster_key(w->runs[w->at].dev, w->runs[w->at].first + i);
	*ret_frame = frame;
	*ret_n = n;
	return true;
}

void vma_base_walk_free(struct vma_base_walk *w)
{
	if (!w)
		return;
	free(w->runs);
	free(w);
}
