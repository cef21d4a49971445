/*
 * An archive as a folder, by FUSE (libfuse3): each disk is a read-only file, drive-scsi0.raw, and so is each
 * config, qemu-server.conf.
 *
 *	vmafs_open(&o, &m, err)		// the archive is open, the folder is mounted
 *	vmafs_serve(m, err)		// answers until somebody unmounts, or a signal comes
 *	vmafs_free(m)
 *
 * The kernel caches what it has read, as an archive never changes.  A file's holes are what the archive does
 * not store: SEEK_DATA and SEEK_HOLE find them, and st_blocks counts the rest.
 */
#ifndef VZDUMP_MOUNT_VMAFS_H
#define VZDUMP_MOUNT_VMAFS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct vmafs;

/* All borrowed, until vmafs_free(). */
struct vmafs_options {
	const char *archive; /* path */
	const char *dir;     /* path of an empty folder */
	bool everybody;      /* others may read too, not only the caller */
	/* a read has failed; from any thread, also several at once; may be NULL */
	void (*failed)(void *opaque, const char *message);
	void *opaque;
};

/*
 * Opens the archive and mounts.  Errors of vma_random_open(); ERR_NOT_FOUND: this host has no FUSE or no
 * fusermount3; -ENOTEMPTY; -ENOTCONN: a mount is in the way whose process has died; -EBUSY: something is
 * mounted there.  From here to vmafs_free() SIGINT, SIGTERM and SIGHUP are blocked in this thread, except in
 * vmafs_serve(): one that comes meanwhile ends that at once.  No other thread may write to standard error
 * meanwhile, which fusermount3 explains itself on.
 */
int vmafs_open(const struct vmafs_options *o, struct vmafs **ret, struct error **err);
/*
 * Answers with several threads, until the folder is unmounted or one of SIGINT, SIGTERM and SIGHUP comes;
 * then unmounts it if need be.
 */
int vmafs_serve(struct vmafs *m, struct error **err);
/*
 * Waits for the first answer of another process that serves what it has mounted.  ERR_GONE: it has ended.
 */
int vmafs_answers(const char *dir, struct error **err);
/* Unmounts, if it is still mounted. */
void vmafs_free(struct vmafs *m);
DEFINE_CLEANUP(struct vmafs *, vmafs_free)

/*
 * Unmounts a folder that vmafs_open() has mounted, also if the process that served it has died.  ERR_INVALID:
 * something else is mounted there, or nothing; -EBUSY: a file of it is open.
 */
int vmafs_unmount(const char *dir, struct error **err);

#endif
