/* Where the disks of an archive go: files and block devices. */
#ifndef VZDUMP_CLI_VMA_TARGET_H
#define VZDUMP_CLI_VMA_TARGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct vma_target {
	int fd;      /* < 0: the disk is passed over */
	char *path;
	char *final; /* the name when it is complete, or NULL */
	bool write_zero;
	bool is_block;
	/* One write at a time, in steps of 64 KiB: threads that meet at the kernel's lock of a file
	 * spin, and large writes get large fresh pages [measured: both together 2 s of system time
	 * instead of 0.4 for 1.2 GiB]. */
	pthread_mutex_t lock;
};

void vma_target_init(struct vma_target *t);

/* A new file of that size, all hole. */
int vma_target_create(struct vma_target *t, const char *path, uint64_t size, struct error **err);
/* A block device, or a file, which is made or emptied. */
int vma_target_open(struct vma_target *t, const char *path, uint64_t size, struct error **err);
/* An image that is there, of size to size + 4 MiB; write_zero: it may hold something else. */
int vma_target_existing(struct vma_target *t, const char *path, uint64_t size, bool write_zero,
			struct error **err);
int vma_target_write(struct vma_target *t, uint64_t offset, const void *data, size_t len,
		     struct error **err);
int vma_target_zero(struct vma_target *t, uint64_t offset, uint64_t len, struct error **err);
/* Flushes a device, gives a file its final name. */
int vma_target_finish(struct vma_target *t, struct error **err);
void vma_target_clear(struct vma_target *t);

#endif
