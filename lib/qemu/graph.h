/*
 * QEMU's block graph: find the node of a guest disk, put a copy-before-write filter under the
 * guest, look at the frozen view, and take everything out again.
 *
 * Every step is one function with its undo.  All names are made of the disk's key, so that a
 * journal needs little more than the keys, and leftovers are recognised by their prefix:
 *
 *	guest device ── [throttle] ── vzdump-scsi0-cbw ── T          (the disk's own node)
 *	                               │ target
 *	                               vzdump-scsi0-target ── vzdump-scsi0-file
 *	vzdump-scsi0-snap ── file ── vzdump-scsi0-cbw                (exported as vzdump-scsi0)
 *	vzdump-scsi0-guard ── backing ── vzdump-scsi0-cbw
 *	vzdump-scsi0-guard-top ── backing ── throttle
 *
 * Order of the steps: target, filter, bitmap, insert, guard, snapshot, server, export.  Undo in the
 * order export, server, guard, snapshot, remove, bitmap, filter, target.  Undo functions are
 * idempotent: what is not there is not touched, and that is success.
 *
 * Time limits and cancellation come with the struct qmp.
 *
 * A reader of the export must take QEMU's answers from the socket at once, whatever waits behind it:
 * answers that do not fit into the socket's buffer (208 KiB) let no drain of QEMU finish, and a
 * guest's reset, `stop` and `cont` all drain.  Bound what is asked for, never what is read.
 */
#ifndef VZDUMP_QEMU_GRAPH_H
#define VZDUMP_QEMU_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "qemu/probe.h"
#include "qemu/qmp.h"

#define GRAPH_PREFIX             "vzdump-"
#define GRAPH_BITMAP_GRANULARITY 65536u

/* Where a guest disk hangs in QEMU. */
struct graph_disk {
	char *key;      /* "scsi0" */
	char *qom_path; /* device that has the property `drive`, for qom-set */
	char *qom_type; /* "scsi-hd", "virtio-blk-device", "cfi.pflash01", ... ("" if unknown) */
	char *root;     /* node the device has; the throttle filter or T itself */
	char *node;     /* T: node name below any throttle filter; may be "#block118" */
	char *driver;   /* T's driver: raw, qcow2, ... */
	char *filename; /* file or device of T's protocol node, "" if it has none */
	char *throttle; /* node name of the throttle filter, NULL without */
	struct json_object *throttle_options; /* for blockdev-reopen, with file = T; NULL without */
	char *iothread;                       /* QOM path of the iothread that serves it, NULL: main loop */
	uint64_t size;                        /* bytes QEMU sees */
	bool read_only;
	bool encrypted; /* QEMU has the key: what the guest sees is plain text */
};

void graph_disk_clear(struct graph_disk *d);

/*
 * Finds the guest's disk `key` ("scsi0", "virtio1", "efidisk0", ...): by the device's id, by the
 * name drive-<key> of device or node, pflash by its place; path (may be NULL), a file or block
 * device, finds by identity what has other names.  ERR_NOT_FOUND names what was looked for.
 * A leftover filter of ours under the device is ERR_INVALID: graph_cleanup() first.
 */
int graph_find_disk(struct qmp *q, const char *key, const char *path, struct graph_disk *ret,
		    struct error **err);

/* A disk that somebody knows of; path may be NULL.  Found as by graph_find_disk(). */
struct graph_claim {
	const char *key;
	const char *path;
};
/*
 * The guest's disks that none of the claims means, one "'scsi5' ('/srv/x.raw')" each; *ret is NULL if there
 * are none.  CD drives, floppies, flash and what is read-only are not meant.  Caller frees by strv_free().
 */
int graph_find_unclaimed(struct qmp *q, const struct graph_claim *claims, size_t n, char ***ret,
			 struct error **err);

/* Names for one disk. QEMU takes at most 31 characters. */
struct graph_names {
	char cbw[32];        /* vzdump-scsi0-cbw */
	char target[32];     /* vzdump-scsi0-target: format node of the image, or the NBD sink */
	char file[32];       /* vzdump-scsi0-file: protocol node of the image */
	char snap[32];       /* vzdump-scsi0-snap */
	char bitmap[32];     /* vzdump-scsi0 */
	char export[32];     /* vzdump-scsi0: export id and NBD export name */
	char guard[32];      /* vzdump-scsi0-guard */
	char guard_top[32];  /* vzdump-scsi0-guard-top */
	char guard_job[32];  /* vzdump-scsi0-guard-job: job, its filter and its bitmap */
	char guard_sink[32]; /* vzdump-scsi0-guard-sink */
};

int graph_names_init(struct graph_names *n, const char *key, struct error **err);

/* ---- 1. target ---- */

struct graph_image {
	struct json_object *protocol; /* {"driver":"file","filename":...}; borrowed, copied */
	const char *format;           /* "raw" or "qcow2" */
	uint64_t size;                /* as struct graph_disk.size; clips a raw image to it */
	bool direct;                  /* O_DIRECT (and aio=native where that goes with it) */
};

/* discard: unmap on both layers, no flushes: the image is worth nothing after a crash. */
int graph_add_image(struct qmp *q, const struct graph_names *n, const struct graph_image *img,
		    struct error **err);
/* QEMU connects at once: something must accept on the socket when this is called. */
int graph_add_sink(struct qmp *q, const struct graph_names *n, const char *socket_path,
		   const char *export_name, struct error **err);
int graph_del_target(struct qmp *q, const struct graph_names *n, struct error **err);

/* ---- 2. filter, not yet under the guest ---- */

struct graph_filter_options {
	unsigned cbw_timeout_s;    /* 0: none.  45 is the default of the project */
	uint64_t min_cluster_size; /* 0: QEMU's choice; used only where QEMU has it */
};

int graph_add_filter(struct qmp *q, const struct qemu_features *f, const struct graph_disk *d,
		     const struct graph_names *n, const struct graph_filter_options *o, struct error **err);
int graph_del_filter(struct qmp *q, const struct graph_names *n, struct error **err);

/*
 * ---- 3. what the guest rewrites ----
 *
 * A bitmap of the filter's node, not of T: whatever somebody puts between the two meanwhile (an external
 * snapshot of T is possible, and harmless), the guest's writes still pass it.
 */

int graph_add_bitmap(struct qmp *q, const struct graph_names *n, struct error **err);
int graph_del_bitmap(struct qmp *q, const struct graph_names *n, struct error **err);

/* ---- 4. the instant ---- */

struct graph_insertion {
	const struct graph_disk *disk;
	const struct graph_names *names;
};

struct graph_instant {
	bool stopped;        /* the vCPUs were stopped for it */
	uint64_t stopped_ns; /* for how long, seen from here */
};

/*
 * QEMU flushes a disk whose graph changes, and all of them for `stop`, while the guest waits.  This writes
 * out before what the host's page cache holds of the file or device (a struct graph_disk's filename; NULL
 * and what is no path: nothing), so that little is left then.  Takes as long as the disk takes; what fails
 * here QEMU's own flush meets again.
 */
void graph_write_out(const char *filename);

/*
 * Puts all filters under the guest in one instant: stops the vCPUs if they run and if that is
 * needed (several disks; IDE and SATA), inserts, lets them go on.  On error what was inserted is
 * removed again and the vCPUs run as before.  A caller killed in here leaves the guest stopped:
 * write GRAPH_OURS_STOPPED to the journal before and take it out after.
 */
int graph_insert(struct qmp *q, const struct graph_insertion *items, size_t n, struct graph_instant *ret,
		 struct error **err);
/*
 * Takes one filter out from under the guest, by what the graph looks like now.  For IDE and SATA
 * the vCPUs stop for it: GRAPH_OURS_STOPPED again.
 */
int graph_remove(struct qmp *q, const struct graph_names *n, struct error **err);
/*
 * ERR_UNSUPPORTED with the reason if the filter cannot, or should not, be put under this disk; the
 * latter is for disks with graph_needs_hold().
 */
int graph_check_insert(const struct qemu_features *f, const struct graph_disk *d, struct error **err);

/*
 * ---- 5. the guard ----
 *
 * What a backup job of QEMU's has and a filter has not: others are kept from the disk.  Without it
 * block_resize aborts QEMU (a bitmap is busy), an external snapshot of the device writes the filter's
 * name into the overlay's header, and a block-stream that is refused leaves a reference to the filter
 * behind for ever.  Two things do it, as one alone does not [tried on 7.2.22, 10.0.2, 11.1.3]:
 *
 *  - A node whose *backing file* is the filter, and one for the throttle filter above it.  QEMU blocks nearly
 *    all operations on a node that is somebody's backing file ("busy: node is used as backing hd of ..."),
 *    by device and by node name, and the guest's requests do not pass it: it costs nothing.  It does not
 *    keep block-stream away, nor a backup job of somebody else.
 *  - A backup job of the filter with an empty bitmap, which is kept from its end (auto-finalize): it copies
 *    nothing and blocks those as well.  But it has a filter node of its own above ours, and QEMU opens
 *    those of jobs without `discard`: the guest's TRIMs would be dropped as long as it stands.  So only
 *    disks that pass none have it.  Below a throttle filter a refused block-stream
 *    keeps a reference to the throttle filter and not to ours, which does no harm: no job there.
 */

/* The image of the first node, 2 KiB; one does for all disks. */
int graph_guard_image(const char *path, struct error **err);
/*
 * The job's target, of the disk's size and with nothing in it, since for a node of nothing QEMU prints a
 * warning.
 */
int graph_guard_sink(const char *path, uint64_t size, struct error **err);
/* After graph_insert() and before graph_add_snapshot().  sink: NULL for no job. */
int graph_add_guard(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *image,
		    const char *sink, struct error **err);
int graph_del_guard(struct qmp *q, const struct graph_names *n, struct error **err);

/* ---- 6. the frozen view ---- */

int graph_add_snapshot(struct qmp *q, const struct graph_names *n, struct error **err);
int graph_del_snapshot(struct qmp *q, const struct graph_names *n, struct error **err);

/* ---- 7. NBD ---- */

/* A running NBD server is an error: it is a stranger's, and a QEMU has only one. */
int graph_server_start(struct qmp *q, const char *socket_path, struct error **err);
/* Leaves it when exports of strangers use it by now (logged).  Not running is fine. */
int graph_server_stop(struct qmp *q, struct error **err);
/* Writable, which is what allows TRIM; metadata context qemu:dirty-bitmap:<names.bitmap>. */
int graph_add_export(struct qmp *q, const struct graph_names *n, struct error **err);
/* Disconnects clients; returns when the export is gone. */
int graph_del_export(struct qmp *q, const struct graph_names *n, struct error **err);

/* ---- stopped vCPUs, delicate QEMUs ---- */

/*
 * QEMU before 9.0 has AioContext locks.  Seen on 7.2.22: adding a node over a disk whose iothread
 * is at work aborts it now and then, and an NBD client that leaves an export in an iothread aborts
 * it always ("nbd_blockdev_client_closed: Assertion `qemu_in_main_thread()`").  True for such a
 * QEMU with iothreads.  Then
 *  - every function here that changes the graph stops the vCPUs for its milliseconds; a caller
 *    with several steps to do saves time with one graph_pause_begin() .. graph_pause_end() around
 *    them, and writes GRAPH_OURS_STOPPED to the journal before in any case;
 *  - exports stay in the main loop, so that virtio-blk disks do too until the backup is over;
 *  - SCSI disks cannot, see graph_needs_hold().
 * Whatever the QEMU, delete an export before its clients are closed.
 */
int graph_is_delicate(struct qmp *q, bool *ret, struct error **err);

struct graph_pause {
	bool ours; /* stopped by us, ours to continue */
	uint64_t since_ns;
	const struct cancel *cancel; /* not seen while the vCPUs stand still */
};

/*
 * Stops the vCPUs if they run, after a graph_write_out() of each writable file and device; nests.  End it
 * also after an error.
 */
int graph_pause_begin(struct qmp *q, struct graph_pause *p, struct error **err);
/* Lets them go on if p stopped them.  *ret_ns (may be NULL): how long they stood. */
int graph_pause_end(struct qmp *q, struct graph_pause *p, uint64_t *ret_ns, struct error **err);

/*
 * True for a SCSI disk with an iothread in a QEMU before 9.0: its export lives in the iothread and
 * a client that goes away aborts QEMU.  graph_check_insert() refuses these.  Who backs them up all
 * the same calls graph_hold_client() for each connection, keeps no more than GRAPH_HELD_IN_FLIGHT
 * bytes of answers on the way in each (else a kill leaves QEMU hanging at its next drain instead),
 * and closes none before graph_del_export().
 */
bool graph_needs_hold(const struct qemu_features *f, const struct graph_disk *d);
#define GRAPH_HELD_IN_FLIGHT (128 * 1024)

/*
 * Gives QEMU a copy of this side's socket, so that the connection outlives us if we are killed.
 * index: 0 .. GRAPH_MAX_HELD - 1, one for each connection.  Release after
 * graph_del_export(); graph_cleanup() does it too.
 */
#define GRAPH_MAX_HELD 64
int graph_hold_client(struct qmp *q, unsigned index, int fd, struct error **err);
int graph_release_client(struct qmp *q, unsigned index, struct error **err);

/* ---- strangers, leftovers ---- */

/*
 * ERR_INVALID when somebody else's block job uses a disk or an NBD export of somebody else is up:
 * one line that names it.
 */
int graph_check_strangers(struct qmp *q, struct error **err);

/* True if anything with our prefix is in the QEMU: nodes, exports, bitmaps. */
int graph_has_leftovers(struct qmp *q, bool *ret, struct error **err);

enum {
	GRAPH_OURS_SERVER = 1 << 0,  /* the journal says that we started the NBD server */
	GRAPH_OURS_STOPPED = 1 << 1, /* the journal says that we stopped the vCPUs */
};

/*
 * Brings the graph back after a crash (an NBD server that has exports of ours alone is stopped
 * too): undoes all that carries our prefix, in the right order, from
 * what QEMU itself says; `ours` tells what cannot be recognised by name.  Goes on after errors and
 * returns the first; the others are logged as warnings.  A filter that somebody holds is ERR_PEER: one line
 * that names who it is and what to do.  Used for the normal teardown as well.
 */
int graph_cleanup(struct qmp *q, unsigned ours, const struct log *log, struct error **err);

#endif
