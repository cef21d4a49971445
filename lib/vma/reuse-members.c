#include "vma/reuse-members.h"

#include "base/mem.h"

void reuse_members_init(struct reuse_members *m)
{
	*m = (struct reuse_members){ 0 };
	pthread_mutex_init(&m->lock, NULL);
}

void reuse_members_clear(struct reuse_members *m)
{
	free(m->runs);
	pthread_mutex_destroy(&m->lock);
}

static void add(struct reuse_members *m, uint32_t frame, uint32_t cluster)
{
	struct reuse_run *last = m->n ? &m->runs[m->n - 1] : NULL;

	if (last && last->frame == frame && last->first + last->n == cluster) {
		last->n++;
		return;
	}
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 1024;
		m->runs = xreallocarray(m->runs, m->cap, sizeof(*m->runs));
	}
	m->runs[m->n++] = (struct reuse_run){ .frame = frame, .first = cluster, .n = 1 };
}

/* The walk goes by the numbers of frames. */
static void make(struct reuse_members *m, const struct vma_base *b, uint8_t dev)
{
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = vma_base_walk_new(b, dev);
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	uint32_t frame;
	unsigned n;

	while (vma_base_walk_next(w, &frame, keys, &n))
		for (unsigned i = 0; i < n; i++)
			add(m, frame, (uint32_t)keys[i]);
	m->made = true;
}

/* The first run of the frame, or of a later one. */
static size_t first_run(const struct reuse_members *m, uint32_t frame)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (m->runs[middle].frame < frame)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

unsigned reuse_members_get(struct reuse_members *m, const struct vma_base *b, uint8_t dev, uint32_t frame,
			   uint32_t ret[VMA_CLUSTERS_PER_EXTENT])
{
	unsigned n = 0;

	pthread_mutex_lock(&m->lock);
	if (!m->made)
		make(m, b, dev);
	for (size_t i = first_run(m, frame); i < m->n && m->runs[i].frame == frame; i++)
		for (uint32_t k = 0; k < m->runs[i].n && n < VMA_CLUSTERS_PER_EXTENT; k++)
			ret[n++] = m->runs[i].first + k;
	pthread_mutex_unlock(&m->lock);
	return n;
}
