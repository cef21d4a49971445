/*
 * Disks that the guest's QEMU has: the common part of fleecing and sink (qemu/nodes.h has the picture).
 * The monitor is connected only for bursts, since others need it too.
 */
#ifndef VZDUMP_SOURCE_LIVE_H
#define VZDUMP_SOURCE_LIVE_H

#include "qemu/disk.h"
#include "qemu/names.h"
#include "qemu/probe.h"
#include "source/source.h"

/* How long a guest's write may wait for the copy of what it overwrites, before the snapshot is given up. */
#define LIVE_CBW_TIMEOUT_S 45

/* The guest's QEMU. */
struct live {
	struct qemu_features features;
	bool vcpus_ran; /* at the time of live_open(); they must run again after the instant */
	char *socket;   /* of the NBD server that we start in it; NULL: not yet */
	char *bitmaps;  /* the journal's entry for the bitmaps of a new generation; NULL: none are made */
};

/* One disk there. */
struct live_disk {
	struct graph_disk graph;
	struct graph_names names;
	char *base;    /* the base's bitmap on the disk's node; NULL: there is none */
	char *no_base; /* why, in one line; NULL: none was looked for */
};

struct live *live_new(void);
void live_free(struct live *l);
void live_disk_free(struct live_disk *d);

/* Whether this QEMU can do what fleecing needs; after live_open(). */
bool live_can_fleece(const struct live *l);
/* Connects to the monitor for a burst. */
int live_monitor(const struct sources *s, struct qmp **ret, struct error **err);
/* Writes out what the host caches of the disks. */
void live_write_out(const struct sources *s);
/* See sources_barrier(). */
int live_barrier(struct sources *s, struct error **err);

/* Whether QEMU has nodes of an earlier backup that no journal names. */
int live_has_leftovers(const struct sources *s, bool *ret, struct error **err);
/* Removes them. */
int live_clean(const struct sources *s, struct error **err);

/* `open` of both kinds: finds the disks in QEMU.  Leaves QEMU as it is. */
int live_open(struct sources *s, struct source *const *disks, size_t n, struct error **err);
/* `begin` of both kinds: nodes, the instant, exports. */
int live_begin(struct sources *s, struct source *const *disks, size_t n, struct error **err);
/* `endpoint` of both kinds, to which fleecing adds what its images need. */
void live_endpoint(const struct sources *s, const struct source *d, struct source_endpoint *ret);

/* ---- compare.c: warns if QEMU and the configuration differ ---- */

/* Warns about another file than the configuration's, and about a disk that QEMU decrypts. */
void compare_disk(const struct sources *s, const struct source *d);
/* Warns about disks of the guest that the configuration does not name. */
void compare_guest(const struct sources *s, const struct blockgraph *g);

/* ---- instant.c ---- */

/* Freezes file systems if s->freeze says so, inserts the filters and guards, thaws. */
int instant_take(struct sources *s, struct source *const *disks, size_t n, struct error **err);

/* ---- guard.c: keeps others from the disks, once the filters are inserted ---- */

int guard_add(const struct sources *s, struct source *const *disks, size_t n, struct qmp *q,
	      struct error **err);
/* Whether a word of QEMU's command line (-drive, -blockdev, also JSON) sets discard=unmap or on. */
bool guard_asks_to_discard(const char *word);

/* ---- export.c ---- */

/* Starts the NBD server in QEMU and exports the snapshots of the disks; sets s->live->socket. */
int export_snapshots(struct sources *s, struct source *const *disks, size_t n, struct error **err);

#endif
