#include "vma/diff.h"

#include <string.h>

#include "vma/index.h"

/* One of the two archives, and the trailer that was read last. */
struct side {
	struct vma_base *archive;
	uint8_t dev;
	uint64_t size; /* of the disk; 0: there is none */
	uint32_t frame;
	struct vma_trailer trailer;
};

struct diff {
	struct side sides[2];
	void (*range)(void *opaque, const struct vma_diff_range *r);
	void *opaque;
	struct vma_diff_range open; /* len 0: none */
	uint64_t counted;           /* clusters before this one */
	struct vma_diff_totals totals;
};

int vma_diff_check(const struct vma_base *const archives[2], struct error **err)
{
	const struct vma_chain *a = vma_base_chain(archives[0]), *b = vma_base_chain(archives[1]);

	if (memcmp(vma_base_header(archives[0])->uuid, vma_base_header(archives[1])->uuid, VMA_UUID_SIZE) ==
		    0 &&
	    memcmp(&a->secret, &b->secret, sizeof(a->secret)) == 0)
		return 0;
	return error_set(err, ERR_UNSUPPORTED, "'%s' and '%s' belong to different chains",
			 vma_base_name(archives[0]), vma_base_name(archives[1]));
}

static void side_init(struct side *s, struct vma_base *archive, uint8_t dev)
{
	s->archive = archive;
	s->dev = dev;
	s->size = dev ? vma_base_header(archive)->devices[dev].size : 0;
	s->frame = VMA_BASE_NONE;
}

static void end_range(struct diff *d)
{
	if (d->open.len && d->range)
		d->range(d->opaque, &d->open);
	d->open.len = 0;
}

/* Adds bytes that differ, which lie behind all others. */
static void add_bytes(struct diff *d, uint64_t from, uint64_t to, enum vma_diff_kind a, enum vma_diff_kind b)
{
	const uint64_t end = vma_clusters(to);
	uint64_t first = from / VMA_CLUSTER_SIZE;

	first = first > d->counted ? first : d->counted;
	d->totals.clusters += end > first ? end - first : 0;
	d->counted = end;
	d->totals.bytes += to - from;
	if (!d->open.len || d->open.offset + d->open.len != from || d->open.kinds[0] != a ||
	    d->open.kinds[1] != b) {
		end_range(d);
		d->open = (struct vma_diff_range){ .offset = from, .kinds = { a, b } };
	}
	d->open.len += to - from;
}

/* Gets the hash of a cluster that the frame stores. */
static int find_hash(struct side *s, uint32_t frame, uint32_t cluster, const uint8_t **ret,
		     struct error **err)
{
	const struct vma_trailer_entry *e;
	int r = 0;

	if (s->frame != frame)
		r = vma_base_trailer(s->archive, frame, &s->trailer, err);
	s->frame = r == 0 ? frame : VMA_BASE_NONE;
	if (r < 0)
		return r;
	e = vma_trailer_find(&s->trailer, vma_cluster_key(s->dev, cluster));
	if (!e)
		return error_set(err, ERR_CORRUPT, "%s: the trailer of frame %u has no entry for cluster %u",
				 vma_base_name(s->archive), frame, cluster);
	*ret = e->hash;
	return 0;
}

/* Clusters that both archives store, each in one frame. */
static int compare_clusters(struct diff *d, const uint32_t frames[2], uint32_t first, uint32_t n,
			    uint64_t end, struct error **err)
{
	for (uint32_t c = first; c < first + n; c++) {
		const uint64_t from = (uint64_t)c * VMA_CLUSTER_SIZE, to = from + VMA_CLUSTER_SIZE;
		const uint8_t *hashes[2];

		for (unsigned i = 0; i < 2; i++) {
			int r = find_hash(&d->sides[i], frames[i], c, &hashes[i], err);

			if (r < 0)
				return r;
		}
		if (memcmp(hashes[0], hashes[1], VMA_HASH_SIZE) != 0)
			add_bytes(d, from, to < end ? to : end, VMA_DIFF_DATA, VMA_DIFF_DATA);
	}
	return 0;
}

/* The frame that stores a cluster in this archive, as for *n clusters; *n is lowered. */
static uint32_t find_frame(const struct side *s, uint32_t cluster, uint32_t *n, enum vma_diff_kind *ret_kind)
{
	uint32_t own;
	const uint32_t frame = vma_base_find(s->archive, s->dev, cluster, &own);

	*n = own < *n ? own : *n;
	*ret_kind = frame == VMA_BASE_NONE ? VMA_DIFF_ZERO : VMA_DIFF_DATA;
	return frame;
}

/* The bytes up to `end`, which both have. */
static int compare_common(struct diff *d, uint64_t end, struct error **err)
{
	const uint64_t clusters = vma_clusters(end);
	uint32_t n;
	int r = 0;

	for (uint64_t c = 0; r == 0 && c < clusters; c += n) {
		const uint64_t from = c * VMA_CLUSTER_SIZE;
		enum vma_diff_kind kinds[2];
		uint32_t frames[2];
		uint64_t to;

		n = clusters - c < UINT32_MAX ? (uint32_t)(clusters - c) : UINT32_MAX;
		for (unsigned i = 0; i < 2; i++)
			frames[i] = find_frame(&d->sides[i], (uint32_t)c, &n, &kinds[i]);
		to = from + (uint64_t)n * VMA_CLUSTER_SIZE;
		if (kinds[0] != kinds[1])
			add_bytes(d, from, to < end ? to : end, kinds[0], kinds[1]);
		else if (kinds[0] == VMA_DIFF_DATA)
			r = compare_clusters(d, frames, (uint32_t)c, n, end, err);
	}
	return r;
}

/* The bytes from `from` on, which only one has. */
static void add_rest(struct diff *d, unsigned owner, uint64_t from)
{
	const struct side *s = &d->sides[owner];

	while (from < s->size) {
		const uint64_t c = from / VMA_CLUSTER_SIZE;
		uint32_t n = UINT32_MAX;
		enum vma_diff_kind kinds[2] = { VMA_DIFF_NONE, VMA_DIFF_NONE };
		uint64_t to;

		find_frame(s, (uint32_t)c, &n, &kinds[owner]);
		to = (c + n) * VMA_CLUSTER_SIZE;
		to = to < s->size ? to : s->size;
		add_bytes(d, from, to, kinds[0], kinds[1]);
		from = to;
	}
}

int vma_diff_disk(struct vma_base *const archives[2], const uint8_t devs[2],
		  void (*range)(void *opaque, const struct vma_diff_range *r), void *opaque,
		  struct vma_diff_totals *ret, struct error **err)
{
	struct diff d = { .range = range, .opaque = opaque };
	uint64_t common;
	int r;

	for (unsigned i = 0; i < 2; i++)
		side_init(&d.sides[i], archives[i], devs[i]);
	common = d.sides[0].size < d.sides[1].size ? d.sides[0].size : d.sides[1].size;
	r = compare_common(&d, common, err);
	if (r < 0)
		return r;
	add_rest(&d, d.sides[1].size > common, common);
	end_range(&d);
	*ret = d.totals;
	return 0;
}
