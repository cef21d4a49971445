/* A restore under way. */
#ifndef VZDUMP_RESTORE_RESTORE_INTERNAL_H
#define VZDUMP_RESTORE_RESTORE_INTERNAL_H

#include <stdatomic.h>

#include "qemu/storage-daemon.h"
#include "backup/recover.h"
#include "base/pace.h"
#include "guest/power.h"
#include "base/buf.h"
#include "guest/guest.h"
#include "journal/journal.h"
#include "qemu/live.h"
#include "restore/plan.h"
#include "restore/restore.h"
#include "restore/serve.h"
#include "restore/target.h"
#include "vma/random.h"
#include "vma/reader.h"

/* Of the rules that are replaced; pmxcfs takes files of 1 MiB. */
#define RESTORE_FIREWALL_MAX ((size_t)4 << 20)
#define RESTORE_ALIVE        "qmrestore-alive" /* QEMU's name for the pipe's end */

struct restore_volume {
	struct plan_disk *disk;
	struct volume volume; /* empty for a cloud-init image that was there */

	/* of a live restore: filled while the guest runs */
	bool live;
	struct volume overlay;
	struct graph_disk graph;
	struct live_names names;
	struct live_progress progress;
	bool finishing; /* live_finish() was begun */
	bool complete;  /* the guest is on its volume, the overlay not needed any more */
};

struct restore {
	const struct host *host;
	const struct restore_params *p;
	struct vma_reader *reader;
	struct plan plan;
	struct restore_volume *volumes; /* of the disks that are wanted */
	size_t n;
	struct guest_config old; /* text is NULL if there is no guest yet */
	bool has_old;
	struct journal *journal;
	char *dir;          /* private folder for sockets, or NULL */
	struct buf config;  /* what the guest's configuration will be */
	char *old_firewall; /* path of a copy of its firewall rules, "": it had none; NULL: not touched */
	/* volumes of the guest that is replaced, and names of its snapshots; NULL: none */
	char **doomed, **kept, **snapshots;

	struct vma_random *random; /* only of a live restore */
	struct serve server;
	int alive[2]; /* pipe: the server lives as long as somebody has its second end */
	struct power_state power;

	struct storage_daemon daemon;
	struct target targets[VMA_MAX_DEVICES + 1];
	struct pace pace;
	uint64_t start_ns;
	uint64_t bwlimit;          /* of all disks together; bytes per second, 0: none */
	atomic_bool target_failed; /* else what ended the copy is the archive's fault */
};

/*
 * restore.c: -EBUSY if the guest runs, or somebody has a disk of the one that is replaced open for
 * writing.
 */
int restore_check_stopped(const struct restore *r, struct error **err);

/* volumes.c: makes and opens what the data goes to. */
int restore_make_volumes(struct restore *r, struct error **err);
int restore_open_targets(struct restore *r, struct error **err);
/* All is on disk, and closed. */
int restore_close_targets(struct restore *r, struct error **err);

/* True if the storage has an image of that id, and false if it cannot tell. */
bool restore_name_taken(const struct storage *s, uint32_t vmid, const char *volid);

/* False if the volume is gone for certain. */
bool restore_is_there(const struct volume *v);

/* fill.c: the archive into the targets. */
int restore_copy(struct restore *r, struct error **err);

/* commit.c: from now on the guest is the new one. */
int restore_commit(struct restore *r, struct error **err);
/* r->config for a whole guest */
int restore_make_config(struct restore *r, struct error **err);
/* An error if the firewall rules that are there could not be saved. */
int restore_check_firewall(const struct restore *r, struct error **err);
/* Puts the firewall rules in place, in the journal. */
int restore_write_firewall(struct restore *r, struct error **err);
/* All is kept, whatever happens: the journal is gone, unless there is an error. */
int restore_keep(struct restore *r, struct error **err);

/*
 * replaced.c: the volumes of the guest that is replaced.  What the archive has a disk for goes, the
 * rest is kept: the lines "unusedN: ..." are added to r->config.  Snapshots go from both, as their
 * configuration does.  Facts: restore_cleanup_oldconf and rescan of PVE::QemuServer.
 */
void restore_sort_old(struct restore *r);
/* -EBUSY if anybody writes to a disk that is the guest's own: it runs, whatever its socket says. */
int restore_check_old_unused(const struct restore *r, struct error **err);
/* The configuration is in place.  A volume that cannot be removed is added to it as unusedN. */
void restore_remove_old(struct restore *r);
/* False for what is not the guest's own: others' disks, paths.  True also if nobody can tell. */
bool restore_may_own(const struct restore *r, const char *volid);

/* template.c: whether the template may be replaced; -EBUSY if linked clones stand on it. */
int restore_check_template(const struct restore *r, struct error **err);

/* live.c: the guest starts at once. */
int restore_live_check(struct restore *r, struct error **err);
int restore_live(struct restore *r, struct error **err);
/* Path of the copy of the replaced guest's configuration.  Caller frees. */
char *restore_old_copy(const struct restore *r);
void restore_live_clear(struct restore *r);
/* live-watch.c: until all is on the volumes. */
int restore_live_watch(struct restore *r, struct error **err);
/*
 * What qemu-img takes for a disk as the guest left it: the overlay over the archive, which is served at that
 * socket.  Caller frees *ret.
 */
int restore_whole_disk(const struct restore_volume *v, const char *socket, char **ret, struct error **err);

/* finish-script.c: its path, which the caller frees; and writing it. */
char *restore_finish_script(const struct restore *r);
int restore_write_finish(struct restore *r, struct error **err);

#endif
