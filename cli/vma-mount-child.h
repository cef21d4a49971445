/* A process that serves a mounted archive. */
#ifndef VZDUMP_CLI_VMA_MOUNT_CHILD_H
#define VZDUMP_CLI_VMA_MOUNT_CHILD_H

#include <sys/types.h>

#include "mount/vmafs.h"

enum vma_mount_life {
	VMA_MOUNT_STAYS,        /* until somebody unmounts; what fails goes to the system log */
	VMA_MOUNT_DIES_WITH_US, /* what fails goes to standard error */
};

/* For vmafs_options.failed, with the archive as opaque: a line on standard error. */
void vma_mount_say(void *opaque, const char *message);
/*
 * Mounts in a child, which serves: sets o->failed.  0: the files can be read.  The error is that of
 * vmafs_open(), with ERR_PEER as its code.  ret may be NULL.
 */
int vma_mount_start(struct vmafs_options *o, enum vma_mount_life life, pid_t *ret, struct error **err);

#endif
