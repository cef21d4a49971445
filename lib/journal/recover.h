/*
 * Recovery: undoes whatever a guest's journal says is still there.  The same code ends every backup, good or
 * bad, and cleans up after one that was killed.
 */
#ifndef VZDUMP_JOURNAL_RECOVER_H
#define VZDUMP_JOURNAL_RECOVER_H

#include "storage/host.h"
#include "guest/guest-ops.h"
#include "journal/journal.h"

/* The socket of a backup's NBD server in QEMU, in the folder that the journal has as JOURNAL_DIR. */
#define RECOVER_NBD_SOCKET "nbd.sock"

/* What a backup does to a guest that runs.  recover_guest() undoes all of it together. */
#define JOURNAL_QEMU    "qemu"    /* the process of the next four; value: its pid and proc_start_ticks() */
#define JOURNAL_GRAPH   "graph"   /* nodes, filters, bitmaps, exports with our prefix in the guest's QEMU */
#define JOURNAL_SERVER  "server"  /* the NBD server in the guest's QEMU */
#define JOURNAL_STOPPED "stopped" /* the vCPUs are paused by us */
#define JOURNAL_FROZEN  "frozen"  /* the guest's file systems are frozen by us */

extern const struct journal_kind journal_kind_qemu;
extern const struct journal_kind journal_kind_graph;
extern const struct journal_kind journal_kind_server;
extern const struct journal_kind journal_kind_stopped;
extern const struct journal_kind journal_kind_frozen;

extern const struct journal_kind journal_kind_file;
extern const struct journal_kind journal_kind_dir;
extern const struct journal_kind journal_kind_lock;

/*
 * Undoes what the guest notices: removes filters, nodes, exports and the NBD server from its QEMU, lets
 * paused vCPUs go on, thaws file systems.  If QEMU's process has ended, all of that has ended with it.  A QMP
 * connection that ends, or cannot be made, is tried again for 15 s, for 30 s if the vCPUs are paused.  A
 * request to stop shortens these waits, but everything is undone all the same.  Returns the first error.
 * Whatever could not be undone stays in the journal; file systems stay there unless the agent answers that
 * they are not frozen.
 */
int recover_guest(const struct host *host, struct journal *j, const struct log *log, struct error **err);

/*
 * Notes which process the guest's QEMU is, before anything is put into it: recover_guest() takes everything
 * to be gone when this process has ended.
 */
int recover_note_process(struct journal *j, const struct guest_process *p, struct error **err);

/*
 * Undoes the rest, kind by kind in the order of their ranks: fleecing images, what a restore has made,
 * temporary files and folders, the lock; a guest that was shut down for its backup is started.  Failures are
 * logged and stay in the journal.  Returns the first error.
 */
int recover_rest(const struct host *host, struct journal *j, const struct log *log, struct error **err);

/*
 * Does both for each guest that has the journal of a dead process (vmid 0: for all of them), and logs what it
 * does. *ret_n (may be NULL) is the number of guests.  Returns the first error.
 */
int recover_all(const struct host *host, uint32_t vmid, unsigned *ret_n, struct error **err);

/*
 * For the rows of kinds: removes a file; 0 also if there is none.  ERR_TIMEOUT if its file system does not
 * answer within some seconds, so that it holds up nothing else.
 */
int recover_remove_file(const char *path, struct error **err);

#endif
