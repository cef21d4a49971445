/* Shared by the parts of a guest's backup; see task.h. */
#ifndef VZDUMP_BACKUP_TASK_INTERNAL_H
#define VZDUMP_BACKUP_TASK_INTERNAL_H

#include <time.h>

#include "base/uuid.h"
#include "place/archive.h"
#include "copy/copy.h"
#include "qemu/storage-daemon.h"
#include "guest/power.h"
#include "backup/task-log.h"
#include "backup/task.h"
#include "guest/guest.h"
#include "journal/journal.h"
#include "source/usage.h"
#include "qemu/graph.h"
#include "qemu/probe.h"
#include "storage/in-use.h"
#include "vma/format.h"

/* How a disk is read. */
enum task_way {
	WAY_OFFLINE,  /* through a read-only qemu-storage-daemon */
	WAY_SINK,     /* frozen view; old data is pushed to vzdump */
	WAY_FLEECING, /* frozen view; old data goes to a fleecing image */
};

struct task_disk {
	const struct guest_disk *conf;
	char *device; /* name in the archive, "drive-scsi0" */
	struct volume volume;
	enum task_way way;
	uint64_t size;           /* bytes, as QEMU sees it */
	uint8_t dev;             /* device id in the archive */
	struct graph_disk graph; /* not for WAY_OFFLINE */
	struct graph_names names;
	struct volume_mark mark; /* WAY_OFFLINE: before it was read */
	bool activated;          /* by this backup, which deactivates it */
	struct volume image;     /* WAY_FLEECING */
	uint64_t granularity;    /* of the image's discards, bytes */
	size_t usage_index;
};

struct task {
	const struct host *host;
	const struct task_options *o;
	uint32_t vmid;
	const char *mode; /* what it became: a guest that does not run is "stop" */
	time_t start;
	struct task_log tlog;
	const struct log *log; /* &tlog.log */
	bool known;            /* there is a guest of that id on this node */
	char *target;          /* path of the archive, "-" for standard output */
	char *logfile;         /* path that the log is copied to; NULL: it is not */
	struct power_state power;
	bool live;              /* the disks are read from a QEMU (running, or started paused) */
	bool vcpus_ran;         /* they are to run again after the instant */
	bool suspended;         /* mode suspend got as far as pausing it: hooks are told at the end */
	uint64_t down_since_ns; /* stop and suspend: since when the guest is away; 0: it is not */

	struct guest_config conf;
	struct guest_disks conf_disks;
	struct task_disk *disks;
	size_t n;

	struct journal *journal;
	char *run_dir;   /* private folder for sockets */
	struct qmp *qmp; /* only during bursts */
	struct qemu_features features;
	struct storage_daemon offline;
	struct archive archive;
	struct copy *copy;
	struct usage *usage;
	char uuid[UUID_TEXT_SIZE];

	struct progress_disk *progress_disks;
	struct progress_lines lines;
	struct progress_rate read_rate, write_rate;
	uint64_t copy_start_ns;
	struct progress last; /* the last moment */
};

/* ---- task-disks.c: which disks, and where they are ---- */
int task_load_disks(struct task *t, struct error **err);
void task_clear_disks(struct task *t);
/* An error for a disk of 0 bytes; all sizes are known. */
int task_check_sizes(const struct task *t, struct error **err);
/* The archive's configuration files, appended to the header. */
int task_add_configs(struct task *t, struct vma_header *hdr, struct error **err);

/* ---- task-compare.c: QEMU beside the configuration; what differs is a warning ---- */
/* After graph_find_disk(): another file, one that QEMU decrypts. */
void task_compare_disk(const struct task *t, const struct task_disk *d);
/* Disks of the guest that the configuration does not name.  t->qmp is open. */
int task_compare_guest(const struct task *t, struct error **err);

/* ---- task-live.c: disks of a QEMU ---- */
/* Finds the disks in QEMU and what it can do; decides each disk's way. */
int task_live_prepare(struct task *t, struct error **err);
/* Writes out what the host holds back of the disks, before the guest has to wait for it. */
void task_write_out(const struct task *t);
/* Images, nodes, the instant, exports.  t->copy listens for the sinks already. */
int task_live_start(struct task *t, struct error **err);
/* task-guard.c: keeps others from the disks, through t->qmp; the filters are in. */
int task_add_guards(struct task *t, struct error **err);
/* Returns when no request of the guest is half done in QEMU (copy_options.barrier). */
int task_barrier(struct task *t, struct error **err);
/* Lets vCPUs that were stopped for the backup go on. */
int task_resume(struct task *t, struct error **err);

/* ---- task-offline.c: disks that no QEMU of the guest has ---- */
/* Serves them, if nobody has them open for writing; their sizes. */
int task_offline_start(struct task *t, struct error **err);
/* Each to its disk of t->copy. */
int task_offline_connect(struct task *t, struct error **err);
/* A cheap look while they are read: -EBUSY if one was written. */
int task_offline_look(const struct task *t, struct error **err);
/* All has been read: the same, and whether anybody has one open for writing now. */
int task_offline_check(const struct task *t, struct error **err);

/* ---- task-copy.c: the archive and what goes into it ---- */
int task_copy(struct task *t, struct vma_writer_stats *ret, struct error **err);

/* ---- task-after.c: notes, protection, retention ---- */
/* Whether one more backup is allowed, asked before anything is done. */
int task_check_limits(struct task *t, struct error **err);
int task_after(struct task *t, struct error **err);

#endif
