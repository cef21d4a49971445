#include "copy/disk-base.h"

#include <errno.h>

#include "base/trace.h"
#include "vma/reuse.h"

int disk_base_connected(struct copy_disk *d, const struct source_endpoint *s, struct error **err)
{
	const struct vma_header *base = vma_base_header(vma_reuse_base(d->shared->reuse));
	const uint64_t was = base->devices[d->dev].size;
	const char *why_not = s->no_base_bitmap ? s->no_base_bitmap : "there is no dirty bitmap";

	if (!candidates_init(&d->candidates, d->cover.size, was, s->base_bitmap ? NULL : why_not))
		return error_set(err, -ENOMEM, "%s: no memory for a map of its %lu bytes", d->name,
				 (unsigned long)d->cover.size);
	return 0;
}

void disk_base_piece(struct copy_disk *d, const struct piece *p)
{
	candidates_piece(&d->candidates, p);
}

void disk_base_answered(struct copy_disk *d, int error)
{
	candidates_end(&d->candidates, error);
}

static int ask(struct copy_disk *d, struct error **err)
{
	struct question q;

	if (!candidates_next(&d->candidates, &q))
		return 0;
	trace(TRACE_COPY, "%s > base bytes %lu+%lu", d->name, (unsigned long)q.offset,
	      (unsigned long)q.length);
	return nbd_source_ask_base(d->source, q.offset, q.length, err);
}

/* What the reuse has released or wants to have read since the last call. */
static void take_verdicts(struct copy_disk *d)
{
	if (!cover_reuse_take(&d->cover_reuse, &d->released, &d->again))
		return;
	for (size_t i = 0; i < d->released.n; i++)
		queue_done(&d->queue, d->released.v[i]);
	for (size_t i = 0; i < d->again.n; i++) {
		trace(TRACE_COPY, "%s read again clusters %u+%u", d->name, d->again.v[i].first,
		      d->again.v[i].n);
		queue_read_again(&d->queue, d->again.v[i]);
	}
}

/* Zero now and in the base. */
static void on_zero(void *opaque, uint32_t first, uint32_t n)
{
	struct copy_disk *d = opaque;

	queue_add_zeroes(&d->queue, (struct run){ first, n });
}

static void begin(struct copy_disk *d)
{
	struct candidates *c = &d->candidates;
	struct map *map = c->why ? NULL : &c->map;

	/* what is beyond the end of the base's disk becomes a candidate */
	vma_reuse_begin(d->shared->reuse, d->dev, map, on_zero, d);
	if (map)
		cover_claim_clean(&d->cover, map);
	trace(TRACE_COPY, "%s begin: %lu of %lu bytes may have changed%s%s", d->name,
	      (unsigned long)(d->cover.size - atomic_load(&d->cover.clean_bytes)),
	      (unsigned long)d->cover.size, c->why ? ": " : "", c->why ? c->why : "");
	d->begun = true;
	map_clear(&c->map);
	take_verdicts(d);
	queue_trim_first(&d->queue);
}

int disk_base_serve(struct copy_disk *d, struct error **err)
{
	if (d->begun) {
		take_verdicts(d);
		return 0;
	}
	if (!d->candidates.known)
		return ask(d, err);
	begin(d);
	return 0;
}
