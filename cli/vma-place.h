/*
 * A place in an archive, as the user names it:
 *
 *	ARCHIVE[:DISK[:PARTITION]][:PATH]	// DISK: scsi0 or drive-scsi0
 *	ARCHIVE:LVM[:GROUP/VOLUME[:PATH]]
 *
 * A path that follows a disk directly begins with a slash.
 */
#ifndef VZDUMP_CLI_VMA_PLACE_H
#define VZDUMP_CLI_VMA_PLACE_H

#include <stdbool.h>

#include "base/error.h"

struct vma_place {
	char *archive;
	bool lvm;
	char *disk;    /* NULL: none is named */
	char *volume;  /* of LVM; NULL: none is named */
	int partition; /* -1: none is named */
	char *path;    /* NULL: none is named */
};

int vma_place_parse(const char *text, struct vma_place *ret, struct error **err);
void vma_place_clear(struct vma_place *p);

#endif
