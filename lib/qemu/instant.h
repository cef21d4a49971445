/*
 * Inserts all filters under a guest at the same instant, and removes them again.  The backup is the content
 * of the disks at that instant.
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
	uint64_t paused_ns; /* for how long, measured from `stop` to the answer to `cont` */
};

/*
 * ERR_UNSUPPORTED with the reason if this QEMU cannot insert the filter under this disk, or could crash
 * (graph_iothread_crashes()).
 */
int graph_check_insert(const struct qemu_features *f, const struct graph_disk *d, struct error **err);

/*
 * Inserts all filters under the guest in one instant: pauses the guest if it runs and that is needed (several
 * disks without a throttle filter; IDE and SATA; graph_pause_is_needed()), inserts them and resumes the
 * guest.  On error, filters that were inserted are removed again and the guest runs as before.  If the
 * process is killed in here, the guest stays paused; so the caller notes GRAPH_OURS_PAUSED in the journal
 * before the call and strikes it afterwards.
 */
int graph_insert(struct qmp *q, const struct graph_insertion *items, size_t n, struct graph_instant *ret,
		 struct error **err);
/*
 * Removes one filter from under the guest, wherever it is in the graph g; 0 also if it is not there, or not
 * any more.  g is as new as can be, and what QEMU flushes for it has been written out before g was loaded
 * (graph_write_out()).  For IDE and SATA the guest is paused, so GRAPH_OURS_PAUSED is needed as above.
 * ERR_PEER: QEMU refuses that; graph_check_filter_users() may know why.
 */
int graph_remove(struct qmp *q, const struct blockgraph *g, const char *filter, struct error **err);

/*
 * Makes `node` the guest's disk; a throttle filter stays above it.  Never call it for the node that the disk
 * has already: that `qom-set` makes QEMU 7.2.22 hang for ever.
 */
int graph_place(struct qmp *q, const struct graph_disk *d, const char *node, struct error **err);

#endif
