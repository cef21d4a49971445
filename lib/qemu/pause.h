/*
 * Pausing a guest for the milliseconds in which its block graph changes.
 *
 * This project uses these words, each with one meaning:
 *
 *	paused		the vCPUs do not run: we have sent `stop`, and will send `cont`.  The journal's entry
 *			for it is called "stopped".
 *	suspended	a guest in backup mode "suspend", as PVE says it: paused for the length of a backup
 *	frozen		the guest's file systems, by its agent (qga.h)
 *	snapshot	the content of the disks at the instant, read while the guest writes (nodes.h)
 *	down		a guest that was shut down for its backup, mode "stop" (guest/guest-ops.h)
 *
 * QEMU before 9.0 has AioContext locks.  If it has iothreads, the guest must be paused whenever the graph
 * changes: 7.2.22 aborted now and then when a node was added above a disk whose iothread was busy.  So:
 *  - Every function of lib/qemu that changes the graph pauses the guest of such a QEMU.  A caller with
 *    several steps saves time with one graph_pause_if_needed() .. graph_pause_end() around them, as pauses
 *    nest.  In any case the caller notes the pause in the journal first (GRAPH_OURS_PAUSED, leftovers.h).
 *  - Exports stay in the main loop, so that virtio-blk disks stay there, too, until the backup is over.
 *  - SCSI disks cannot be moved there: graph_iothread_crashes().
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
	bool ours;                   /* we have paused it, and must let it go on */
	const struct cancel *cancel; /* of the connection, which has none while the guest is paused */
};

/*
 * Writes the host's cached data of a file or device to disk.  QEMU flushes a disk whose graph changes, and
 * all disks for `stop`, while the guest waits; after this call little is left to flush.  Takes as long as the
 * disk needs.  Errors are ignored, because QEMU's own flush reports them.  Does nothing if filename is NULL
 * or not a path.
 */
void graph_write_out(const char *filename);

/* Whether the QEMU has iothreads.  It is asked once per connection. */
int graph_has_iothreads(struct qmp *q, bool *ret, struct error **err);
/* Whether this QEMU must be paused while its graph changes: it is older than 9.0 and has iothreads. */
int graph_pause_is_needed(struct qmp *q, bool *ret, struct error **err);

/*
 * Pauses the guest if it runs, after a graph_write_out() of each file and device that it writes to; fleecing
 * images are not among them.  Pauses nest: if the guest is paused already, neither this nor graph_pause_end()
 * does anything.  Requests to stop have no effect until the end.  The caller must end the pause also after an
 * error.
 */
int graph_pause_begin(struct qmp *q, struct graph_pause *p, struct error **err);
/* graph_pause_begin() if this QEMU needs it. */
int graph_pause_if_needed(struct qmp *q, struct graph_pause *p, struct error **err);

/* Lets the guest go on if p has paused it. */
int graph_pause_end(struct qmp *q, struct graph_pause *p, struct error **err);
/* The same after a step that returned r: returns r if that is an error, else the result of going on. */
int graph_pause_end_after(struct qmp *q, struct graph_pause *p, int r, struct error **err);

/*
 * Runs the commands in a pause of their own, whose `stop` and `cont` are sent in one piece with them: the
 * guest waits for QEMU alone.  QEMU reads what a monitor sends byte by byte, 2.7 us each, which is most of
 * the pause; so the commands should be short.  *ret_ns: how long it was paused, from `stop` to the answer to
 * `cont`; 0 if it did not run.  An error is that of qmp_execute_together(), of `stop` or of `cont`; those of
 * the commands are in the list.
 */
int graph_execute_in_pause(struct qmp *q, struct qmp_command *list, size_t n, uint64_t *ret_ns,
			   struct error **err);

/* Runs one command, in a pause if this QEMU needs it.  Takes ownership of args. */
int graph_execute_paused(struct qmp *q, const char *command, struct json_object *args, struct error **err);

#endif
