#include "report/report-json.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static void put_time(struct json_object *o, const char *key, time_t when)
{
	if (when)
		json_put_u64(o, key, (uint64_t)when);
	else
		json_put_null(o, key);
}

static void put_seconds(struct json_object *o, const char *key, uint64_t ns)
{
	/* to the microsecond: json-c's seventeen digits say nothing */
	const uint64_t us = ns / 1000;
	char text[32];
	size_t len;

	snprintf(text, sizeof(text), "%.6f", (double)us / 1e6);
	len = strlen(text);
	while (text[len - 1] == '0' && text[len - 2] != '.')
		text[--len] = '\0';
	json_put_obj(o, key, xcheck(json_object_new_double_s((double)us / 1e6, text)));
}

static void put_fleecing(struct json_object *o, const struct disk_report *d)
{
	struct json_object *f;

	if (!d->fleecing) {
		json_put_null(o, "fleecing");
		return;
	}
	f = json_new_obj();
	json_put_u64(f, "peak", d->peak);
	json_put_u64(f, "copied", d->copied);
	json_put_u64(f, "discarded", d->discarded);
	json_put_obj(o, "fleecing", f);
}

struct json_object *slowdown_report_json(const struct slowdown_report *s)
{
	struct json_object *o;

	if (!s->limited)
		return NULL;
	o = json_new_obj();
	if (s->limit == UINT64_MAX)
		json_put_null(o, "limit");
	else
		json_put_u64(o, "limit", s->limit);
	json_put_text(o, "reason", s->reason);
	json_put_u64(o, "times", s->times);
	put_seconds(o, "seconds", s->ns);
	json_put_u64(o, "speed", s->rate);
	return json_put_u64(o, "lowest-speed", s->lowest_rate);
}

static void put_slowdown(struct json_object *o, const struct slowdown_report *s)
{
	struct json_object *value = slowdown_report_json(s);

	if (value)
		json_put_obj(o, "slowdown", value);
	else
		json_put_null(o, "slowdown");
}

static struct json_object *disk_json(const struct disk_report *d)
{
	struct json_object *o = json_new_obj();

	json_put_text(o, "name", d->name);
	json_put_str(o, "way", d->way);
	json_put_u64(o, "size", d->size);
	json_put_u64(o, "read", d->read);
	put_fleecing(o, d);
	return o;
}

static void put_archive(struct json_object *o, const struct task_report *t)
{
	json_put_text(o, "archive", t->archive);
	json_put_text(o, "volid", t->volid);
	if (t->archive)
		json_put_u64(o, "archive-size", t->archive_size);
	else
		json_put_null(o, "archive-size");
}

static void put_disks(struct json_object *o, const struct task_report *t)
{
	struct json_object *disks = json_new_array();
	struct disk_report sum;

	for (size_t i = 0; i < t->n_disks; i++)
		json_append(disks, disk_json(&t->disks[i]));
	json_put_u64(o, "size", t->size);
	json_put_u64(o, "read", t->read);
	json_put_u64(o, "zero", t->zero);
	json_put_u64(o, "speed", t->ns ? (uint64_t)((double)t->size * 1e9 / (double)t->ns) : 0);
	task_report_fleecing(t, &sum);
	put_fleecing(o, &sum);
	put_slowdown(o, &t->slowdown);
	json_put_obj(o, "disks", disks);
}

static void put_incremental(struct json_object *o, const struct task_report *t)
{
	const struct incremental_report *i = &t->incremental;
	struct json_object *n;

	if (!i->asked) {
		json_put_null(o, "incremental");
		return;
	}
	n = json_new_obj();
	json_put_text(n, "base", i->base);
	json_put_text(n, "reason", i->reason);
	if (i->chained)
		json_put_u64(n, "generation", i->generation);
	else
		json_put_null(n, "generation");
	json_put_u64(n, "looked-at", i->looked_at);
	json_put_u64(n, "changed", i->changed);
	json_put_u64(n, "new", task_report_new(t));
	json_put_u64(n, "shared", i->shared);
	json_put_u64(n, "copied", i->taken);
	json_put_u64(n, "bad-frames", i->bad);
	json_put_obj(o, "incremental", n);
}

static void put_boot(struct json_object *o, const struct boot_report *b)
{
	struct json_object *n;

	if (b->state == BOOT_NOT_ASKED) {
		json_put_null(o, "boot");
		return;
	}
	n = json_new_str("state", boot_state_name(b->state));
	json_put_text(n, "reason", b->words);
	put_seconds(n, "seconds", b->ns);
	json_put_text(n, "screenshot", b->screenshot);
	json_put_text(n, "console", b->console);
	json_put_obj(o, "boot", n);
}

static struct json_object *task_report_json(const struct task_report *t)
{
	struct json_object *o = json_new_obj();

	json_put_u64(o, "vmid", t->vmid);
	json_put_text(o, "name", t->name);
	json_put_str(o, "state", task_outcome_name(t->outcome));
	json_put_text(o, "error", t->error);
	json_put_text(o, "mode", t->mode);
	put_time(o, "start", t->start);
	put_seconds(o, "seconds", t->ns);
	put_archive(o, t);
	put_incremental(o, t);
	put_boot(o, &t->boot);
	put_disks(o, t);
	put_seconds(o, "stopped-seconds", t->stopped_ns);
	put_seconds(o, "frozen-seconds", t->frozen_ns);
	json_put_obj(o, "warnings", json_new_texts(t->warnings));
	return o;
}

static struct json_object *totals_json(const struct job_report *r)
{
	struct json_object *o = json_new_obj();
	uint64_t read = 0, zero = 0, size = 0, shared = 0;

	for (size_t i = 0; i < r->n; i++) {
		size += r->tasks[i].size;
		read += r->tasks[i].read;
		zero += r->tasks[i].zero;
		shared += r->tasks[i].outcome == TASK_SAVED ? r->tasks[i].incremental.shared : 0;
	}
	json_put_u64(o, "guests", r->n);
	json_put_u64(o, "ok", report_count(r, TASK_SAVED));
	json_put_u64(o, "size", size);
	json_put_u64(o, "read", read);
	json_put_u64(o, "zero", zero);
	json_put_u64(o, "archive-size", report_total_size(r));
	json_put_u64(o, "shared", shared);
	json_put_u64(o, "warnings", report_warnings(r));
	return o;
}

static const char *state_name(const struct job_report *r)
{
	if (report_is_good(r))
		return "ok";
	return r->canceled ? "canceled" : "failed";
}

struct json_object *report_json(const struct job_report *r)
{
	struct json_object *o = json_new_obj(), *guests = json_new_array();

	for (size_t i = 0; i < r->n; i++)
		json_append(guests, task_report_json(&r->tasks[i]));
	json_put_u64(o, "version", REPORT_JSON_VERSION);
	json_put_str(o, "state", state_name(r));
	json_put_text(o, "error", r->error);
	json_put_text(o, "command", r->command_line);
	json_put_text(o, "job-id", r->job_id);
	json_put_text(o, "node", r->node);
	json_put_text(o, "storage", r->storage);
	json_put_text(o, "dumpdir", r->dumpdir);
	put_time(o, "start", r->start);
	put_seconds(o, "seconds", r->ns);
	json_put_obj(o, "warnings", json_new_texts(r->warnings));
	json_put_obj(o, "guests", guests);
	json_put_obj(o, "totals", totals_json(r));
	return o;
}
