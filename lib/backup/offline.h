/*
 * Reading, or filling, a disk that no QEMU has open: a qemu-storage-daemon with an NBD export.
 * QEMU's image locks keep a start of the guest from changing the disk underneath.
 */
#ifndef VZDUMP_BACKUP_OFFLINE_H
#define VZDUMP_BACKUP_OFFLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"

struct offline {
	pid_t pid;
	char *socket;	/* unix socket of the NBD server */
	char *log_path;	/* what the daemon has to say */
	const struct cancel *cancel; /* of offline_start() */
};

struct offline_disk {
	const char *export;		/* NBD export name */
	struct json_object *protocol;	/* protocol node for blockdev-add; borrowed */
	const char *format;		/* "raw", "qcow2", ... */
	bool writable;			/* a restore fills it */
};

/*
 * Starts a daemon that serves these disks on `dir`/offline.sock (dir is private, 0700).  Returns
 * when it answers.  Sizes are then asked with offline_size().
 */
int offline_start(struct offline *o, const char *dir, const struct offline_disk *disks, size_t n,
		  const struct cancel *cancel, struct error **err);
/* Size of an export in bytes. */
int offline_size(const struct offline *o, const char *export, uint64_t *ret, struct error **err);
/* Ends the daemon; harmless if it never ran. */
void offline_stop(struct offline *o);

#endif
