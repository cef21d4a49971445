/* Shared by the files of vma extract. */
#ifndef VZDUMP_CLI_VMA_EXTRACT_H
#define VZDUMP_CLI_VMA_EXTRACT_H

#include "base/pace.h"
#include "restore/target.h"
#include "vma-commands.h"
#include "vma-daemon.h"
#include "vma-readmap.h"

struct extract {
	struct vma_progress progress; /* first */
	const struct options *o;
	const struct vma_header *h;
	int archive_fd;
	mode_t mode;     /* of files that are made: readable only for those who can read the archive */
	const char *dir; /* NULL: none */
	bool wanted[VMA_MAX_DEVICES + 1];
	bool mapped[VMA_MAX_DEVICES + 1]; /* the user says where it goes */
	struct target targets[VMA_MAX_DEVICES + 1];
	/* of --readmap */
	struct readmap_line maps[VMA_MAX_DEVICES + 1];
	struct pace paces[VMA_MAX_DEVICES + 1];
	struct pace *pace[VMA_MAX_DEVICES + 1]; /* its own, or its group's; NULL: no limit */
	struct vma_daemon daemon;
	struct cancel *stop; /* while there is a daemon; else signals end us at once */
};

/* vma-extract-where.c, in this order.  All disks, or those of --drives. */
int extract_choose_drives(struct extract *x, struct error **err);
/* --to: opens the targets, which stay unchanged. */
int extract_open_to(struct extract *x, struct error **err);
/* --readmap: the same; there may be a daemon from now on, which a signal ends. */
int extract_read_map(struct extract *x, struct error **err);
/* Refuses targets that are one and the same, the archive itself, or open in a QEMU. */
int extract_check_targets(const struct extract *x, struct error **err);

#endif
