/* `vzdump --job ID`: the options of a job in jobs.cfg, as if they had been given on the command line. */
#ifndef VZDUMP_SCHEDULE_JOB_OPTIONS_H
#define VZDUMP_SCHEDULE_JOB_OPTIONS_H

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "config/options.h"

/*
 * If cli, a set of vzdump_options, has --job: fills in the job's options that cli does not have itself, and
 * job-id.  A storage or dumpdir of cli's replaces either of the job's.  A job that is not enabled is fine.
 * ERR_NOT_FOUND if there is no such job, ERR_INVALID if cli chooses guests too.  log gets the warnings about
 * the file.  Call it before vzdump_options_verify().
 */
int job_options_fill(struct options *cli, const struct paths *p, const struct log *log, struct error **err);

#endif
