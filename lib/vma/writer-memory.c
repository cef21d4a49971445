#include "vma/writer-memory.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/mem.h"

#define EXTENT_ALIGN    4096u
#define EXTENT_MAP_SIZE (EXTENT_ALIGN + VMA_CLUSTERS_PER_EXTENT * VMA_CLUSTER_SIZE)

uint8_t *writer_memory_map(size_t size, struct error **err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		error_errno(err, errno, "cannot get %zu bytes of memory for the archive", size);
		return NULL;
	}
	return p;
}

void writer_memory_unmap(uint8_t *p, size_t size)
{
	if (p)
		munmap(p, size);
}

/* The header of the extent goes right in front of the data, which is aligned to a page. */
static int init_extents(struct writer_memory *m, struct error **err)
{
	m->extents = xcalloc(m->n_extents, sizeof(*m->extents));
	for (unsigned i = 0; i < m->n_extents; i++) {
		uint8_t *p = writer_memory_map(EXTENT_MAP_SIZE, err);

		if (!p)
			return -ENOMEM;
		m->extents[i].data = p + EXTENT_ALIGN;
	}
	return 0;
}

static int init_frames(struct writer_memory *m, size_t size, struct error **err)
{
	m->frames = xcalloc(m->n_frames, sizeof(*m->frames));
	for (unsigned i = 0; i < m->n_frames; i++) {
		m->frames[i].out = writer_memory_map(size, err);
		if (!m->frames[i].out)
			return -ENOMEM;
		m->frames[i].out_cap = size;
	}
	return 0;
}

int writer_memory_init(struct writer_memory *m, size_t frame_size, struct error **err)
{
	int r = init_extents(m, err);

	if (r == 0)
		r = init_frames(m, frame_size, err);
	m->zeroes = xcalloc(m->n_zeroes, sizeof(*m->zeroes));
	return r;
}

void writer_memory_clear(struct writer_memory *m)
{
	for (unsigned i = 0; m->extents && i < m->n_extents && m->extents[i].data; i++)
		munmap(m->extents[i].data - EXTENT_ALIGN, EXTENT_MAP_SIZE);
	for (unsigned i = 0; m->frames && i < m->n_frames && m->frames[i].out; i++)
		munmap(m->frames[i].out, m->frames[i].out_cap);
	free(m->extents);
	free(m->frames);
	free(m->zeroes);
	*m = (struct writer_memory){ 0 };
}
