/*
 * Who has a volume open for writing.  A socket and a pid file say whether a guest runs; but a guest that
 * was started without them, another guest with the same disk, or a mount on the host may write to it all the
 * same.  So whoever reads a disk offline, replaces or frees it asks here.  Signs of a user:
 *
 *	file		a process that has it open for writing (/proc); QEMU's image locks, which also
 *			show a QEMU that /proc does not (another pid namespace; another host where the
 *			network file system carries locks); a loop device on it that is itself in use
 *	block device	a process that has it, a partition of it or a device on top of it (LVM, md,
 *			multipath) open for writing; a mount that is not read-only; whatever else in the
 *			kernel holds it for itself alone (O_EXCL)
 *	no path		what the storage's type knows (storage_ops.user): watchers of an RBD image,
 *			command lines of QEMUs on this host
 *
 * Who has it open only for reading does not count (but a QEMU with an RBD image, which looks no
 * different), and neither do this process and its children (its qemu-storage-daemon).  Another host is
 * seen only by locks on NFS and by RBD's watchers.
 */
#ifndef VZDUMP_STORAGE_IN_USE_H
#define VZDUMP_STORAGE_IN_USE_H

#include "base/cancel.h"
#include "storage/in-use-process.h"
#include "storage/storage.h"

/*
 * -EBUSY and who it is: "QEMU (pid 4711) has '/srv/x.raw' open for writing".  A process that ends takes a
 * moment to let go, a watcher of RBD that died half a minute: so long this waits before it says so.  but
 * is the name of a process that does not count ("swtpm"), or NULL: with one, neither do locks, and a
 * watcher of RBD that no process of this host explains, which may be its.  cancel may be NULL.  What is not
 * there (a volume that is not active) has no user.
 */
int volume_check_unused(const struct volume *v, const char *but, const struct cancel *cancel,
			struct error **err);

/*
 * A mark by which a write that came between two looks is known, whoever it was: a file's modification
 * time, the sectors written to a block device.  Nothing is known of files on a network, whose server may
 * set the time when it likes, and of volumes without a path.
 */
struct volume_mark {
	bool known;
	uint64_t value[2];
};
void volume_get_mark(const struct volume *v, struct volume_mark *ret);
/* False as well if nothing is known. */
bool volume_was_written(const struct volume *v, const struct volume_mark *since);

#endif
