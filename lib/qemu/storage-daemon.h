/*
 * Reading, or filling, a disk that no QEMU has open: a qemu-storage-daemon with an NBD export.
 *
 * While it serves, no other QEMU can open the disk for writing: QEMU's image locks refuse that, and they
 * refuse the daemon if a QEMU has the disk open already.  A read-only export of a raw image would not take
 * this lock (it lets others write), so there is a `blkdebug` node between format and file that shares neither
 * "write" nor "resize".  Only QEMUs respect these locks; storage/in-use.h finds other writers.
 *
 * A restore fills a disk through this and not by `qemu-img convert`, which does not report a failure of its
 * final flush: an image that is not on the disk would count as restored.
 */
#ifndef VZDUMP_QEMU_STORAGE_DAEMON_H
#define VZDUMP_QEMU_STORAGE_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"

struct storage_daemon {
	pid_t pid;
	char *socket;                /* unix socket of the NBD server */
	char *log_path;              /* the daemon's standard error */
	const struct cancel *cancel; /* of storage_daemon_start() */
};

struct storage_daemon_disk {
	const char *export;           /* NBD export name */
	struct json_object *protocol; /* protocol node for blockdev-add; borrowed */
	const char *format;           /* "raw", "qcow2", ... */
	bool writable;                /* a restore fills it */
	bool shared;                  /* another program writes to it meanwhile (swtpm): no lock */
};

/*
 * Starts a daemon that serves these disks on `dir`/offline.sock (dir is private, 0700).  Returns when it
 * answers.  ERR_PEER with the daemon's words if it cannot open a disk, ERR_TIMEOUT after 30 s, ERR_CANCELED
 * (cancel may be NULL).  The caller calls storage_daemon_stop(), also after an error.
 */
int storage_daemon_start(struct storage_daemon *o, const char *dir, const struct storage_daemon_disk *disks,
			 size_t n, const struct cancel *cancel, struct error **err);
/* Size of an export in bytes. */
int storage_daemon_size(const struct storage_daemon *o, const char *export, uint64_t *ret,
			struct error **err);
/* Reads the first len bytes of an export. */
int storage_daemon_read(const struct storage_daemon *o, const char *export, void *data, size_t len,
			struct error **err);
/* Ends the daemon, if it runs, and empties *o. */
void storage_daemon_stop(struct storage_daemon *o);

#endif
