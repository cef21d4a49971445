#include "report/report-notify.h"

#include "base/strv.h"
#include "notify/notify.h"

static bool is_mailed(const struct settings_notify *s)
{
	return s->mode == NOTIFY_LEGACY || (s->mode == NOTIFY_AUTO && strv_len(s->mailto));
}

void report_notify(const struct job_report *r, const struct settings_notify *s, const struct paths *p,
		   const struct cancel *cancel, const struct log *log)
{
	const bool good = report_is_good(r);
	const struct notify_field fields[] = { { "type", "vzdump" },
					       { "hostname", r->node },
					       { "job-id", r->job_id } };
	_cleanup_json_ struct json_object *data = NULL;
	struct notification n = {
		.severity = good ? NOTIFY_INFO : NOTIFY_ERROR,
		.time = time(NULL),
		.fields = fields,
		.n_fields = ARRAY_SIZE(fields) - !r->job_id,
		.template_name = "vzdump",
	};

	if (is_mailed(s) && (!strv_len(s->mailto) || (s->failure_only && good)))
		return;
	n.data = data = report_template_data(r, p);
	if (is_mailed(s))
		notify_mail(p, &n, s->mailto, cancel, log);
	else
		notify_send(p, &n, cancel, log);
}
