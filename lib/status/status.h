/*
 * What an administrator asks about the guests of this host: the last good backup of each, what will be
 * removed next, when the next run is, how the last one went, and which guests are not looked after.  It is
 * made of the names of archives, jobs.cfg and our own records; no archive and no guest's configuration is
 * opened.
 */
#ifndef VZDUMP_STATUS_STATUS_H
#define VZDUMP_STATUS_STATUS_H

#include "report/record.h"
#include "status/archives.h"
#include "status/planned.h"

enum status_problem {
	STATUS_NO_BACKUP = 1 << 0,
	STATUS_NO_JOB = 1 << 1, /* no job that is enabled here saves it */
	STATUS_FAILED = 1 << 2, /* its last run */
};
#define STATUS_PROBLEMS 3
/* "no-backup", "no-job", "failed". */
const char *status_problem_name(enum status_problem problem);

/* The newest backup of a guest. */
struct status_backup {
	time_t time; /* 0: there is none; then nothing else is set */
	char *path;  /* "-": it went to standard output */
	char *volid; /* NULL: it is on no storage */
	uint64_t size;
	bool is_protected;
	time_t verified; /* when vma verify found it whole; 0: it is not known to be */
	/*
	 * Its archive was seen.  False: our record tells of it, its place did not answer or cannot be
	 * looked at.
	 */
	bool is_seen;
};

struct status_guest {
	uint32_t vmid;
	bool is_container;
	bool has_record;
	struct guest_record record;
	struct status_backup backup;
	size_t n_backups; /* in all places */
	const struct planned_job **jobs;
	size_t n_jobs;
	const struct planned_job *next; /* of these, the one that runs first; NULL: none ever runs */
	/* What the next run will remove, oldest first: volume ids, or paths. */
	char **pruned;
	time_t pruned_time; /* of the first; 0: nothing */
	unsigned problems;  /* set of enum status_problem */
};

struct status {
	time_t now;
	char *node;
	struct archives archives;
	struct planned planned;
	bool has_records;            /* there are some, and they can be read */
	struct status_guest *guests; /* ascending */
	size_t n;
};

struct status_request {
	time_t now;
	const char *storage;   /* look at the backups of this storage alone; NULL: at all */
	const uint32_t *vmids; /* these guests alone */
	size_t n_vmids;        /* 0: all */
};

/*
 * What the next run will remove is found by backups_mark(), with a new backup at the time of the run: in
 * the place of the guest's next job, by the retention that this has (the job's, else the storage's, else
 * vzdump.conf's); without a job, in the place of its newest backup, as if vzdump were called now.
 *
 * ERR_NOT_FOUND for an id that no guest of this host has; errors of archives_list_storages().  Warnings in
 * host->log name places that did not answer, records that are damaged and jobs that cannot run.
 * host->storages is used.  The caller clears *ret, also after an error.
 */
int status_make(const struct host *host, const struct status_request *q, struct status *ret,
		struct error **err);
void status_clear(struct status *s);
#define _cleanup_status_ _cleanup_(status_clear)

#endif
