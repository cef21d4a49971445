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

/* Where the runs of each frame begin. */
static uint32_t *count_runs(const struct vma_base *b, unsigned first, unsigned last)
{
	uint32_t *starts = xcalloc(b->map.n_frames + 1, sizeof(*starts));

	for (unsigned dev = first; dev <= last; dev++)
		for (size_t i = 0; i < b->map.runs[dev].n; i++)
			starts[b->map.runs[dev].list[i].frame + 1]++;
	for (size_t i = 1; i <= b->map.n_frames; i++)
		starts[i] += starts[i - 1];
	return starts;
}

/* They ascend within a disk, and keep that order within a frame. */
static void place_runs(struct vma_base_walk *w, uint32_t *starts, const struct random_runs *runs, uint8_t dev)
{
	for (size_t i = 0; i < runs->n; i++)
		w->runs[starts[runs->list[i].frame]++] = (struct walk_run){
			.frame = runs->list[i].frame,
			.first = runs->list[i].first,
			.n = runs->list[i].n,
			.dev = dev,
		};
}

struct vma_base_walk *vma_base_walk_new(const struct vma_base *b, uint8_t dev)
{
	struct vma_base_walk *w = xcalloc(1, sizeof(*w));
	const unsigned first = dev ? dev : 1, last = dev ? dev : VMA_MAX_DEVICES;
	_cleanup_free_ uint32_t *starts = count_runs(b, first, last);

	for (unsigned i = first; i <= last; i++)
		w->n += b->map.runs[i].n;
	w->runs = xreallocarray(NULL, w->n + 1, sizeof(*w->runs));
	for (unsigned i = first; i <= last; i++)
		place_runs(w, starts, &b->map.runs[i], (uint8_t)i);
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
