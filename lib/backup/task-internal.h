/*
 * Shared by the parts of a guest's backup; see task.h.  Each part has its own members of struct task, which
 * others only read, and one file:
 *
 *	guest		task-guest.c	its lock, journal and mode: paused, shut down, resumed
 *	disks		task-disks.c	which disks are saved
 *	sources		lib/source	where they are read from
 *	archive		task-archive.c	the archive and its place
 *	copy		task-copy.c	from the sources to the archive
 *	meter		task-meter.c	its progress
 *	incremental	task-incremental.c	its chain, and the archive that it takes over from
 *
 * A plan (task-plan.c) goes the same way as far as nothing is changed.
 */
#ifndef VZDUMP_BACKUP_TASK_INTERNAL_H
#define VZDUMP_BACKUP_TASK_INTERNAL_H

#include <time.h>

#include "backup/base-choice.h"
#include "backup/task-log.h"
#include "backup/task.h"
#include "base/uuid.h"
#include "copy/copy.h"
#include "guest/guest-ops.h"
#include "guest/guest.h"
#include "journal/journal.h"
#include "source/source.h"
#include "vma/writer.h"

struct task_guest {
	enum backup_mode mode; /* the effective mode: MODE_STOP for a guest that does not run */
	bool known;            /* there is a guest of that id on this node */
	struct guest_config conf;
	struct guest access; /* how it is reached */
	struct guest_status power;
	struct journal *journal; /* NULL: nothing was begun */
	bool live;               /* the disks are read from a QEMU (running, or started paused) */
	/* mode suspend has paused it, or has tried to: the hook script is called at the end */
	bool suspended;
	uint64_t down_since_ns; /* stop and suspend: when the guest went down or was suspended; 0: it runs */
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
	bool published;            /* it is complete at its place */
	struct vma_writer *writer; /* into file */
	char uuid[UUID_TEXT_SIZE];
};

struct task_meter {
	struct progress_disk *disks;
	struct progress_lines lines;
	struct progress_rate read_rate, write_rate;
	uint64_t start_ns;
	struct progress last; /* at the last look */
};

struct task_incremental {
	struct base_choice choice; /* its base is the reuse's from task_incremental_writer() on */
	struct vma_reuse *reuse;   /* the writer's; NULL: none */
	char *base_name;           /* NULL: there is no base */
	bool said;                 /* the log has the line about what has changed */
	struct source_chain names; /* points to these: */
	char uuid[UUID_TEXT_SIZE], superseded[UUID_TEXT_SIZE];
	char gen[VMA_GEN_TEXT_SIZE], base_gen[VMA_GEN_TEXT_SIZE];
};

struct task {
	const struct host *host;
	const struct task_options *o;
	struct task_report *row;
	uint32_t vmid;
	struct task_log tlog;
	const struct log *log; /* &tlog.log */
	bool prunes;           /* older backups are removed, if nothing speaks against it */
	char *logfile;         /* path that the log is copied to; NULL: it is not copied */

	struct task_guest guest;
	struct task_disks disks;
	struct sources *sources;
	char *run_dir; /* private folder for sockets */
	struct task_archive archive;
	struct copy *copy;
	struct task_meter meter;
	struct task_incremental incremental;
};

/* ---- task.c: what a backup and its plan (task-plan.c) have in common ---- */
/*
 * Begins the row, names the archive.  An error if the place does not answer: it is looked at for each guest
 * again, before anything is done there or to the guest.  *t is there also then; it must not be moved.
 */
int task_init(struct task *t, const struct host *host, const struct task_options *o, struct task_report *row,
	      struct error **err);
/* Reads the configuration. */
int task_load(struct task *t, struct error **err);
/* What is checked first: HA, the number of backups, the firewall's rules; then task_guest_look(). */
int task_look(struct task *t, struct error **err);
/* The guest's name and mode, for the report. */
void task_report_guest(struct task *t);
void task_clear(struct task *t);

/* ---- task-hook.c: phases of a guest's backup, for the hook script and other observers ---- */
int task_hook(const struct task *t, const char *phase, struct error **err);
/* A phase that is reached in any case.  Logs a failure as a warning and returns it. */
int task_hook_after(const struct task *t, const char *phase);

/* ---- task-guest.c ---- */
/* Logs "status = ..." and sets the mode accordingly. */
int task_guest_look(struct task *t, struct error **err);
/* -EBUSY if the configuration has a lock. */
int task_guest_check_lock(const struct task *t, struct error **err);
/* Checks that, begins the journal and locks the configuration. */
int task_guest_lock(struct task *t, struct error **err);
/*
 * Finds the disks, calls use for them (task_disks_activate() or task_disks_look()) and makes their sources.
 * Logs the settings before or behind.
 */
int task_guest_find_disks(struct task *t, int (*use)(struct task *t, struct error **err), struct error **err);
/* Brings the guest into the state that its mode requires, and finds the disks in its QEMU. */
int task_guest_begin(struct task *t, struct error **err);
/* Resumes vCPUs that were paused for the backup. */
int task_guest_resume(struct task *t, struct error **err);
/* If a backup failed with r because QEMU or a connection to it has ended, adds to err what became of QEMU. */
void task_guest_explain(const struct task *t, int r, struct error **err);
/* Called in any case: undoes everything in the journal.  The guest runs again as before. */
void task_guest_end(struct task *t);

/* ---- task-disks.c ---- */
/* Finds the disks that are saved by the configuration.  The caller clears them, also after an error. */
int task_disks_find(struct task *t, struct error **err);
/* Activates their storages and volumes. */
int task_disks_activate(struct task *t, struct error **err);
/* In its place: says which storages would have to be activated. */
int task_disks_look(struct task *t, struct error **err);
/* Activates them again, after the guest was shut down. */
int task_disks_activate_again(struct task *t, struct error **err);
/*
 * Deactivates what this backup has activated.  When nothing reads the disks any more, but while the guest is
 * still locked: as soon as it is not, somebody may start it.
 */
void task_disks_deactivate(struct task *t);
void task_disks_clear(struct task *t);
/* The error for a disk of 0 bytes. */
int task_refuse_empty(const struct task_disk *d, struct error **err);

/* ---- task-archive.c ---- */
enum place_state {
	PLACE_ANSWERS,
	PLACE_IS_AWAY,
};
/*
 * Names the archive, and the log next to it, after the start time; if the place answers and has an archive of
 * the same second, after a later time.
 */
void task_archive_name(struct task *t, time_t start, enum place_state state);
/* Checks whether one more backup is allowed and fits the format, before anything is done. */
int task_archive_check(struct task *t, struct error **err);
/* Fills its header, which needs the sizes of all disks.  The caller clears that, also after an error. */
int task_archive_header(struct task *t, struct vma_header *hdr, struct error **err);
/* Creates the archive and its header, which needs the sizes of all disks. */
int task_archive_open(struct task *t, struct error **err);
/* Completes and publishes it; it may be in place, but archive.file->not_synced. */
int task_archive_finish(struct task *t, struct vma_writer_stats *ret, struct error **err);
/* Closes the archive.  If it was not published, it stays in the journal. */
void task_archive_close(struct task *t);

/* ---- task-copy.c ---- */
/* Copies all disks, from the instant until nothing of ours is left in QEMU. */
int task_copy(struct task *t, struct error **err);

/* ---- task-meter.c: progress ---- */
/* Called when the copy exists. */
void task_meter_start(struct task *t);
/* Reads the state of copy, writer and sources; logs a line if one is due, and calls the observers. */
void task_meter_tick(struct task *t);
/* When the copy is complete: logs the last line, and the space that fleecing has used. */
void task_meter_end(struct task *t);
/* Also after a failure, as long as the copy exists: what became of the disks, for the report. */
void task_meter_report(const struct task *t);
/* When the archive is complete: logs the summary. */
void task_meter_summary(struct task *t, const struct vma_writer_stats *stats);

/* ---- task-incremental.c ---- */
/*
 * If the backup is to be incremental: chooses the archive that it takes over from, and says why there is
 * none.  In a plan, whose guest has no journal, nothing is written.
 */
int task_incremental_choose(struct task *t, struct error **err);
/* Gives the archive the uuid of its chain, and a time after that of its base. */
void task_incremental_header(const struct task *t, struct vma_header *hdr);
/* The header of its base, whose disks keep their ids; NULL: there is none. */
const struct vma_header *task_incremental_base(const struct task *t);
/* Sets the chain and what is taken over. */
void task_incremental_writer(struct task *t, struct vma_writer_options *o);
/* While the copy runs: says what has changed, as soon as it is known. */
void task_incremental_tick(struct task *t);
/* When the archive is complete: says what was taken over. */
void task_incremental_end(struct task *t, const struct vma_writer_stats *stats);
/* When it is published: the bitmaps of its base go from QEMU. */
void task_incremental_published(struct task *t);
void task_incremental_clear(struct task *t);

/* ---- task-after.c ---- */
/* When the archive is complete: notes and protection; then pruning, unless the guest is to be tried first. */
int task_after(struct task *t, struct error **err);
/* Whether the guest is tried from its archive: task_verify(). */
bool task_verifies(const struct task *t);
/*
 * After everything else of the backup has been undone: tries the guest, and prunes.  An error if it does not
 * start: then the archive stays, and so do all older ones.
 */
int task_verify(struct task *t, struct error **err);
/* Logs by what the guest's backups are kept. */
void task_say_retention(const struct task *t);
/* Marks the guest's backups, among them this one: which are kept.  Warns of those in the future. */
void task_mark_backups(const struct task *t, struct backups *b);

#endif
