/* Answers the kernel's questions about a mounted archive. */
#ifndef VZDUMP_MOUNT_SERVE_H
#define VZDUMP_MOUNT_SERVE_H

#define FUSE_USE_VERSION 32

#include <fuse3/fuse_lowlevel.h>
#include <stddef.h>
#include <sys/stat.h>

#include "mount/files.h"
#include "mount/vmafs.h"
#include "vma/random.h"

/* The user data of the session; nothing of it changes while it serves. */
struct vmafs_tree {
	struct vma_random *random;
	struct vmafs_file *files; /* the inode of files[i] is i + VMAFS_FIRST_INO */
	size_t n_files;
	struct stat owner; /* uid, gid and the permission bits of files */
	void (*failed)(void *opaque, const char *message);
	void *opaque;
};

#define VMAFS_FIRST_INO (FUSE_ROOT_ID + 1)

extern const struct fuse_lowlevel_ops vmafs_ops;

#endif
