/*
 * The nodes that a backup adds to the guest's own: target, filter, snapshot; and the bitmap.
 *
 *	guest device ── [throttle] ── vzdump-scsi0-cbw ── T          (the disk's own node)
 *	                               │ target
 *	                               vzdump-scsi0-target ── vzdump-scsi0-file
 *	                              [vzdump-scsi0-target ── vzdump-scsi0-image ── vzdump-scsi0-file]
 *	vzdump-scsi0-snap ── file ── vzdump-scsi0-cbw                (exported as vzdump-scsi0)
 *	vzdump-scsi0-guard ── backing ── vzdump-scsi0-cbw            (guard.h)
 *	vzdump-scsi0-guard-top ── backing ── throttle
 *
 * In brackets, for an image under a limit: `target` is a throttle node then, in a group of ours
 * (vzdump-limits-0), and `image` is exported for TRIMs as vzdump-scsi0-trim (throttle.h).
 *
 * Before the guest overwrites data, the filter copies the old data to its target.  The snapshot, a node of
 * QEMU's driver snapshot-access, reads both and so shows the disk as it was at the instant (instant.h).
 *
 * Order of the steps: group, target, filter, bitmap, insert, guard, snapshot, server, export.
 * graph_cleanup() undoes them: export, server, guard, snapshot, remove, and the nodes from the top down (a
 * bitmap is deleted together with its node).
 */
#ifndef VZDUMP_QEMU_NODES_H
#define VZDUMP_QEMU_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "qemu/disk.h"
#include "qemu/names.h"
#include "qemu/probe.h"
#include "qemu/qmp.h"

#define GRAPH_BITMAP_GRANULARITY 65536u /* bytes */

/* ---- 1. the filter's target ---- */

struct graph_image {
	struct json_object *protocol; /* {"driver":"file","filename":...}; borrowed, copied */
	const char *format;           /* "raw" or "qcow2" */
	uint64_t size;                /* bytes, as struct graph_disk.size; a raw image is cut to it */
	bool direct;                  /* O_DIRECT, and aio=native if the driver has it */
	const char *group;            /* of graph_add_group(): what may be written to it is limited; NULL */
};

/* A fleecing image.  Both layers discard, and neither flushes, as the image is useless after a crash. */
int graph_add_image(struct qmp *q, const struct graph_names *n, const struct graph_image *img,
		    struct error **err);
/* An NBD server of ours.  It must be accepting connections already, because QEMU connects at once. */
int graph_add_sink(struct qmp *q, const struct graph_names *n, const char *socket_path,
		   const char *export_name, struct error **err);

/* ---- 2. the filter, not yet under the guest ---- */

/* timeout_s: how long a guest's write may wait for the copy, in seconds; 0: no limit. */
int graph_add_filter(struct qmp *q, const struct qemu_features *f, const struct graph_disk *d,
		     const struct graph_names *n, unsigned timeout_s, struct error **err);

/*
 * ---- 3. the bitmap of what the guest rewrites ----
 *
 * The bitmap belongs to the target, so it has what was copied there, and what was TRIMmed.  It has a cluster
 * before the filter counts it as copied, and so before the guest's write is done.
 */
int graph_add_bitmap(struct qmp *q, const struct graph_names *n, struct error **err);

/* ---- 6. the snapshot (4 is in instant.h, 5 in guard.h, 7 and 8 in server.h) ---- */

int graph_add_snapshot(struct qmp *q, const struct graph_names *n, struct error **err);

/* ---- any node ---- */

/* Deletes the node; 0 also if there is none of that name. */
int graph_del_node(struct qmp *q, const char *name, struct error **err);

#endif
