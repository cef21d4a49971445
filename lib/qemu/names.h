/*
 * The names of what a backup makes in a guest's QEMU: nodes, an export, a bitmap, a job (nodes.h, guard.h and
 * server.h say what each is).  All are made of the disk's key ("scsi0"), so that a journal needs little more
 * than the keys, and begin with a prefix, so that leftovers are recognised.
 */
#ifndef VZDUMP_QEMU_NAMES_H
#define VZDUMP_QEMU_NAMES_H

#include <stdbool.h>

#include "base/error.h"

#define GRAPH_PREFIX "vzdump-"

/* QEMU takes at most 31 characters for the name of a node. */
struct graph_names {
	char cbw[32];    /* vzdump-scsi0-cbw: the filter */
	char target[32]; /* vzdump-scsi0-target: format node of the fleecing image, or the sink's NBD node */
	char file[32];   /* vzdump-scsi0-file: protocol node of the fleecing image */
	char snap[32];   /* vzdump-scsi0-snap: the snapshot */
	char bitmap[32]; /* vzdump-scsi0 */
	char export[32]; /* vzdump-scsi0: export id and NBD export name */
	char guard[32];  /* vzdump-scsi0-guard */
	char guard_top[32];  /* vzdump-scsi0-guard-top */
	char guard_job[32];  /* vzdump-scsi0-guard-job: job, its filter and its bitmap */
	char guard_sink[32]; /* vzdump-scsi0-guard-sink */
};

/* Fills *n for the disk with that key.  ERR_INVALID if the key is too long for a node name. */
int graph_names_init(struct graph_names *n, const char *key, struct error **err);

/* True for names that this project makes for a backup.  NULL is not ours. */
bool graph_is_ours(const char *name);

#endif
