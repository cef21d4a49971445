/* The notification of a run: who gets it, and what it says (facts: PVE::VZDump::send_notification, PVE 9). */
#ifndef VZDUMP_REPORT_REPORT_NOTIFY_H
#define VZDUMP_REPORT_REPORT_NOTIFY_H

#include "base/cancel.h"
#include "base/json.h"
#include "base/log.h"
#include "base/paths.h"
#include "config/settings.h"
#include "report/job-plan.h"
#include "report/report.h"

/*
 * What the templates show: PVE's keys, and ours: "fleecing-table", a table as "guest-table", and "warnings",
 * an array of lines; null if there is nothing to say.  The caller puts it.
 */
struct json_object *report_template_data(const struct job_report *r, const struct paths *p);

/*
 * Tells whoever should hear of the run, as the settings say.  Takes 30 s at most.  Failures are logged as
 * errors and change nothing else.
 */
void report_notify(const struct job_report *r, const struct settings_notify *s, const struct paths *p,
		   const struct cancel *cancel, const struct log *log);

/*
 * Who would hear of it, now; log gets the errors that are known before anything is sent, each once.  The
 * caller clears *ret by job_plan_clear(), of which it is a part.
 */
void report_plan_notify(const struct job_report *r, const struct settings_notify *s, const struct paths *p,
			const struct log *log, struct notify_plan *ret);

#endif
