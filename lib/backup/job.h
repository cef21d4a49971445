/*
 * A backup job: takes the global lock, reaches the job's phases (observer.h), cleans up after killed runs,
 * and backs up the guests one after the other.
 */
#ifndef VZDUMP_BACKUP_JOB_H
#define VZDUMP_BACKUP_JOB_H

#include "backup/observer.h"
#include "backup/select.h"
#include "backup/task.h"
#include "config/settings.h"
#include "report/report.h"
#include "storage/host.h"

struct job_params {
	const struct settings *settings;
	const struct selection *selection; /* of job_choose() */
	const char *command_line;          /* "vzdump 123 --mode snapshot", for the log */
	int stdout_fd;                     /* --stdout: where the archive goes */
	const struct observers *observers; /* the hook script, the terminal, ...; may be NULL */
	task_boot_fn *boot;                /* for --verify-boot; NULL: it has no effect */
	struct job_report *report;         /* of zeroes; filled in any case, the caller clears it */
};

/* What --stop does: job_stop_running(), or plan_stop() of plan.h. */
typedef int job_stop_fn(const struct host *host, struct error **err);

/*
 * The first step of a job: checks that the job is for this node, selects the guests, calls stop for --stop.
 * Returns 1 if there is a job to run, and 0 if there is none and the command has succeeded: the job is for
 * another node, no guest is here, or only --stop was asked for.  Errors: a pool that does not exist,
 * --stdout with more or less than one guest, a running job that does not stop.  settings_init() is enough
 * for it: vzdump.conf need not have been read.  The caller clears *ret, also after an error.
 */
int job_choose(const struct host *host, const struct settings_request *q, job_stop_fn *stop,
	       struct selection *ret, struct error **err);

/*
 * Runs the job.  It reads storage.cfg after the phase job-init and does not use host->storages.  0 if every
 * guest was saved.  "job errors" if a guest failed; the log and the report have the reason for each.
 */
int job_run(const struct host *host, const struct job_params *p, struct error **err);

/*
 * --cleanup: undoes what killed runs left behind, for the guests that the request names or for all; with
 * --forget, then removes the bitmaps of incremental backups from their QEMUs.
 */
int job_cleanup(const struct host *host, const struct settings *s, const struct observers *observers,
		struct error **err);

/*
 * --stop: ends the running job on this host, PVE's or ours, and waits up to 15 s for its end.  If the lock is
 * held but the pid file names no running job, it only logs a warning.
 */
int job_stop_running(const struct host *host, struct error **err);

#endif
