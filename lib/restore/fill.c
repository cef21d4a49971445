#include "restore/fill.h"

#include <stdatomic.h>
#include <string.h>

#include "base/pace.h"

struct fill {
	const struct restore_context *context;
	struct targets *targets;
	struct pace pace;
	atomic_bool target_failed; /* if not, the archive is to blame for an error */
};

static int on_data(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		   struct error **err)
{
	struct fill *f = opaque;
	struct target *t = &f->targets->of[dev];
	int r;

	if (!target_is_open(t))
		return 0;
	r = pace_take(&f->pace, len, f->context->host->cancel, err);
	if (r == 0)
		r = target_write(t, offset, data, len, err);
	if (r < 0)
		atomic_store(&f->target_failed, true);
	return r;
}

/* New volumes read as zeroes. */
static int on_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	const struct fill *f = opaque;

	(void)dev;
	(void)offset;
	(void)len;
	return cancel_check(f->context->host->cancel, err);
}

static void on_progress(void *opaque, uint64_t clusters)
{
	const struct restore_params *p = ((const struct fill *)opaque)->context->params;

	if (p->progress)
		p->progress(p->opaque, clusters);
}

int fill_targets(const struct restore_context *c, struct vma_reader *reader, struct targets *t,
		 uint64_t bwlimit, struct error **err)
{
	const struct vma_receiver receiver = { .data = on_data, .zero = on_zero, .progress = on_progress };
	struct fill f = { .context = c, .targets = t };
	int r;

	pace_init(&f.pace, bwlimit);
	r = vma_reader_run(reader, &receiver, &f, err);
	if (r >= 0 || r == ERR_CANCELED || atomic_load(&f.target_failed))
		return r;
	if (!strcmp(c->params->archive, "-"))
		error_prefix(err, "cannot read the archive on standard input");
	else
		error_prefix(err, "cannot read archive '%s' ('vma verify' reports what is lost)",
			     c->params->archive);
	return r;
}
