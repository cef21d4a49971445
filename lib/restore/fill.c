/* The data of a restore, held to the rate that is allowed. */
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "restore/restore-internal.h"

static int on_data(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		   struct error **err)
{
	struct restore *r = opaque;
	int res;

	if (!target_is_open(&r->targets[dev]))
		return 0;
	res = pace_take(&r->pace, len, r->host->cancel, err);
	if (res == 0)
		res = target_write(&r->targets[dev], offset, data, len, err);
	if (res < 0)
		atomic_store(&r->target_failed, true);
	return res;
}

/* New volumes read as zeroes. */
static int on_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	const struct restore *r = opaque;

	(void)dev;
	(void)offset;
	(void)len;
	return cancel_check(r->host->cancel, err);
}

static void on_progress(void *opaque, uint64_t clusters)
{
	const struct restore *r = opaque;

	if (r->p->progress)
		r->p->progress(r->p->opaque, clusters);
}

int restore_copy(struct restore *r, struct error **err)
{
	const struct vma_sink sink = { .data = on_data, .zero = on_zero, .progress = on_progress };
	int res;

	r->start_ns = units_now_ns();
	pace_init(&r->pace, r->bwlimit);
	res = vma_reader_run(r->reader, &sink, r, err);
	if (res >= 0 || res == ERR_CANCELED || atomic_load(&r->target_failed))
		return res;
	if (!strcmp(r->p->archive, "-"))
		error_prefix(err, "cannot read the archive on standard input");
	else
		error_prefix(err, "cannot read archive '%s' ('vma verify' reports what is lost)",
			     r->p->archive);
	return res;
}
