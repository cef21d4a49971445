/*
 * A run of a job: vzdump, and a process beside it that outlives the scheduler, waits for vzdump's end and
 * writes it into the run's record (job-run.h).
 */
#ifndef VZDUMP_SCHEDULE_SUPERVISOR_H
#define VZDUMP_SCHEDULE_SUPERVISOR_H

#include <sys/types.h>

#include "base/error.h"
#include "base/paths.h"

/*
 * Runs `<program> --job <id> --quiet 1` in a session of its own.  What it prints is appended to the job's log
 * (job_log_file()).  The supervisor is a child of the caller, which reaps it if it lives as long, and holds
 * lock (job_run_lock()), as vzdump does; the caller closes its own descriptor.  From a process without
 * threads only.
 */
int supervisor_start(const struct paths *p, const char *id, const char *program, int lock, pid_t *ret,
		     struct error **err);

#endif
