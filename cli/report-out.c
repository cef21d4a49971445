#include "report-out.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "json-out.h"
#include "output.h"
#include "report/job-plan-json.h"
#include "report/report-json.h"

static struct json_object *new_line(const char *type, uint32_t vmid)
{
	struct json_object *o = json_new_str("type", type);

	json_put_int(o, "time", time(NULL));
	if (vmid)
		json_put_u64(o, "vmid", vmid);
	return o;
}

static bool put_json(struct json_object *o, int flags)
{
	_cleanup_free_ char *json = json_out_text(o, flags), *text = xasprintf("%s\n", json);

	return output_write(stdout, text);
}

static bool put_line(struct json_object *o)
{
	return put_json(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void on_event(void *opaque, const struct event *e)
{
	static const char *const levels[] = {
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_WARN] = "warning",
		[LOG_LEVEL_ERROR] = "error",
	};
	struct json_object *o = new_line("event", e->vmid);

	(void)opaque;
	json_put_str(o, "level", levels[e->level]);
	json_put_text(o, "message", e->line);
	if (e->archive)
		json_put_text(o, "archive", e->archive);
	put_line(o);
}

static int on_phase(void *opaque, const struct phase *p, struct error **err)
{
	struct json_object *o = new_line("phase", p->guest ? p->guest->vmid : 0);

	(void)opaque;
	(void)err;
	json_put_str(o, "phase", p->name);
	if (p->guest)
		json_put_str(o, "mode", p->guest->mode);
	put_line(o);
	return 0;
}

static void put_space(struct json_object *o, uint64_t now, uint64_t peak)
{
	json_put_obj(o, "fleecing", json_put_u64(json_put_u64(json_new_obj(), "now", now), "peak", peak));
}

static struct json_object *disk_json(const struct progress_disk *d)
{
	struct json_object *o = json_new_str("name", d->name);

	json_put_u64(o, "to-read", d->to_read);
	json_put_u64(o, "read", d->read);
	if (d->fleecing)
		put_space(o, d->fleecing_now, d->fleecing_peak);
	return o;
}

static void on_progress(void *opaque, const struct progress *p)
{
	struct json_object *o = new_line("progress", p->vmid), *disks = json_new_array();

	(void)opaque;
	for (size_t i = 0; i < p->n_disks; i++)
		json_append(disks, disk_json(&p->disks[i]));
	json_put_u64(o, "percent", (uint64_t)progress_percent(p->read, p->to_read));
	json_put_u64(o, "to-read", p->to_read);
	json_put_u64(o, "read", p->read);
	json_put_u64(o, "zero", p->zero);
	json_put_u64(o, "written", p->written);
	json_put_u64(o, "read-speed", (uint64_t)p->read_rate);
	json_put_u64(o, "write-speed", (uint64_t)p->write_rate);
	if (p->fleecing)
		put_space(o, p->fleecing_now, p->fleecing_peak);
	if (p->limited)
		json_put_bool(o, "slowed", p->slowed);
	json_put_obj(o, "disks", disks);
	put_line(o);
}

struct observer report_out_observer(enum settings_output format)
{
	if (format != OUTPUT_JSON_LINES)
		return (struct observer){ 0 };
	return (struct observer){ .event = on_event, .phase = on_phase, .progress = on_progress };
}

/* The same lines or object for a run and its plan; takes over what.  A line that was lost counts, too. */
static int put_end(enum settings_output format, const char *type, struct json_object *what,
		   struct error **err)
{
	const int pretty = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
	const bool written = format == OUTPUT_JSON_LINES
				     ? put_line(json_put_obj(new_line(type, 0), type, what))
				     : put_json(what, pretty);

	if (written && !ferror(stdout))
		return 0;
	return error_set(err, -EIO, "cannot write the %s to standard output", type);
}

int plan_out(enum settings_output format, const struct job_plan *p, const struct job_report *r,
	     struct error **err)
{
	return format == OUTPUT_TEXT ? 0 : put_end(format, "plan", job_plan_json(p, r), err);
}

int report_out(enum settings_output format, const struct job_report *r, struct error **err)
{
	return format == OUTPUT_TEXT ? 0 : put_end(format, "report", report_json(r), err);
}
