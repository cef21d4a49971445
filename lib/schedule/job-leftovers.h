/* Files of the scheduler that nobody needs any more. */
#ifndef VZDUMP_SCHEDULE_JOB_LEFTOVERS_H
#define VZDUMP_SCHEDULE_JOB_LEFTOVERS_H

#include "base/log.h"
#include "base/paths.h"
#include "schedule/jobs.h"

/*
 * Removes the files (job-files.h) of jobs that are not in the list, and those of writers that were killed.
 * If a run of such a job is still on, its record and lock stay until it has ended.
 */
void job_files_remove_others(const struct paths *p, const struct jobs *jobs, const struct log *log);

#endif
