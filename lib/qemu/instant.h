/*
 * The instant: filters go in under the guest, all at once, and out again.  What the disks hold then is
 * what is backed up.
 */
#ifndef VZDUMP_QEMU_INSTANT_H
#define VZDUMP_QEMU_INSTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "qemu/disk.h"
#include "qemu/names.h"
#include "qemu/probe.h"
#include "qemu/qmp.h"

struct graph_insertion {
	const struct graph_disk *disk;
	const struct graph_names *names;
};

struct graph_instant {
	bool paused;        /* the guest was paused for it */
	uint64_t paused_ns; /* for how long, seen from here */
};

/*
 * ERR_UNSUPPORTED with the reason if the filter cannot, or should not, be put under this disk; the latter
 * is for disks with graph_iothread_crashes().
 */
int graph_check_insert(const struct qemu_features *f, const struct graph_disk *d, struct error **err);

/*
 * Puts all filters under the guest in one instant: pauses it if it runs and that is needed (several disks;
 * IDE and SATA; graph_pause_is_needed()), inserts, lets it go on.  On error what was inserted is removed
 * again and the guest runs as before.  A caller who is killed in here leaves the guest paused: he writes
 * GRAPH_OURS_PAUSED to the journal before, and strikes it after.
 */
int graph_insert(struct qmp *q, const struct graph_insertion *items, size_t n, struct graph_instant *ret,
		 struct error **err);
/*
 * Takes one filter out from under the guest, by what the graph looks like now; fine if it is not there.
 * For IDE and SATA the guest is paused: GRAPH_OURS_PAUSED again.  ERR_PEER says who else uses the filter.
 */
int graph_remove(struct qmp *q, const struct graph_names *n, struct error **err);

/*
 * Makes `node` the guest's disk; throttling stays on top.  Never for the node that the disk has already:
 * `qom-set` of that hangs QEMU 7.2.22 for ever.
 */
int graph_place(struct qmp *q, const struct graph_disk *d, const char *node, struct error **err);

#endif
