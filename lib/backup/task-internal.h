/*
 * Shared by the parts of a guest's backup; see task.h.  Each part has its own members of struct task, which
 * others only read, and one file:
 *
 *	guest		task-guest.c	its lock, journal and mode: paused, shut down, on again
 *	disks		task-disks.c	which disks are saved
 *	sources		lib/source	where they are read from
 *	archive		task-archive.c	what is written, and where
 *	copy		task-copy.c	from the sources to the archive
 *	meter		task-meter.c	how far it is
 */
#ifndef VZDUMP_BACKUP_TASK_INTERNAL_H
#define VZDUMP_BACKUP_TASK_INTERNAL_H

#include <time.h>

#include "copy/copy.h"
#include "backup/task-log.h"
#include "backup/task.h"
#include "base/uuid.h"
#include "guest/guest-ops.h"
#include "guest/guest.h"
#include "journal/journal.h"
#include "source/source.h"
#include "vma/format.h"
#include "vma/writer.h"

struct task_guest {
	enum backup_mode mode; /* what it became: MODE_STOP for a guest that does not run */
	bool known;            /* there is a guest of that id on this node */
	struct guest_config conf;
	struct guest access; /* how it is reached */
	struct guest_status power;
	struct journal *journal; /* NULL: nothing was begun */
	bool live;               /* the disks are read from a QEMU (running, or started paused) */
	bool suspended; /* mode suspend got as far as pausing it: the hook script hears of it at the end */
	uint64_t down_since_ns; /* stop and suspend: since when the guest is away; 0: it is not */
};

struct task_disk {
	const struct guest_disk *conf;
	char *device; /* name in the archive, "drive-scsi0" */
	struct volume volume;
	bool activated;        /* by this backup, which deactivates it */
	struct source *source; /* in task.sources */
	uint8_t dev;           /* device id in the archive */
};

struct task_disks {
	struct guest_disks conf; /* all of the guest's, also those that are left out */
	struct task_disk *list;  /* those that are saved, sorted by key */
	size_t n;
};

struct task_archive {
	char *stem; /* of its name */
	char *name; /* at its place */
	char *path; /* place_path() */
	struct archive *file;
	struct vma_writer *writer; /* into file */
	char uuid[UUID_TEXT_SIZE];
};

struct task_meter {
	struct progress_disk *disks;
	struct progress_lines lines;
	struct progress_rate read_rate, write_rate;
	uint64_t start_ns;
	struct progress last; /* the last moment */
};

struct task {
	const struct host *host;
	const struct task_options *o;
	uint32_t vmid;
	struct task_log tlog;
	const struct log *log; /* &tlog.log */
	char *logfile;         /* path that the log is copied to; NULL: it is not */

	struct task_guest guest;
	struct task_disks disks;
	struct sources *sources;
	char *run_dir; /* private folder for sockets */
	struct task_archive archive;
	struct copy *copy;
	struct task_meter meter;
};

/* ---- task-hook.c: phases of a guest's backup, which the hook script and other observers hear of ---- */
int task_hook(const struct task *t, const char *phase, struct error **err);
/* A phase that comes whatever happened: a failure is a warning, and returned. */
int task_hook_after(const struct task *t, const char *phase);

/* ---- task-guest.c ---- */
/* "status = ...", the mode that follows from it, the lock in the configuration, the journal. */
int task_guest_lock(struct task *t, struct error **err);
/* The guest becomes what its mode says; disks and sources are found on the way. */
int task_guest_begin(struct task *t, struct error **err);
/* Lets vCPUs that were stopped for the backup go on. */
int task_guest_resume(struct task *t, struct error **err);
/* A connection has ended (r), to the monitor or to an export: adds what became of QEMU to err. */
void task_guest_explain(const struct task *t, int r, struct error **err);
/* Whatever happened: undoes all that the journal has.  The guest runs again as it did. */
void task_guest_end(struct task *t);

/* ---- task-disks.c ---- */
/*
 * Finds the disks that are saved by the configuration, and opens and activates their volumes.  The caller
 * clears them, also after an error.
 */
int task_disks_load(struct task *t, struct error **err);
/* Deactivates what this backup has activated. */
void task_disks_clear(struct task *t);
/* The error for a disk of 0 bytes. */
int task_refuse_empty(const struct task_disk *d, struct error **err);

/* ---- task-archive.c ---- */
enum place_state {
	PLACE_ANSWERS,
	PLACE_IS_AWAY,
};
/*
 * Names the archive and the log beside it after the time of the start; if the place answers and has an
 * archive of this very second, after a later one.
 */
void task_archive_name(struct task *t, time_t start, enum place_state state);
/* Whether one more backup is allowed, asked before anything is done. */
int task_archive_check(struct task *t, struct error **err);
/* The header, which needs the sizes of all disks. */
int task_archive_open(struct task *t, struct error **err);
/* Completes and publishes it; it may be in place, but archive.file->not_synced. */
int task_archive_finish(struct task *t, struct vma_writer_stats *ret, struct error **err);
/* One that was not published stays in the journal. */
void task_archive_close(struct task *t);

/* ---- task-copy.c ---- */
/* From the instant until nothing of ours is left in QEMU. */
int task_copy(struct task *t, struct error **err);

/* ---- task-meter.c: progress ---- */
/* The copy has been made. */
void task_meter_start(struct task *t);
/* Looks at copy, writer and sources; lines and callback as they are due. */
void task_meter_tick(struct task *t);
/* The copy is complete: the last line, and what fleecing took. */
void task_meter_end(struct task *t);
/* The archive is complete. */
void task_meter_summary(struct task *t, const struct vma_writer_stats *stats);

/* ---- task-after.c ---- */
/* The archive is complete: notes, protection, retention. */
int task_after(struct task *t, struct error **err);

#endif
