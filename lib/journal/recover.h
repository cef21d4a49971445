/*
 * Puts things right: undoes all that a guest's journal says is still there.  The same code ends
 * every backup, good or bad, and cleans up after one that was killed.
 */
#ifndef VZDUMP_JOURNAL_RECOVER_H
#define VZDUMP_JOURNAL_RECOVER_H

#include "storage/host.h"
#include "guest/power.h"
#include "journal/journal.h"

/* Where a backup's NBD server in QEMU listens, in the folder that its journal has as JOURNAL_DIR. */
#define RECOVER_NBD_SOCKET "nbd.sock"

/* The lock of a guest that is being restored, as PVE's. */
#define RESTORE_LOCK "create"

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
int recover_note_process(struct journal *j, const struct power_process *p, struct error **err);

/*
 * The rest: fleecing images (unless the guest's QEMU still has them), temporary files and folders,
 * lock: backup, and starting a guest, by c->start, that was shut down for its backup.
 */
int recover_rest(const struct host *host, const struct settings_commands *c, struct journal *j,
		 const struct log *log, struct error **err);

/*
 * Both, for each guest with a journal of a dead process (vmid 0: all).  The caller holds the global
 * lock, so nobody else works on them.  Says what it does in log.  *ret_n (may be NULL): how many.
 */
int recover_all(const struct host *host, const struct settings_commands *c, uint32_t vmid, unsigned *ret_n,
		struct error **err);

#endif
