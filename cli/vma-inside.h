/*
 * The files inside the disks of an archive, for vma ls and vma cp.  The archive is mounted in a folder in
 * /tmp of its own, and what reads a file system reads it there: libext2fs or libguestfs.
 */
#ifndef VZDUMP_CLI_VMA_INSIDE_H
#define VZDUMP_CLI_VMA_INSIDE_H

#include "inside/ext.h"
#include "inside/guestfs.h"
#include "inside/reader.h"
#include "inside/table.h"
#include "vma-place.h"
#include "vma/random.h"

struct vma_inside {
	struct vma_place place;
	struct vma_random *random;
	unsigned dev; /* of the disk; 0: none is named */
	pid_t server; /* 0: nothing is mounted */
	char *dir;    /* where it is mounted */
	int disk_fd;  /* -1: none is open */
	struct inside_table table;
	struct inside_guestfs *guestfs;
	struct inside_reader reader;
};

/* Opens the archive that text names, and finds the disk.  Call vma_inside_close() in any case. */
int vma_inside_open(struct vma_inside *x, const char *text, struct error **err);
/* The disk's partitions. */
int vma_inside_read_table(struct vma_inside *x, struct error **err);
/* The logical volumes of all disks. */
int vma_inside_volumes(struct vma_inside *x, struct inside_volumes *ret, struct error **err);
/* Opens the file system; by_guestfs: also one that can be read without. */
int vma_inside_open_reader(struct vma_inside *x, bool by_guestfs, struct error **err);
void vma_inside_close(struct vma_inside *x);

#endif
