/* The writer's memory: all of it is got at the start, and touched only as it is needed. */
#include <errno.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "vma/writer-internal.h"

#define EXTENT_MAP_SIZE (EXTENT_ALIGN + VMA_CLUSTERS_PER_EXTENT * VMA_CLUSTER_SIZE)

static uint8_t *map(size_t size, struct error **err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		error_errno(err, errno, "cannot get %zu bytes of memory for the archive", size);
		return NULL;
	}
	return p;
}

/* The header of the extent goes right in front of the data, which is aligned to a page. */
static int init_extents(struct vma_writer *w, struct error **err)
{
	w->n_extents = w->o.threads + 6;
	w->extents = xcalloc(w->n_extents, sizeof(*w->extents));
	for (unsigned i = 0; i < w->n_extents; i++) {
		uint8_t *p = map(EXTENT_MAP_SIZE, err);

		if (!p)
			return -ENOMEM;
		w->extents[i].data = p + EXTENT_ALIGN;
		writer_give_extent(w, &w->extents[i]);
	}
	return 0;
}

static void init_batches(struct vma_writer *w)
{
	w->n_batches = w->o.threads + 2;
	w->batches = xcalloc(w->n_batches, sizeof(*w->batches));
	for (unsigned i = 0; i < w->n_batches; i++)
		writer_give_batch(w, &w->batches[i]);
}

/* Without zstd only batches need memory; extents are written from where they are. */
static int init_frames(struct vma_writer *w, struct error **err)
{
	size_t cap = writer_is_zstd(w) ? frame_bound(VMA_EXTENT_MAX_SIZE) : ZERO_FRAME_SIZE;

	w->n_frames = w->o.threads + 2;
	w->frames = xcalloc(w->n_frames, sizeof(*w->frames));
	w->pending = xcalloc(w->n_frames, sizeof(struct frame *));
	for (unsigned i = 0; i < w->n_frames; i++) {
		struct frame *f = &w->frames[i];

		f->out = map(cap, err);
		if (!f->out)
			return -ENOMEM;
		f->out_cap = cap;
		f->next = w->free_frames;
		w->free_frames = f;
	}
	return 0;
}

int writer_pool_init(struct vma_writer *w, struct error **err)
{
	int r = init_extents(w, err);

	if (r == 0)
		r = init_frames(w, err);
	if (r < 0)
		return r;
	init_batches(w);
	w->todo_cap = w->n_extents + w->n_batches;
	w->todo = xcalloc(w->todo_cap, sizeof(*w->todo));
	return 0;
}

void writer_pool_clear(struct vma_writer *w)
{
	for (unsigned i = 0; i < w->n_extents && w->extents[i].data; i++)
		munmap(w->extents[i].data - EXTENT_ALIGN, EXTENT_MAP_SIZE);
	for (unsigned i = 0; i < w->n_frames && w->frames[i].out; i++)
		munmap(w->frames[i].out, w->frames[i].out_cap);
	free(w->extents);
	free(w->frames);
	free(w->pending);
	free(w->batches);
	free(w->todo);
}
