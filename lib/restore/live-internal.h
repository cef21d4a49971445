/*
 * Only for live*.c and finish-script.c.  Calls go one way:
 *
 *	live ── live-prepare ─────────────── live-disk
 *	     ── live-start ── finish-script ── live-disk
 *	     ── live-watch ── live-offline ─── live-disk, finish-script
 */
#ifndef VZDUMP_RESTORE_LIVE_INTERNAL_H
#define VZDUMP_RESTORE_LIVE_INTERNAL_H

#include "guest/guest-ops.h"
#include "qemu/mirror.h"
#include "restore/live.h"
#include "restore/serve.h"
#include "vma/random.h"

#define LIVE_ALIVE "qmrestore-alive" /* QEMU's name for the pipe's end, see live_restore.alive */

enum live_stage {
	LIVE_FILLING, /* the guest runs on the overlay; the volume is being filled */
	LIVE_BROKEN,  /* the same, but the volume will not be filled while the guest runs */
	LIVE_MOVING,  /* mirror_finish() was begun, and may have to be repeated */
	LIVE_MOVED, /* the guest is on its volume, or it was filled after a shutdown; the overlay is there */
	LIVE_DONE,  /* the overlay is gone, or removing it was tried */
};

struct live_disk {
	const struct new_volume *to;
	struct volume overlay;
	struct graph_disk graph; /* as QEMU had it before mirror_attach() */
	struct mirror_names names;
	struct mirror_progress progress;
	enum live_stage stage;
};

struct live_restore {
	struct live_parts parts;
	struct vma_random *archive;
	struct live_disk *disks;
	size_t n;
	struct buf config; /* the guest's configuration when all is done */
	struct buf start;  /* the same with our lock, and for a start without running */
	struct serve server;
	int alive[2]; /* a pipe: the server lives as long as any process has its second end */
	struct guest_status power;
	uint64_t bwlimit; /* bytes per second, of all disks together; 0: no limit */
};

/* True when the disk no longer needs its overlay. */
static inline bool live_disk_is_complete(const struct live_disk *d)
{
	return d->stage >= LIVE_MOVED;
}

/* ---- live-disk.c ---- */

/* Makes the overlay on the storage of the new volume, and journals it.  number: part of its name. */
int live_disk_make_overlay(const struct live_restore *l, struct live_disk *d, unsigned number,
			   struct error **err);
/* Removes the overlay and sets LIVE_DONE.  A failure is only warned about. */
void live_disk_remove_overlay(const struct live_restore *l, struct live_disk *d);
/*
 * The image by which qemu-img reads the disk as the guest left it: the overlay over the archive, which is
 * served at that socket.  Caller frees *ret.
 */
int live_disk_image(const struct live_disk *d, const char *socket, char **ret, struct error **err);

/* ---- live-prepare.c ---- */

/*
 * Does all that must be done before the start: fills disks that cannot be filled later, checks that there is
 * room for the others, makes overlays, writes firewall rules and the configuration for the guest's start.
 */
int live_prepare(struct live_restore *l, struct error **err);
/* Path of the copy of the replaced guest's configuration.  Caller frees. */
char *live_old_config(const struct live_restore *l);

/* ---- live-start.c ---- */

/* Starts QEMU and the archive's server, attaches the disks, and lets the guest run. */
int live_start(struct live_restore *l, struct error **err);

/* ---- live-watch.c ---- */

/* Returns 0 when all data is on the volumes; after an error the log says what is missing. */
int live_watch(struct live_restore *l, struct error **err);

/* ---- live-offline.c ---- */

/* Call it when the guest was shut down: copies the data that is not on the volumes yet. */
int live_finish_offline(struct live_restore *l, struct error **err);

/* ---- finish-script.c ---- */

/* The path of the script.  Caller frees. */
char *finish_script_path(const struct restore_context *c);
/* Writes the script, after adding it to the journal. */
int finish_script_write(const struct live_restore *l, struct error **err);
/*
 * Writes it again when the guest is on that disk's volume: from then on the overlay must not be copied there.
 * A failure is only warned about.
 */
void finish_script_update(const struct live_restore *l, const struct live_disk *d);

#endif
