/* Whether a filter can be put under a disk at all. */
#include "base/strv.h"
#include "qemu/internal.h"

bool graph_needs_hold(const struct qemu_features *f, const struct graph_disk *d)
{
	return f->major < 9 && d->iothread && str_prefix(d->qom_type, "scsi-", NULL);
}

/*
 * `qom-set drive` to a node of another AioContext aborts QEMU before 10.1 (and before the stable
 * releases that carry the fix).  It cannot happen here: the filter is opened over the disk's own
 * node and so lives in its context, whatever iothread that is.  Hence nothing is refused by version
 * for it; what the old AioContext locks need is in graph_is_delicate().
 */
int graph_check_insert(const struct qemu_features *f, const struct graph_disk *d, struct error **err)
{
	if (d->throttle && !f->blockdev_reopen)
		return error_set(err, ERR_UNSUPPORTED,
				 "%s: QEMU %d.%d.%d cannot put a filter below the throttle filter "
				 "'%s' (blockdev-reopen is there since 6.1)",
				 d->key, f->major, f->minor, f->micro, d->throttle);
	if (graph_needs_hold(f, d))
		return error_set(err, ERR_UNSUPPORTED,
				 "%s: QEMU %d.%d.%d can crash when a SCSI disk with an iothread is "
				 "read through an export; use QEMU 9.0 or later, take the iothread "
				 "away, or use mode 'stop'",
				 d->key, f->major, f->minor, f->micro);
	return 0;
}
