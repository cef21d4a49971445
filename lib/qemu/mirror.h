/*
 * Live restore: a guest runs on an overlay over the served archive while a mirror job fills its new
 * volume, and moves onto the volume when that is complete.
 *
 *	guest device ── qmrestore-scsi0-overlay ── backing ── qmrestore-scsi0-archive (NBD, read-only)
 *	                    │ mirror job qmrestore-scsi0
 *	                qmrestore-scsi0-target ── T                  (the disk's own node)
 *
 * The job copies in mode write-blocking: a write of the guest is acknowledged only when it is on the volume
 * too, so the job ends however fast the guest writes.  A backing file and block-stream would not do, because
 * a raw volume cannot have a backing file.  As long as the job's filter node is above the disk, the guest's
 * TRIMs are dropped (guard.h).
 *
 * Order: mirror_attach() while the guest is paused, `cont`, mirror_state() until it is MIRROR_READY,
 * mirror_finish().  All nodes are found by name, so each call may use another connection.
 */
#ifndef VZDUMP_QEMU_MIRROR_H
#define VZDUMP_QEMU_MIRROR_H

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "qemu/disk.h"
#include "qemu/probe.h"
#include "qemu/qmp.h"

/* Not GRAPH_PREFIX: the cleanup of a backup must never remove a guest's disk. */
#define MIRROR_PREFIX "qmrestore-"

/* Names for one disk, made from MIRROR_PREFIX and its key. */
struct mirror_names {
	char archive[32];
	char file[32]; /* protocol node of the overlay's image */
	char overlay[32];
	char target[32];
	char filter[32]; /* the job's filter node, above the overlay */
	char park[32];   /* an empty node, needed for a moment */
	char job[32];
};

/* ERR_INVALID if the key is too long for a node name. */
int mirror_names_init(struct mirror_names *n, const char *key, struct error **err);

/* ERR_UNSUPPORTED for a disk with graph_iothread_crashes(). */
int mirror_check(const struct qemu_features *f, const struct graph_disk *d, struct error **err);

struct mirror_source {
	const char *socket; /* NBD server of the archive; QEMU must be able to connect */
	const char *export;
	struct json_object *overlay; /* protocol node of an image for the overlay; borrowed */
	uint64_t speed;              /* bytes per second, 0: no limit */
};

/*
 * Inserts overlay and archive under the disk and starts the job.  The guest must be paused, and must not have
 * run yet.  After an error some nodes may be left, so the caller ends this QEMU.
 */
int mirror_attach(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
		  const struct mirror_source *s, struct error **err);

/*
 * The size in bytes of the overlay of a disk of `disk` bytes if all of it is written: data and qcow2's
 * tables.
 */
uint64_t mirror_overlay_size(uint64_t disk);

enum mirror_state {
	MIRROR_COPYING,
	MIRROR_READY,  /* volume and overlay have the same content from now on */
	MIRROR_FAILED, /* the guest still runs, on its overlay */
};

struct mirror_progress {
	enum mirror_state state;
	uint64_t done, total; /* bytes, as the job counts them */
	char *reason;         /* QEMU's words, if it failed; caller frees */
};

/* ret->done and total keep their values if QEMU reports none. */
int mirror_state(struct qmp *q, const struct mirror_names *n, struct mirror_progress *ret,
		 struct error **err);

/*
 * Moves the guest onto its volume and deletes all our nodes.  d: as it was before mirror_attach().  To be
 * called only when the state is MIRROR_READY, or again after the connection ended in an earlier call.  That
 * call may have left the guest paused: resume it first.
 */
int mirror_finish(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
		  struct error **err);

#endif
