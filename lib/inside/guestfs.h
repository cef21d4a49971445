/*
 * Everything that a Linux kernel can read (XFS, btrfs, NTFS, LVM and more) by libguestfs: a virtual machine
 * of its own reads the disks and nothing else.  The library is loaded at run time.
 *
 *	inside_guestfs_launch(files, n, &g, err)	// takes 10 to 60 seconds
 *	inside_guestfs_volumes(g, &list, err)		// what LVM has on the disks
 *	inside_guestfs_open(g, "/dev/sda1", &reader, err)
 *	...
 *	inside_guestfs_free(g)
 */
#ifndef VZDUMP_INSIDE_GUESTFS_H
#define VZDUMP_INSIDE_GUESTFS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "inside/reader.h"

struct inside_guestfs;

/* What to install, for messages. */
#define INSIDE_GUESTFS_PACKAGES "libguestfs0 libguestfs-xfs linux-image-amd64"

/*
 * Starts the virtual machine with these disks (paths of raw images), which it gets read-only.  KVM is used if
 * it works; if not, that is said in the log, and everything is slower.  ERR_NOT_FOUND: the library is not
 * installed; ERR_PEER: it cannot start the machine.
 */
int inside_guestfs_launch(char *const *files, const struct log *log, struct inside_guestfs **ret,
			  struct error **err);

struct inside_volume {
	char *name; /* "vg/lv" */
	char *device;
	uint64_t size;
	char *fs;    /* "xfs"; NULL: not known */
	char *label; /* NULL: none */
};

struct inside_volumes {
	struct inside_volume *items;
	size_t n;
};

/* The logical volumes of LVM. */
int inside_guestfs_volumes(struct inside_guestfs *g, struct inside_volumes *ret, struct error **err);
void inside_volumes_clear(struct inside_volumes *l);
#define _cleanup_inside_volumes_ _cleanup_(inside_volumes_clear)

/*
 * Mounts, in the machine, and read-only: disk, from 0, and its partition, 0 for the disk itself.  One at a
 * time. The reader borrows g.
 */
int inside_guestfs_open(struct inside_guestfs *g, size_t disk, unsigned partition, struct inside_reader *ret,
			struct error **err);
/* The same for a logical volume, "vg/lv".  ERR_NOT_FOUND. */
int inside_guestfs_open_volume(struct inside_guestfs *g, const char *name, struct inside_reader *ret,
			       struct error **err);

void inside_guestfs_free(struct inside_guestfs *g);
DEFINE_CLEANUP(struct inside_guestfs *, inside_guestfs_free)

#endif
