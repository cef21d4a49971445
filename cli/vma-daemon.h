/*
 * Images that are not raw, served by a qemu-storage-daemon: vma extract fills them, vma create reads them.
 *
 *	vma_daemon_start(&d, images, n, stop, err)
 *	... d.storage_daemon.socket has an export for each, by its name
 *	vma_daemon_stop(&d)
 */
#ifndef VZDUMP_CLI_VMA_DAEMON_H
#define VZDUMP_CLI_VMA_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#include "qemu/storage-daemon.h"

struct vma_daemon {
	struct storage_daemon storage_daemon;
	char *dir; /* its own; NULL: it does not run */
};

struct vma_daemon_image {
	const char *export;
	const char *path;
	const char *format; /* qcow2, vmdk */
	bool writable;
};

/* Up to VMA_MAX_DEVICES images.  Signals must be caught in stop from now on, or a folder is left
 * in /tmp. */
int vma_daemon_start(struct vma_daemon *d, const struct vma_daemon_image *images, size_t n,
		     const struct cancel *stop, struct error **err);
/* Ends it and removes its folder; harmless if it never ran. */
void vma_daemon_stop(struct vma_daemon *d);

#endif
