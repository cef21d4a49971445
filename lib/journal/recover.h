/*
 * Puts things right: undoes all that a guest's journal says is still there.  The same code ends
 * every backup, good or bad, and cleans up after one that was killed.
 */
#ifndef VZDUMP_JOURNAL_RECOVER_H
#define VZDUMP_JOURNAL_RECOVER_H

#include "storage/host.h"
#include "guest/guest-ops.h"
#include "journal/journal.h"

/* Where a backup's NBD server in QEMU listens, in the folder that its journal has as JOURNAL_DIR. */
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
 * What the guest notices: vCPUs run, file systems thawed, filters, nodes, exports and NBD server out
 * of its QEMU.  A QEMU whose process is gone took all that along; a QMP connection that ends, or
 * cannot be made, is tried again for some time, for 30 s if the guest stands still.  A request to
 * stop shortens the waits but keeps nothing from being undone.  Returns the first error; what could
 * not be undone stays in the journal: file systems only if the agent says that they are frozen, or
 * nothing.
 */
int recover_guest(const struct host *host, struct journal *j, const struct log *log, struct error **err);

/* Before anything is put into that QEMU: recover_guest() believes that it has ended when this has. */
int recover_note_process(struct journal *j, const struct guest_process *p, struct error **err);

/*
 * The rest, kind by kind as their rows say: fleecing images, what a restore has made, temporary files and
 * folders, the lock, and starting a guest that was shut down for its backup.  What fails is logged and stays
 * in the journal.  Returns the first error.
 */
int recover_rest(const struct host *host, struct journal *j, const struct log *log, struct error **err);

/*
 * Both, for each guest with a journal of a dead process (vmid 0: all).  The caller holds the global
 * lock, so nobody else works on them.  Says what it does in log.  *ret_n (may be NULL): how many.
 */
int recover_all(const struct host *host, uint32_t vmid, unsigned *ret_n, struct error **err);

/*
 * For rows: removes a file; one that is gone is fine.  ERR_TIMEOUT if its file system does not answer within
 * some seconds: it stays in the journal then, and the rest is undone.
 */
int recover_remove_file(const char *path, struct error **err);

#endif
