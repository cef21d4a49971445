/*
 * The plan as JSON, for programs: `vzdump --dry-run --output-format json`.  vzdump-report(5) describes it;
 * "version" grows when a key changes its meaning or goes, not when one is added.
 */
#ifndef VZDUMP_REPORT_JOB_PLAN_JSON_H
#define VZDUMP_REPORT_JOB_PLAN_JSON_H

#include "base/json.h"
#include "report/job-plan.h"

#define JOB_PLAN_JSON_VERSION 1

/* r: the report of the same run.  The caller puts it. */
struct json_object *job_plan_json(const struct job_plan *p, const struct job_report *r);

#endif
