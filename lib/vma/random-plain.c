/* The map of an archive that is not packed: its frames are extents. */
#include <inttypes.h>

#include "base/io.h"
#include "base/mem.h"
#include "vma/random-load.h"

static int read_plain_header(int fd, struct random_map *m, uint64_t *ret_size, struct error **err)
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

/* Adds the clusters that an extent stores; *clusters also counts those that are zero. */
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
			return error_wrap(err, r, "extent at byte %" PRIu64, at);
		at += len;
	}
	return 0;
}

int random_map_load_plain(int fd, uint64_t size, struct random_map *m, struct error **err)
{
	uint64_t start, clusters = 0, expected = 0;
	int r = read_plain_header(fd, m, &start, err);

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
				 " clusters (vma verify says which are missing)",
				 clusters, expected);
	return random_map_seal(m, err);
}
