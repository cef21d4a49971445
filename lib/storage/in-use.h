/*
 * Who has a volume open for writing.  A socket and a pid file say whether a guest runs; but a guest that
 * was started without them, another guest with the same disk, or a mount on the host may write to it too.
 * So ask here before a disk is read offline, replaced or freed.  Signs of a user:
 *
 *	file		a process that has it open for writing (/proc); QEMU's image locks, which also
 *			show a QEMU that /proc does not (another pid namespace; another host where the
 *			network file system carries locks); a loop device on it that is itself in use
 *	block device	a process that has it, a partition of it or a device on top of it (LVM, md,
 *			multipath) open for writing; a mount that is not read-only; any other part of the
 *			kernel that holds it exclusively (O_EXCL)
 *	no path		what the storage's type knows (storage_ops.user): watchers of an RBD image,
 *			command lines of QEMUs on this host
 *
 * Readers do not count (except a QEMU that reads an RBD image, which looks like a writer), nor do this
 * process and its children (its qemu-storage-daemon).  Users on another host are seen only through locks on
 * NFS and RBD's watchers.
 */
#ifndef VZDUMP_STORAGE_IN_USE_H
#define VZDUMP_STORAGE_IN_USE_H

#include "base/cancel.h"
#include "storage/in-use-process.h"
#include "storage/storage.h"

/*
 * 0 if nobody has it open for writing, or if its path does not exist (a volume that is not active).  -EBUSY
 * names the user: "QEMU (pid 4711) has '/srv/x.raw' open for writing".  A process that ends takes a moment to
 * let go, an RBD watcher that died half a minute: this waits that long first, or until cancel (may be NULL).
 * ignored is the name of a process that does not count ("swtpm"), or NULL.  With one, locks do not count
 * either, nor does an RBD watcher that no process of this host explains: they may be that process's.
 */
int volume_check_unused(const struct volume *v, const char *ignored, const struct cancel *cancel,
			struct error **err);

/*
 * A mark that shows whether anybody wrote to the volume after it was taken: a file's modification time, or
 * the sectors written to a block device.  `known` is false for files on a network, whose server may set the
 * time late, and for volumes without a path.
 */
struct volume_mark {
	bool known;
	uint64_t value[2];
};
void volume_get_mark(const struct volume *v, struct volume_mark *ret);
/* False, too, if a mark is not known.  If that is `since`, the volume is not touched, so this cannot hang. */
bool volume_was_written(const struct volume *v, const struct volume_mark *since);

#endif
