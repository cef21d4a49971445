/*
 * What programs read of a job on standard output: the report as one JSON object, or an object per line while
 * the job runs and the report as the last one.  vzdump-report(5) describes both.
 */
#ifndef VZDUMP_CLI_REPORT_OUT_H
#define VZDUMP_CLI_REPORT_OUT_H

#include "backup/observer.h"
#include "config/settings.h"
#include "report/job-plan.h"
#include "report/report.h"

/* Follows a job for OUTPUT_JSON_LINES; does nothing for other formats. */
struct observer report_out_observer(enum settings_output format);
/* At the end of the run; nothing for OUTPUT_TEXT.  -EIO if it, or a line before it, could not be written. */
int report_out(enum settings_output format, const struct job_report *r, struct error **err);
/* The same at the end of a dry run: the plan. */
int plan_out(enum settings_output format, const struct job_plan *p, const struct job_report *r,
	     struct error **err);

#endif
