/*
 * The features of the running QEMU: it is asked for its commands, and the rest shows when a command is tried
 * that it refuses before it does anything.  Never query-qmp-schema, which the guest would feel, and never
 * guessed from the version, which is used only to avoid bugs.
 */
#ifndef VZDUMP_QEMU_PROBE_H
#define VZDUMP_QEMU_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "qemu/qmp.h"

struct qemu_features {
	bool copy_before_write; /* driver copy-before-write */
	bool on_cbw_error;      /* ... its on-cbw-error */
	bool cbw_timeout;       /* ... its cbw-timeout */
	bool snapshot_access;   /* driver snapshot-access */
	bool throttle;          /* driver throttle */
	bool blockdev_reopen;
	bool nbd_server_start;
	bool block_export_add;
	bool export_bitmaps; /* NBD exports take {node, name} bitmaps */
	int major, minor, micro;
};

/*
 * Asks this QEMU, with a dozen commands that take it at most 0.6 ms each.  The guest does not feel them, and
 * nothing is changed.  Errors are those of qmp_execute().
 */
int qemu_probe(struct qmp *q, struct qemu_features *ret, struct error **err);
/* The same with queries alone, for a dry run: drivers and their options are taken to be there. */
int qemu_look(struct qmp *q, struct qemu_features *ret, struct error **err);

/*
 * 0 if a running guest can be backed up at all; else ERR_UNSUPPORTED, which names the missing feature and the
 * oldest QEMU that has it.
 */
int qemu_require_filter(const struct qemu_features *f, struct error **err);

/*
 * True if one request to snapshot-access may cover several clusters.  In Debian's 7.2.22, if a cluster that
 * was copied to the filter's target is followed by one that was not, QEMU treats both as not copied: a read
 * returns the guest's *new* data, and block status reports zeroes if the guest has discarded it since.
 * 10.0.2 is correct; versions in between were not tested, so they are not trusted.  Reads of one cluster are
 * correct in all versions, and others can be proved (copy/proof.h).
 */
bool qemu_reads_mixed_ranges(const struct qemu_features *f);

/*
 * The value for cbw-timeout that makes it last `seconds`, or as near as possible: before 9.1 QEMU cut the
 * time to 32 bits of nanoseconds (45 s lasted 2 s, 30 s last 4.2 s).
 */
unsigned qemu_cbw_timeout(const struct qemu_features *f, unsigned seconds);
/* How long that really lasts at least. */
uint64_t qemu_cbw_timeout_ns(const struct qemu_features *f, unsigned seconds);

#endif
