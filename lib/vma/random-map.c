/* Which frame holds which cluster, in memory; and an archive that is not packed. */
#include <errno.h>
#include <inttypes.h>

#include "base/io.h"
#include "base/mem.h"
#include "vma/index.h"
#include "vma/random-internal.h"

void random_map_clear(struct random_map *m)
{
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++)
		free(m->runs[i].list);
	free(m->offsets);
	free(m->contents);
	vma_header_clear(&m->hdr);
	*m = (struct random_map){ 0 };
}

/* Room for one more and for the end behind it. */
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
				 "its clusters stand in more than %zu places; take vma extract",
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
		return error_set(err, ERR_CORRUPT, "%s: a cluster lies behind its end", d->name);
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

/* ---- not packed ---- */

static int read_header(int fd, struct random_map *m, uint64_t *ret_size, struct error **err)
{
	uint8_t fixed[VMA_HEADER_SIZE];
	_cleanup_free_ uint8_t *all = NULL;
	size_t len;
	int r;

	if (io_pread_full(fd, fixed, sizeof(fixed), 0) != (ssize_t)sizeof(fixed))
		return error_set(err, ERR_CORRUPT, "it ends inside the header");
	r = vma_header_size(fixed, &len, err);
	if (r < 0)
		return r;
	all = xmalloc(len);
	if (io_pread_full(fd, all, len, 0) != (ssize_t)len)
		return error_set(err, ERR_CORRUPT, "it ends inside the header");
	*ret_size = len;
	return vma_header_decode(all, len, &m->hdr, err);
}

/* Adds what an extent stores; *clusters counts those that are zero, too. */
static int add_extent(struct random_map *m, const uint8_t *header, uint64_t *clusters, struct error **err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < VMA_CLUSTERS_PER_EXTENT; i++) {
		struct vma_block_info b = vma_block_info_decode(header, i);
		const struct vma_device *d = &m->hdr.devices[b.dev];

		if (!b.dev)
			continue;
		if (!d->name || b.cluster >= vma_clusters(d->size))
			return error_set(err, ERR_CORRUPT, "it names a cluster that no disk has");
		++*clusters;
		if (!b.mask)
			continue;
		m->stored[b.dev] += vma_stored_bytes(b.mask, vma_cluster_len(d->size, b.cluster));
		r = random_map_add_run(m, b.dev,
				       &(struct random_run){ .first = b.cluster,
							     .n = 1,
							     .frame = (uint32_t)m->n_frames - 1 },
				       err);
	}
	return r;
}

static int walk_extents(int fd, uint64_t at, uint64_t size, struct random_map *m, uint64_t *clusters,
			struct error **err)
{
	while (at < size) {
		uint8_t header[VMA_EXTENT_HEADER_SIZE];
		size_t len;
		int r = 0;

		if (io_pread_full(fd, header, sizeof(header), (off_t)at) != (ssize_t)sizeof(header))
			return error_set(err, ERR_CORRUPT, "it ends inside an extent");
		r = vma_extent_header_decode(header, m->hdr.uuid, &len, err);
		if (r == 0 && len > size - at)
			r = error_set(err, ERR_CORRUPT, "it is cut off");
		if (r == 0) {
			random_map_add_frame(m, at, (uint32_t)len);
			r = add_extent(m, header, clusters, err);
		}
		if (r < 0)
			return error_prefix(err, "extent at byte %" PRIu64, at), r;
		at += len;
	}
	return 0;
}

int random_map_load_plain(int fd, uint64_t size, struct random_map *m, struct error **err)
{
	uint64_t start, clusters = 0, expected = 0;
	int r = read_header(fd, m, &start, err);

	if (r < 0)
		return r;
	m->plain = true;
	r = walk_extents(fd, start, size, m, &clusters, err);
	if (r < 0)
		return r;
	if (m->n_frames)
		m->offsets[m->n_frames] = size;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (m->hdr.devices[i].name)
			expected += vma_clusters(m->hdr.devices[i].size);
	if (clusters != expected)
		return error_set(err, ERR_CORRUPT,
				 "it holds %" PRIu64 " of %" PRIu64
				 " clusters (vma verify tells which are missing)",
				 clusters, expected);
	return random_map_seal(m, err);
}
