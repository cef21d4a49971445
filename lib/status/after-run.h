/* What a run leaves for later: records of its guests, and figures for monitoring. */
#ifndef VZDUMP_STATUS_AFTER_RUN_H
#define VZDUMP_STATUS_AFTER_RUN_H

#include "report/report.h"
#include "storage/host.h"

/*
 * Keeps what the run has come to in the records of its guests (report/record.h).  Records of guests that no
 * node has any more go RECORD_KEEP_DAYS after their last run, so that a guest which is restored meanwhile
 * keeps its own.  Then writes the figures to `metrics`, the path of --metrics (NULL: not asked for).  A
 * guest that was not reached, and an id that no guest has, change nothing.  What cannot be written is an
 * error in the log.
 */
void after_run(const struct host *host, const char *metrics, const struct job_report *run);
#define RECORD_KEEP_DAYS 30

#endif
