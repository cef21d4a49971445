#include "report/report-notify.h"

#include "base/strv.h"
#include "notify/notify.h"

static bool is_mailed(const struct settings_notify *s)
{
	return s->mode == NOTIFY_LEGACY || (s->mode == NOTIFY_AUTO && strv_len(s->mailto));
}

/* A notification of a run, and what it borrows. */
struct run_notification {
	struct notification n;
	struct notify_field fields[3];
};

static void init_notification(struct run_notification *ret, const struct job_report *r,
			      enum notify_severity severity)
{
	*ret = (struct run_notification){
		.n = { .severity = severity,
		       .time = time(NULL),
		       .n_fields = ARRAY_SIZE(ret->fields) - !r->job_id,
		       .template_name = "vzdump" },
		.fields = { { "type", "vzdump" }, { "hostname", r->node }, { "job-id", r->job_id } },
	};
	ret->n.fields = ret->fields;
}

void report_notify(const struct job_report *r, const struct settings_notify *s, const struct paths *p,
		   const struct cancel *cancel, const struct log *log)
{
	const bool good = report_is_good(r);
	_cleanup_json_ struct json_object *data = NULL;
	struct run_notification run;

	if (is_mailed(s) && (!strv_len(s->mailto) || (s->failure_only && good)))
		return;
	init_notification(&run, r, good ? NOTIFY_INFO : NOTIFY_ERROR);
	data = report_template_data(r, p);
	run.n.data = data;
	if (is_mailed(s))
		notify_mail(p, &run.n, s->mailto, cancel, log);
	else
		notify_send(p, &run.n, cancel, log);
}

/* ---- the plan ---- */

/* A log that says nothing twice. */
struct once_log {
	struct log log;
	const struct log *outer;
	char **said;
};

static void say_once(const struct log *log, enum log_level level, const char *line)
{
	struct once_log *l = log->opaque;

	if (strv_contains(l->said, line))
		return;
	strv_add(&l->said, line);
	l->outer->line(l->outer, level, line);
}

static char **targets_of(const struct job_report *r, enum notify_severity severity, const struct paths *p,
			 const struct log *log)
{
	_cleanup_error_ struct error *err = NULL;
	struct run_notification run;
	char **names = NULL;

	init_notification(&run, r, severity);
	if (notify_targets(p, &run.n, log, &names, &err) < 0)
		log_error(log, "cannot notify anybody: %s", error_message(err));
	return names;
}

void report_plan_notify(const struct job_report *r, const struct settings_notify *s, const struct paths *p,
			const struct log *log, struct notify_plan *ret)
{
	struct once_log once = { .log = { .line = say_once, .opaque = &once }, .outer = log };

	*ret = (struct notify_plan){ .way = !is_mailed(s)         ? NOTIFY_BY_SYSTEM
					    : strv_len(s->mailto) ? NOTIFY_BY_MAIL
								  : NOTIFY_NOBODY };
	if (ret->way == NOTIFY_BY_SYSTEM) {
		ret->if_good = targets_of(r, NOTIFY_INFO, p, &once.log);
		ret->if_bad = targets_of(r, NOTIFY_ERROR, p, &once.log);
	}
	for (char **to = s->mailto; ret->way == NOTIFY_BY_MAIL && *to; to++) {
		strv_add(&ret->if_bad, *to);
		if (!s->failure_only)
			strv_add(&ret->if_good, *to);
	}
	strv_free(once.said);
}
