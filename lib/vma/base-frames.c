/* What the index and the seek table say of the frames of the base. */
#include <inttypes.h>

#include "base/mem.h"
#include "vma/base-internal.h"

uint32_t vma_base_frames(const struct vma_base *b)
{
	return (uint32_t)b->map.n_frames;
}

uint8_t vma_base_frame_dev(const struct vma_base *b, uint32_t frame)
{
	return b->devs[frame];
}

unsigned vma_base_frame_clusters(const struct vma_base *b, uint32_t frame)
{
	return b->counts[frame];
}

void vma_base_span(const struct vma_base *b, uint32_t frame, struct vma_base_span *ret)
{
	const uint64_t *offsets = b->map.offsets;

	*ret = (struct vma_base_span){ .offset = offsets[frame],
				       .frame = offsets[frame + 1] - offsets[frame],
				       .trailer = offsets[frame + 2] - offsets[frame + 1],
				       .content = b->map.contents[frame] };
}

static int frame_is_wrong(uint64_t frame, const char *text, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "frame %" PRIu64 " %s", frame, text);
}

static int count_run(struct vma_base *b, uint8_t dev, const struct random_run *run, struct error **err)
{
	uint8_t *other = &b->devs[run->frame], *count = &b->counts[run->frame];

	if (*other && *other != dev)
		return frame_is_wrong(run->frame, "stores clusters of two disks", err);
	if (run->n > VMA_CLUSTERS_PER_EXTENT - *count)
		return frame_is_wrong(run->frame, "stores more clusters than an extent holds", err);
	*other = dev;
	*count = (uint8_t)(*count + run->n);
	return 0;
}

static int count_clusters(struct vma_base *b, struct error **err)
{
	int r = 0;

	for (unsigned dev = 1; dev <= VMA_MAX_DEVICES; dev++)
		for (size_t i = 0; r == 0 && i < b->map.runs[dev].n; i++)
			r = count_run(b, (uint8_t)dev, &b->map.runs[dev].list[i], err);
	return r;
}

/* The frame and its trailer, which can be taken over in one piece. */
static int check_frame(const struct vma_base *b, uint32_t frame, struct error **err)
{
	const uint64_t mask = b->chain.align - 1;
	const size_t trailer = vma_trailer_size(b->counts[frame]);
	struct vma_base_span p;

	/* the last two are the chain frame and the root of the index */
	if (!frame || (uint64_t)frame + 3 >= b->map.n_frames || b->devs[frame + 1])
		return frame_is_wrong(frame, "has no trailer", err);
	vma_base_span(b, frame, &p);
	if (p.offset & mask || (p.offset + p.frame + p.trailer) & mask)
		return frame_is_wrong(frame, "and its trailer are not between boundaries", err);
	if (p.content > VMA_EXTENT_MAX_SIZE || p.frame > frame_bound((size_t)p.content) ||
	    p.content < VMA_EXTENT_HEADER_SIZE + (uint64_t)b->counts[frame] * VMA_BLOCK_SIZE)
		return frame_is_wrong(frame, "has a size that its clusters cannot have", err);
	if (b->map.contents[frame + 1] || p.trailer < trailer || p.trailer - trailer > mask)
		return frame_is_wrong(frame, "is not followed by its trailer", err);
	return 0;
}

int base_frames_init(struct vma_base *b, struct error **err)
{
	int r;

	b->devs = xcalloc(b->map.n_frames, 1);
	b->counts = xcalloc(b->map.n_frames, 1);
	r = count_clusters(b, err);
	for (uint32_t frame = 0; r == 0 && frame < b->map.n_frames; frame++)
		if (b->devs[frame])
			r = check_frame(b, frame, err);
	return r;
}
