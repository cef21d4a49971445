/*
 * What a run of vzdump would do: `vzdump --dry-run`.  It stands beside the report, which has the guests in
 * the same order, and of each the name, the effective mode, what is wrong and the warnings.
 *
 * Sizes are in bytes.  Strings belong to the plan unless they are static.
 */
#ifndef VZDUMP_REPORT_JOB_PLAN_H
#define VZDUMP_REPORT_JOB_PLAN_H

#include "report/report.h"

/* A size that may not be known. */
struct plan_bytes {
	bool known;
	uint64_t bytes;
};

/* One disk that the guest's configuration names. */
struct disk_plan {
	char *key;   /* "scsi0" */
	char *volid; /* as the configuration has it */
	bool included;
	char *reason; /* why it is, or why not */
	/* Only of disks that are included; as far as it came: */
	char *name;             /* in the archive, "drive-scsi0"; NULL: not included */
	const char *way;        /* "fleecing", "sink", "offline"; static; NULL: not known */
	struct plan_bytes size; /* virtual */
	char *file;             /* what QEMU has open there; NULL: it is not read from QEMU */
	char *image_storage;    /* of its fleecing image; NULL: it gets none */
	bool image_reserved;    /* the image takes all of its size at once */
	struct plan_bytes image_free;
	struct plan_bytes image_reserve; /* of these, what stays free */
};

/* What the fleecing images of a guest may take together, but for those that take all their size at once. */
struct limit_plan {
	struct plan_bytes asked; /* by limit= or --fleecing-limit; not known: not limited so */
	struct plan_bytes room;  /* what is free for them, less the reserve */
	const char *reason;      /* the smaller: "limit", "fleecing-limit", "reserve"; static; NULL: none */
};

struct guest_plan {
	enum {
		GUEST_POWER_UNKNOWN,
		GUEST_IS_OFF,
		GUEST_RUNS,
	} power;
	bool cleanup; /* an earlier backup left something behind, which is removed first */
	struct disk_plan *disks;
	size_t n_disks;
	bool fleeces; /* it has such images: */
	struct limit_plan limit;
	char *newest; /* path of its newest backup; NULL: there is none */
	uint64_t newest_size;
	struct plan_bytes target_free; /* when its turn comes, as far as the newest backups tell */
	char **prune;                  /* paths of the backups that retention removes; NULL: none */
	const char *const *phases;     /* of the hook script, static; NULL: none */
};

enum notify_way {
	NOTIFY_NOBODY,
	NOTIFY_BY_MAIL,   /* one mail to addresses */
	NOTIFY_BY_SYSTEM, /* targets of notifications.cfg */
};

struct notify_plan {
	enum notify_way way;
	/* Addresses, or names of targets: if all guests are saved, and if something fails; NULL: none. */
	char **if_good, **if_bad;
};

struct job_plan {
	bool stop;     /* --stop: the backup that runs is ended first */
	char *running; /* "held by vzdump (pid ...) since ...": another backup runs; NULL: none does */
	bool target_active;
	struct plan_bytes target_free;
	char *retention;           /* "keep-last=3"; NULL: not known */
	bool prunes;               /* backups that it does not keep are removed */
	unsigned verify_boot_s;    /* seconds that each guest has when it is tried; 0: none is */
	char *script;              /* the hook script; NULL: none */
	const char *const *phases; /* of the job, static */
	struct notify_plan notify;
	char **external; /* ids of guests of other nodes; NULL: none */

	struct guest_plan *guests;
	size_t n;
};

/* The smaller of asked and room. */
struct plan_bytes limit_plan_bytes(const struct limit_plan *l);
/* The guest was looked at, and nothing that would fail has been seen. */
bool guest_plan_is_good(const struct guest_plan *g, const struct task_report *row);
/* Nothing that would fail has been seen. */
bool job_plan_is_good(const struct job_report *r);
void job_plan_clear(struct job_plan *p);
#define _cleanup_job_plan_ _cleanup_(job_plan_clear)

#endif
