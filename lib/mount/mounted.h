/* Whether an archive is mounted at a folder, as the kernel's list of mounts tells. */
#ifndef VZDUMP_MOUNT_MOUNTED_H
#define VZDUMP_MOUNT_MOUNTED_H

#include <stdbool.h>

#define VMAFS_SUBTYPE "vma"

/* True also if the process that served it has died. */
bool vmafs_is_mounted(const char *dir);
/*
 * The absolute path of a folder, without links.  Unlike realpath(3) it does not look at the folder itself,
 * which fails if the process that serves it has died.  NULL, with errno, if the folder above it does not
 * exist.  Caller frees.
 */
char *vmafs_real_path(const char *dir);

#endif
