/*
 * The report as JSON, for programs: `vzdump --output-format json`.  vzdump-report(5) describes it; "version"
 * grows when a key changes its meaning or goes, not when one is added.
 */
#ifndef VZDUMP_REPORT_REPORT_JSON_H
#define VZDUMP_REPORT_REPORT_JSON_H

#include "base/json.h"
#include "report/report.h"

#define REPORT_JSON_VERSION 1

/* The caller puts it. */
struct json_object *report_json(const struct job_report *r);

/* What its "slowdown" is; NULL: its fleecing images had no limit.  Caller puts it. */
struct json_object *slowdown_report_json(const struct slowdown_report *s);

#endif
