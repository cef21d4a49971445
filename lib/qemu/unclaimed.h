/* Disks that are in a guest's QEMU but not in its configuration. */
#ifndef VZDUMP_QEMU_UNCLAIMED_H
#define VZDUMP_QEMU_UNCLAIMED_H

#include <stddef.h>

#include "qemu/blockgraph.h"

/* A disk that the caller knows of; id and path may be NULL.  It is found as by graph_find_disk(). */
struct graph_claim {
	const char *key;
	const char *id;
	const char *path;
};

/*
 * Lists the guest's disks in the graph g that match none of the claims, each as "'scsi5' ('/srv/x.raw')"; NULL
 * if there are none.  CD drives, floppies, flash and read-only disks are left out.  Caller frees with
 * strv_free().
 */
char **graph_find_unclaimed(const struct blockgraph *g, const struct graph_claim *claims, size_t n);

#endif
