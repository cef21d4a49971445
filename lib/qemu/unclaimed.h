/* Disks that a guest has in its QEMU and that nobody asked for. */
#ifndef VZDUMP_QEMU_UNCLAIMED_H
#define VZDUMP_QEMU_UNCLAIMED_H

#include <stddef.h>

#include "base/error.h"
#include "qemu/qmp.h"

/* A disk that somebody knows of; path may be NULL.  Found as by graph_find_disk(). */
struct graph_claim {
	const char *key;
	const char *path;
};

/*
 * The guest's disks that none of the claims is for, one "'scsi5' ('/srv/x.raw')" each; *ret is NULL if
 * there are none.  CD drives, floppies, flash and read-only disks are left out.  Caller frees with
 * strv_free(), after an error, too.
 */
int graph_find_unclaimed(struct qmp *q, const struct graph_claim *claims, size_t n, char ***ret,
			 struct error **err);

#endif
