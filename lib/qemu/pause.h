/*
 * Pausing a guest for the milliseconds in which its block graph changes.
 *
 * The words for stopping, one meaning each, in all of this project:
 *
 *	paused		the vCPUs do not run: we sent `stop`, and `cont` is to follow.  The journal's entry
 *			for it is called "stopped".
 *	suspended	a guest in backup mode "suspend", as PVE says it: paused for the length of a backup
 *	frozen		the guest's file systems, by its agent (qga.h)
 *	snapshot	what the disks held at the instant, read while the guest writes on (nodes.h)
 *	down		a guest that was shut down for its backup, mode "stop" (guest/guest-ops.h)
 *
 * QEMU before 9.0 has AioContext locks, and needs the guest paused whenever its graph changes while it has
 * iothreads.  Seen on 7.2.22: adding a node over a disk whose iothread is at work aborts it now and then.
 * So:
 *  - every function of lib/qemu that changes the graph pauses such a QEMU; a caller that has several steps to
 *    do saves time with one graph_pause_if_needed() .. graph_pause_end() around them, as pauses nest.  In any
 *    case he writes to the journal first that he pauses (GRAPH_OURS_PAUSED, leftovers.h);
 *  - exports stay in the main loop, so that virtio-blk disks do, too, until the backup is over;
 *  - SCSI disks cannot: graph_iothread_crashes().
 */
#ifndef VZDUMP_QEMU_PAUSE_H
#define VZDUMP_QEMU_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"
#include "qemu/qmp.h"

struct graph_pause {
	bool ours; /* paused by us, ours to continue */
	uint64_t since_ns;
	const struct cancel *cancel; /* put aside while the guest is paused */
};

/*
 * QEMU flushes a disk whose graph changes, and all of them for `stop`, while the guest waits.  This writes
 * out beforehand what the host's page cache holds of the file or device (NULL, or what is no path:
 * nothing), so that little is left then.  Takes as long as the disk takes; QEMU's own flush meets again
 * what fails here.
 */
void graph_write_out(const char *filename);

/* Whether this QEMU must be paused while its graph changes: it is older than 9.0 and has iothreads. */
int graph_pause_is_needed(struct qmp *q, bool *ret, struct error **err);

/*
 * Pauses the guest if it runs, after a graph_write_out() of each writable file and device.  Pauses nest: a
 * guest that is paused already is left to whoever paused it.  Requests to stop are not seen until the end.
 * End the pause also after an error.
 */
int graph_pause_begin(struct qmp *q, struct graph_pause *p, struct error **err);
/* graph_pause_begin() if this QEMU needs it. */
int graph_pause_if_needed(struct qmp *q, struct graph_pause *p, struct error **err);

/* Lets the guest go on if p paused it.  *ret_ns (may be NULL): how long it was paused, seen from here. */
int graph_pause_end(struct qmp *q, struct graph_pause *p, uint64_t *ret_ns, struct error **err);
/* The same after work that ended with r: returns r, or if r is no failure the error of going on. */
int graph_pause_end_after(struct qmp *q, struct graph_pause *p, int r, struct error **err);

/* One command, in a pause if this QEMU needs it.  Takes args over. */
int graph_execute_paused(struct qmp *q, const char *command, struct json_object *args, struct error **err);

#endif
