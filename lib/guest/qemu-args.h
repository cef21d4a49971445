/*
 * A guest's configuration as the words of a QEMU command line, for a host where nobody else makes one.
 * The guest sees the machine that PVE shows it: the same controllers and PCI addresses, since a guest's
 * network names ("ens18") and its drivers depend on them.  Devices are called as their lines are ("scsi0",
 * "net0"), the block node of a disk is "drive-<key>", where backups look for it; a disk with limits (mbps,
 * iops ...) has a throttle filter of that name on top.  Values that may hold anything (paths, serial numbers)
 * are in words of JSON.  Needs QEMU 7.1.  What cannot be translated is logged as a warning, with what to do
 * about it.
 * Facts: config_to_command of PVE's qemu-server 9.2.6, with its DriveDevice, Blockdev, OVMF, PCI and Network.
 */
#ifndef VZDUMP_GUEST_QEMU_ARGS_H
#define VZDUMP_GUEST_QEMU_ARGS_H

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "guest/guest.h"
#include "storage/storage.h"

struct json_object;

/* What is left out, so that a caller can add words of its own for it, or have none. */
enum qemu_args_flags {
	QEMU_ARGS_NO_MONITOR = 1 << 0, /* the QMP socket */
	QEMU_ARGS_NO_PIDFILE = 1 << 1,
	QEMU_ARGS_NO_AGENT = 1 << 2,     /* its socket and its port */
	QEMU_ARGS_NO_NETWORK = 1 << 3,   /* all network cards */
	QEMU_ARGS_NO_VNC = 1 << 4,       /* its socket; the graphics card stays */
	QEMU_ARGS_NO_SERIAL = 1 << 5,    /* all serial ports */
	QEMU_ARGS_EMPTY_DRIVES = 1 << 6, /* CD drives stay, but empty */
	QEMU_ARGS_NO_KVM = 1 << 7,       /* the host has none, so what needs it is left out, too */
	/* What is added. */
	QEMU_ARGS_OWN_WORDS = 1 << 8, /* those of `args:`, instead of a warning about that line */
	QEMU_ARGS_ACTIVATE = 1 << 9,  /* storages and volumes are made usable, and images must be there */
};

struct qemu_args_options {
	const struct paths *paths;             /* sockets and pid file are <root>/run/qemu-server/<vmid>.* */
	const struct storage_config *storages; /* may be NULL if nobody asks: with `disk` and EMPTY_DRIVES */
	const struct log *log;                 /* warnings */
	unsigned flags;                        /* set of enum qemu_args_flags */
	/*
	 * The version of QEMU that will run it; 0: as new as needed.  Before 9.0 SCSI disks get no iothread,
	 * with which they could not be backed up; a machine type that is newer than QEMU becomes the newest.
	 */
	unsigned qemu_major, qemu_minor;
	const char *firmware; /* OVMF's code, a file; NULL: where distributions have it */
	/*
	 * Gives the block node of a disk ("scsi0", "efidisk0"; no CD drives) in place of the one that its
	 * line names.  *ret is a new object for blockdev-add without "node-name"; NULL: the disk is left out.
	 * The function may be NULL.
	 */
	int (*disk)(void *opaque, const char *key, struct json_object **ret, struct error **err);
	void *opaque;
};

/*
 * *ret is a strv of words that follow the program's name; the caller frees it by strv_free().  ERR_INVALID
 * for a line that cannot be understood, ERR_UNSUPPORTED if the guest cannot be started without what it says,
 * errors of its storages.
 */
int qemu_args_make(const struct guest_config *c, const struct qemu_args_options *o, char ***ret,
		   struct error **err);

#endif
