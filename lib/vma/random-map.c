#include "vma/random-map.h"

#include <inttypes.h>

#include "base/mem.h"

void random_map_clear(struct random_map *m)
{
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++)
		free(m->runs[i].list);
	free(m->offsets);
	free(m->contents);
	free(m->secret);
	vma_header_clear(&m->hdr);
	*m = (struct random_map){ 0 };
}

/* Leaves room for one more offset, that of the end. */
void random_map_add_frame(struct random_map *m, uint64_t offset, uint32_t content)
{
	if (m->n_frames + 2 > m->cap_frames) {
		m->cap_frames = m->cap_frames ? 2 * m->cap_frames : 1024;
		m->offsets = xreallocarray(m->offsets, m->cap_frames, sizeof(*m->offsets));
		m->contents = xreallocarray(m->contents, m->cap_frames, sizeof(*m->contents));
	}
	m->offsets[m->n_frames] = offset;
	m->contents[m->n_frames++] = content;
}

int random_map_add_run(struct random_map *m, uint8_t dev, const struct random_run *run, struct error **err)
{
	struct random_runs *r = &m->runs[dev];
	struct random_run *last = r->n ? &r->list[r->n - 1] : NULL;

	if (last && last->frame == run->frame && last->first + last->n == run->first) {
		last->n += run->n;
		return 0;
	}
	if (m->n_runs == RANDOM_MAX_RUNS)
		return error_set(err, ERR_UNSUPPORTED,
				 "its clusters are in more than %zu places; use vma extract",
				 RANDOM_MAX_RUNS);
	m->n_runs++;
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->list = xreallocarray(r->list, r->cap, sizeof(*r->list));
	}
	r->list[r->n++] = *run;
	return 0;
}

static int compare_runs(const void *a, const void *b)
{
	const struct random_run *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static int seal_device(struct random_map *m, unsigned dev, struct error **err)
{
	struct random_runs *r = &m->runs[dev];
	const struct vma_device *d = &m->hdr.devices[dev];
	uint64_t end = 0;

	if (!r->n)
		return 0;
	if (!d->name)
		return error_set(err, ERR_CORRUPT, "device %u is not in the header", dev);
	qsort(r->list, r->n, sizeof(*r->list), compare_runs);
	for (size_t i = 0; i < r->n; i++) {
		if (r->list[i].first < end)
			return error_set(err, ERR_CORRUPT, "%s: cluster %" PRIu32 " comes twice", d->name,
					 r->list[i].first);
		end = (uint64_t)r->list[i].first + r->list[i].n;
	}
	if (end > vma_clusters(d->size))
		return error_set(err, ERR_CORRUPT, "%s: a cluster lies beyond its end", d->name);
	return 0;
}

int random_map_seal(struct random_map *m, struct error **err)
{
	int r = 0;

	for (unsigned dev = 0; r == 0 && dev <= VMA_MAX_DEVICES; dev++)
		r = seal_device(m, dev, err);
	return r;
}

const struct random_run *random_map_find(const struct random_map *m, uint8_t dev, uint64_t cluster)
{
	const struct random_runs *r = &m->runs[dev];
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if ((uint64_t)r->list[mid].first + r->list[mid].n <= cluster)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->n ? &r->list[low] : NULL;
}
