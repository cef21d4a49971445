/*
 * A log that passes each line on, and keeps the warnings in the report: with their guest (log_for_guest()),
 * or with the run.  It may be called from any thread.
 */
#ifndef VZDUMP_REPORT_REPORT_LOG_H
#define VZDUMP_REPORT_REPORT_LOG_H

#include <pthread.h>

#include "base/log.h"
#include "report/report.h"

struct report_log {
	struct log log; /* for the job */
	const struct log *outer;
	struct job_report *report;
	pthread_mutex_t lock;
};

/* Both must live as long as the log is used. */
void report_log_init(struct report_log *l, struct job_report *report, const struct log *outer);
void report_log_clear(struct report_log *l);

#endif
