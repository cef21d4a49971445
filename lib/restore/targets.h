/*
 * The targets of a restore: its new volumes, open for the data from the archive.
 *
 * Raw volumes with a path are written directly; all others through a qemu-storage-daemon, which has QEMU's
 * drivers.  Volumes that are filled while the guest runs (new_volume.live) are not among them.
 */
#ifndef VZDUMP_RESTORE_TARGETS_H
#define VZDUMP_RESTORE_TARGETS_H

#include "qemu/storage-daemon.h"
#include "restore/target.h"
#include "restore/volumes.h"
#include "vma/format.h"

struct targets {
	struct storage_daemon daemon;
	struct target of[VMA_MAX_DEVICES + 1]; /* by the disk's number in the archive */
};

/* cancel ends waits for NBD servers; borrowed, may be NULL. */
void targets_init(struct targets *t, const struct cancel *cancel);
/* Opens all; the volumes are made and active.  Each may then be written to from any thread. */
int targets_open(struct targets *t, struct restore_context *c, const struct volumes *vs, struct error **err);
/* Closes all.  On success everything is on disk, also the files' names. */
int targets_finish(struct targets *t, const struct volumes *vs, struct error **err);
/* Closes all open targets without syncing them.  Harmless after targets_finish(). */
void targets_clear(struct targets *t);

#endif
