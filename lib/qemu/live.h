/*
 * Live restore: a guest runs on an overlay over the served archive while a mirror job fills its new
 * volume, and moves onto the volume when that is complete.
 *
 *	guest device ── qmrestore-scsi0-overlay ── backing ── qmrestore-scsi0-archive (NBD, read-only)
 *	                    │ mirror job qmrestore-scsi0
 *	                qmrestore-scsi0-target ── T                  (the disk's own node)
 *
 * The job copies in mode write-blocking: what the guest writes is on the volume too when the write
 * is acknowledged, so that the job ends however fast the guest writes.  An overlay and a mirror
 * rather than a backing file and block-stream, since a raw volume cannot have a backing file.
 *
 * Order: live_attach() with stopped vCPUs, `cont`, live_state() until it is LIVE_READY,
 * live_finish().  Everything by name, so that any connection will do.
 */
#ifndef VZDUMP_QEMU_LIVE_H
#define VZDUMP_QEMU_LIVE_H

#include "qemu/graph.h"

/* Not GRAPH_PREFIX: the cleanup of a backup must never take a guest's disk away. */
#define LIVE_PREFIX "qmrestore-"

struct live_names {
	char archive[32];
	char file[32]; /* protocol node of the overlay's image */
	char overlay[32];
	char target[32];
	char filter[32]; /* the job's, above the overlay */
	char park[32];   /* for a moment */
	char job[32];
};

int live_names_init(struct live_names *n, const char *key, struct error **err);

/*
 * ERR_UNSUPPORTED for a SCSI disk with an iothread in a QEMU before 9.0: opening a node above one
 * in an iothread aborts it (seen on 7.2.22: "qemu_mutex_unlock_impl: Operation not permitted",
 * three times of four, with raw, copy-on-read, throttle and others).
 */
int live_check(const struct qemu_features *f, const struct graph_disk *d, struct error **err);

struct live_source {
	const char *socket; /* NBD server of the archive; QEMU must be able to connect */
	const char *export;
	struct json_object *overlay; /* protocol node of an image for the overlay; borrowed */
	uint64_t speed;              /* bytes per second, 0: no limit */
};

/*
 * Puts overlay and archive under the disk and starts the job.  The vCPUs must stand still, and the
 * guest must not have run yet.  On error nodes may be left: the caller ends this QEMU.
 */
int live_attach(struct qmp *q, const struct graph_disk *d, const struct live_names *n,
		const struct live_source *s, struct error **err);

/* Space for the overlay of a disk, all of it written: data and qcow2's tables; bytes. */
uint64_t live_overlay_size(uint64_t disk);

enum live_state {
	LIVE_COPYING,
	LIVE_READY,  /* volume and overlay are alike and stay so */
	LIVE_FAILED, /* the guest runs on, on its overlay */
};

struct live_progress {
	enum live_state state;
	uint64_t done, total; /* bytes, as the job counts; as they were if it failed */
	char *reason;         /* QEMU's words, if it failed; caller frees */
};

/* ret->done and total keep their values where QEMU tells none. */
int live_state(struct qmp *q, const struct live_names *n, struct live_progress *ret, struct error **err);

/*
 * The guest moves onto its volume, and all nodes of ours go.  d as it was before live_attach().
 * Only when LIVE_READY, or when the connection ended in a call before.  Then the vCPUs may be
 * left stopped: let them go on first.
 */
int live_finish(struct qmp *q, const struct graph_disk *d, const struct live_names *n, struct error **err);

#endif
