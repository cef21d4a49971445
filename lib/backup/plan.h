/*
 * The plan of a job (--dry-run): goes the way of job_run() up to the point where something would be changed,
 * with the same functions, and says what would be done then.  It only reads and asks: no lock, journal, log
 * file or folder is made, no storage or volume is activated, no script is called, QEMU gets queries only, and
 * nothing is sent.
 *
 * What a run would end with so far, the plan ends with, too.
 */
#ifndef VZDUMP_BACKUP_PLAN_H
#define VZDUMP_BACKUP_PLAN_H

#include "backup/job.h"
#include "report/job-plan.h"

/* For job_choose(): says which backup --stop would end. */
int plan_stop(const struct host *host, struct error **err);

/*
 * Plans the job, and logs the plan.  p->observers is not used.  *ret gets the plan as far as it came, and
 * p->report the guests and what is wrong, as by job_run(); a guest of which nothing is wrong is TASK_TODO
 * there.  The caller clears both, also after an error.
 */
int plan_job(const struct host *host, const struct job_params *p, struct job_plan *ret, struct error **err);

#endif
