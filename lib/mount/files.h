/* The files of a mounted archive: what they are called, and what they hold. */
#ifndef VZDUMP_MOUNT_FILES_H
#define VZDUMP_MOUNT_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "vma/format.h"

struct vmafs_file {
	char *name; /* unique, at most 255 bytes, without a slash */
	uint64_t size;
	uint8_t dev;                     /* a disk; 0: a config */
	const struct vma_config *config; /* borrowed */
};

/* The name of a disk's file, unless another one has it.  Caller frees. */
char *vmafs_disk_name(const struct vma_header *h, unsigned dev);
/* A file for each disk and each config of the header, in an array of *ret_n. */
struct vmafs_file *vmafs_files_new(const struct vma_header *h, size_t *ret_n);
void vmafs_files_free(struct vmafs_file *files, size_t n);

#endif
