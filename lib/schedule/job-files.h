/*
 * The files of the scheduler in /var/lib/vzdump/jobs, three for each job:
 *
 *	vzdump-<id>.json	its state (job-state.h)
 *	vzdump-<id>.run		the record of its last run (job-run.h)
 *	vzdump-<id>.lck		locked while a run is on (job-run.h)
 */
#ifndef VZDUMP_SCHEDULE_JOB_FILES_H
#define VZDUMP_SCHEDULE_JOB_FILES_H

#include "base/paths.h"

/* The folder.  Caller frees, this and the others. */
char *job_files_dir(const struct paths *p);
/* The job's file of this kind: "json", "run", "lck".  Caller frees. */
char *job_file(const struct paths *p, const char *id, const char *kind);
/* What its runs print, in another folder.  Caller frees. */
char *job_log_file(const struct paths *p, const char *id);

#endif
