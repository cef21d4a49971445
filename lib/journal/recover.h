/*
 * Recovery: undoes everything that is left in a guest's journal.  The same code runs at the end of every
 * backup, successful or not, and cleans up after a backup that was killed.
 */
#ifndef VZDUMP_JOURNAL_RECOVER_H
#define VZDUMP_JOURNAL_RECOVER_H

#include "storage/host.h"
#include "guest/guest-ops.h"
#include "journal/journal.h"

/* The socket of a backup's NBD server in QEMU, in the folder that the journal has as JOURNAL_DIR. */
#define RECOVER_NBD_SOCKET "nbd.sock"

/* Changes of a backup to a running guest.  recover_guest() undoes all of them together. */
#define JOURNAL_QEMU    "qemu"    /* the process of the next four; value: its pid and proc_start_ticks() */
#define JOURNAL_GRAPH   "graph"   /* nodes, filters, bitmaps, exports with our prefix in the guest's QEMU */
#define JOURNAL_SERVER  "server"  /* the NBD server in the guest's QEMU */
#define JOURNAL_STOPPED "stopped" /* we have paused the vCPUs */
#define JOURNAL_FROZEN  "frozen"  /* we have frozen the guest's file systems */

extern const struct journal_kind journal_kind_qemu;
extern const struct journal_kind journal_kind_graph;
extern const struct journal_kind journal_kind_server;
extern const struct journal_kind journal_kind_stopped;
extern const struct journal_kind journal_kind_frozen;

extern const struct journal_kind journal_kind_file;
extern const struct journal_kind journal_kind_dir;
extern const struct journal_kind journal_kind_lock;

/*
 * Undoes the changes to a running guest: removes filters, nodes, exports and the NBD server from its QEMU,
 * resumes paused vCPUs, thaws file systems.  If QEMU's process has ended, nothing of that is left.  If a QMP
 * connection ends or cannot be made, it tries again for 15 s, for 30 s if the vCPUs are paused.  A request to
 * stop shortens these waits, but does not prevent the undoing.  Returns the first error.  Entries that could
 * not be undone stay in the journal; that of frozen file systems stays unless the agent answers that they are
 * not frozen.
 */
int recover_guest(const struct host *host, struct journal *j, const struct log *log, struct error **err);

/*
 * Notes the process of the guest's QEMU, before anything is added to it.  When this process has ended,
 * recover_guest() assumes that everything in it is gone.
 */
int recover_note_process(struct journal *j, const struct guest_process *p, struct error **err);

/*
 * Undoes the rest, kind by kind in the order of their ranks: fleecing images, what a restore has made,
 * temporary files and folders, the lock; a guest that was shut down for its backup is started.  Failures are
 * logged and stay in the journal.  Returns the first error.
 */
int recover_rest(const struct host *host, struct journal *j, const struct log *log, struct error **err);

/*
 * Does both for the guest `vmid` (0: for all guests) if it has the journal of a dead process, and logs what
 * it does, and what it cannot undo.  *ret_n (may be NULL) is the number of such guests.  Returns the first
 * error, which says whose journal is left.
 */
int recover_all(const struct host *host, uint32_t vmid, unsigned *ret_n, struct error **err);

/*
 * For the rows of kinds: removes a file; 0 also if there is none.  ERR_TIMEOUT if its file system does not
 * answer within some seconds, so that other entries need not wait for it.
 */
int recover_remove_file(const char *path, struct error **err);

#endif
