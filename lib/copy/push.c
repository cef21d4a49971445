#include "copy/push.h"

#include "base/trace.h"
#include "copy/wake.h"

/* How many clusters from `first` on, up to `end`, are done, or are not, as the first one. */
static uint32_t count_alike(struct cover *c, uint32_t first, uint32_t end, bool *ret_done)
{
	uint32_t n = 1;

	*ret_done = cover_is_done(c, first);
	while (first + n < end && cover_is_done(c, first + n) == *ret_done)
		n++;
	return n;
}

/* Takes the cluster; false if it was taken before. */
static bool take(const struct push *p, uint32_t cluster)
{
	if (!cover_mark_done(p->cover, cluster))
		return false;
	cover_count_pushed(p->cover, cover_cluster_len(p->cover, cluster));
	if (p->reuse)
		vma_reuse_pushed(p->reuse, p->dev, cluster);
	return true;
}

static int push_get(void *opaque, uint64_t offset, uint32_t length, struct sink_buffer *ret)
{
	const struct push *p = opaque;
	const uint32_t first = (uint32_t)(offset / VMA_CLUSTER_SIZE);
	struct vma_extent *e;
	bool done;
	uint32_t n = count_alike(p->cover, first, first + clusters_up(length), &done);

	trace(TRACE_COPY, "%s < push clusters %u+%u%s", p->name, first, n, done ? ": done before" : "");
	*ret = (struct sink_buffer){ 0 };
	if (!done) {
		int got = fill_take(p->fill, n, &e, &ret->slot, NULL);

		/* the archive is lost; the guest goes on, and QEMU drops the snapshot */
		if (got < 0)
			return got;
		n = (uint32_t)got;
		ret->data = vma_extent_slot(e, ret->slot);
		ret->owner = e;
	}
	ret->length = (uint32_t)cover_bytes(p->cover, (struct run){ first, n });
	return 0;
}

static void push_put(void *opaque, uint64_t offset, const struct sink_buffer *b)
{
	const struct push *p = opaque;
	const uint32_t first = (uint32_t)(offset / VMA_CLUSTER_SIZE), n = clusters_up(b->length);

	for (uint32_t i = 0; i < n; i++) {
		/* a read may have been faster */
		if (take(p, first + i))
			vma_extent_set(b->owner, b->slot + i, p->dev, first + i,
				       cover_cluster_len(p->cover, first + i));
	}
	fill_settle(p->fill, b->owner, n);
	wake_up(p->wake_fd);
}

static void push_drop(void *opaque, const struct sink_buffer *b)
{
	const struct push *p = opaque;

	fill_settle(p->fill, b->owner, clusters_up(b->length));
}

static int push_zero(void *opaque, uint64_t offset, uint32_t length)
{
	const struct push *p = opaque;
	const uint32_t first = (uint32_t)(offset / VMA_CLUSTER_SIZE), end = first + clusters_up(length);
	int r = 0;

	trace(TRACE_COPY, "%s < push clusters %u+%u: zero", p->name, first, end - first);
	for (uint32_t at = first; at < end; at++) {
		if (take(p, at) && vma_writer_zero(p->writer, p->dev, at, 1, NULL) < 0)
			r = -1;
	}
	wake_up(p->wake_fd);
	return r;
}

const struct sink_ops push_sink_ops = {
	.get = push_get,
	.put = push_put,
	.drop = push_drop,
	.zero = push_zero,
};
