/*
 * What the running QEMU can do, as query-qmp-schema says and never guessed from its version.  The version
 * serves only to steer round bugs, which no schema lists.
 */
#ifndef VZDUMP_QEMU_PROBE_H
#define VZDUMP_QEMU_PROBE_H

#include <stdbool.h>

#include "base/error.h"
#include "qemu/qmp.h"

struct qemu_features {
	bool copy_before_write; /* driver copy-before-write */
	bool on_cbw_error;      /* ... its on-cbw-error */
	bool cbw_timeout;       /* ... its cbw-timeout */
	bool snapshot_access;   /* driver snapshot-access */
	bool blockdev_reopen;
	bool nbd_server_start;
	bool block_export_add;
	bool export_bitmaps; /* NBD exports take {node, name} bitmaps */
	int major, minor, micro;
};

int qemu_probe(struct qmp *q, struct qemu_features *ret, struct error **err);

/*
 * 0 if a running guest can be backed up at all; else ERR_UNSUPPORTED with what is missing and the
 * oldest QEMU that has it.
 */
int qemu_require_filter(const struct qemu_features *f, struct error **err);

/*
 * True if QEMU may be asked through snapshot-access about several clusters at once.  Seen on Debian's
 * 7.2.22: where a cluster that was copied to the filter's target is followed by one that was not,
 * it is taken for not copied too: a read returns the guest's *new* data for it, and block status
 * calls it zero when the guest has discarded it since.  10.0.2 is right; what lies between was
 * not tried, so it is not trusted.  Reads of one cluster are right everywhere.
 */
bool qemu_reads_mixed_ranges(const struct qemu_features *f);

/*
 * The value to give cbw-timeout so that it lasts `seconds`, or as near as this QEMU gets: before
 * 9.1 the time was cut to 32 bits of nanoseconds (45 s lasted 2 s, 30 s last 4.2 s).
 */
unsigned qemu_cbw_timeout(const struct qemu_features *f, unsigned seconds);

#endif
