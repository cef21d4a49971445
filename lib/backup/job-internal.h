/*
 * Shared by the run of a job (job.c) and its plan (plan.c), which begin alike: job-prepare.c.
 */
#ifndef VZDUMP_BACKUP_JOB_INTERNAL_H
#define VZDUMP_BACKUP_JOB_INTERNAL_H

#include "backup/job.h"
#include "backup/task.h"

struct job {
	struct host host; /* the caller's, with the storages as they are after job-init */
	const struct job_params *p;
	struct storage_config storages;
	struct task_options task;
	char *dumpdir;
	struct budget budget;
	struct job_report *report;
};

/* Begins the report, too.  p is borrowed; j must not be moved then. */
void job_init(struct job *j, const struct host *host, const struct job_params *p);
void job_clear(struct job *j);

/* What is done with the storage of the archives: storage_activate() or storage_look(). */
typedef int job_storage_fn(const struct storage *s, const struct log *log, struct error **err);

/*
 * Reads storage.cfg, chooses place and retention.  The hook script runs first, because it may mount a file
 * system that the other steps check, or change storage.cfg.  All errors are reported at once, as in PVE.
 */
int job_prepare(struct job *j, job_storage_fn *use, struct error **err);

/*
 * A phase of the job is reached; j->dumpdir is not known yet in job-init.  The output of hook scripts goes to
 * *kept, too.
 */
int job_reach(struct job *j, const char *name, enum phase_rule rule, struct buf *kept, struct error **err);

/* Where the archives go, as far as it is known. */
void job_report_place(struct job *j);
/* That the guest is a container, which is not saved. */
void job_report_container(const struct selected_guest *g, struct task_report *row);
/* After the guests: which of them are containers. */
void job_say_not_saved(const struct job *j);

#endif
