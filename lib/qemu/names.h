/*
 * The names of the things that a backup adds to a guest's QEMU: nodes, an export, a bitmap, a job (see
 * nodes.h, guard.h and server.h).  They contain the disk's key ("scsi0") and begin with a prefix by which
 * leftovers are recognised.
 */
#ifndef VZDUMP_QEMU_NAMES_H
#define VZDUMP_QEMU_NAMES_H

#include <stdbool.h>

#include "base/error.h"

#define GRAPH_PREFIX "vzdump-"

/* A node name of QEMU has at most 31 characters. */
struct graph_names {
	char cbw[32];    /* vzdump-scsi0-cbw: the filter */
	char target[32]; /* vzdump-scsi0-target: format node of the fleecing image, or the sink's NBD node */
	char image[32];  /* vzdump-scsi0-image: under a limit the format node, and `target` the throttle's */
	char file[32];   /* vzdump-scsi0-file: protocol node of the fleecing image */
	char snap[32];   /* vzdump-scsi0-snap: the snapshot */
	char bitmap[32]; /* vzdump-scsi0 */
	char export[32]; /* vzdump-scsi0: export id and NBD export name */
	char trim[32];   /* vzdump-scsi0-trim: export of `image` */
	char guard[32];  /* vzdump-scsi0-guard */
	char guard_top[32];  /* vzdump-scsi0-guard-top */
	char guard_job[32];  /* vzdump-scsi0-guard-job: job, its filter and its bitmap */
	char guard_sink[32]; /* vzdump-scsi0-guard-sink */
	char sentinel[32]; /* vzdump-scsi0-sentinel: a node for a moment, see base-bitmap.h, and its bitmap */
};

/* Fills *n for the disk with that key.  ERR_INVALID if the key is too long for a node name. */
int graph_names_init(struct graph_names *n, const char *key, struct error **err);

/* True for names that a backup uses.  False for NULL. */
bool graph_is_ours(const char *name);

#endif
