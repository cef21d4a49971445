/* vzdump status: the backups of this host's guests at a glance. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/units.h"
#include "report/report-json.h"
#include "status/status.h"
#include "json-out.h"
#include "vzdump-commands.h"

#define STATUS_VERSION 1

static const char *const formats[] = { "text", "json", NULL };

static const struct option rows[] = {
	{ .name = "vmid",
	  .value = { .type = VALUE_VMID_LIST },
	  .complete = COMPLETE_VMID,
	  .description = "Show only these guests." },
	{ .name = "output-format",
	  .value = { .type = VALUE_ENUM, .values = formats },
	  .fallback = "text",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print the result." },
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .complete = COMPLETE_STORAGE_BACKUP,
	  .description = "Look only at the backups on this storage." },
};

static const struct option_table table = {
	.command = "vzdump status",
	.summary = "show each guest's last backup and next run",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.list_arg = "vmid",
};

/* ---- text ---- */

enum column {
	COLUMN_MARK,
	COLUMN_VMID,
	COLUMN_NAME,
	COLUMN_BACKUP,
	COLUMN_AGE,
	COLUMN_SIZE,
	COLUMN_VERIFIED,
	COLUMN_BOOT,
	COLUMN_PROTECTED,
	COLUMN_PRUNED,
	COLUMN_NEXT,
	COLUMN_JOB,
	COLUMN_LAST,
	COLUMNS
};

static const char *const titles[COLUMNS] = {
	[COLUMN_MARK] = "",
	[COLUMN_VMID] = "VMID",
	[COLUMN_NAME] = "NAME",
	[COLUMN_BACKUP] = "BACKUP",
	[COLUMN_AGE] = "AGE",
	[COLUMN_SIZE] = "SIZE",
	[COLUMN_VERIFIED] = "VERIFIED",
	[COLUMN_BOOT] = "BOOT",
	[COLUMN_PROTECTED] = "PROT",
	[COLUMN_PRUNED] = "NEXT PRUNED",
	[COLUMN_NEXT] = "NEXT RUN",
	[COLUMN_JOB] = "JOB",
	[COLUMN_LAST] = "LAST RUN",
};

struct row {
	char *cells[COLUMNS];
};

/* "-" for 0. */
static char *minute_text(time_t when)
{
	char text[64];
	struct tm tm;

	if (!when || !localtime_r(&when, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		return xstrdup("-");
	return xstrdup(text);
}

static char *day_text(time_t when)
{
	_cleanup_free_ char *text = minute_text(when);

	return xstrndup(text, strcspn(text, " "));
}

static char *age_text(time_t from, time_t to)
{
	const int64_t minutes = (to - from) / 60;

	if (minutes < 60)
		return xasprintf("%" PRId64 "m", minutes > 0 ? minutes : 0);
	return minutes < 48 * 60 ? xasprintf("%" PRId64 "h", minutes / 60)
				 : xasprintf("%" PRId64 "d", minutes / (24 * 60));
}

/* "<text> (+2)" if there are two more. */
static char *with_more(char *text, size_t n)
{
	char *all;

	if (n <= 1)
		return text;
	all = xasprintf("%s (+%zu)", text, n - 1);
	free(text);
	return all;
}

static char *last_run_text(const struct status_guest *g)
{
	const struct run_record *last = &g->record.last;
	_cleanup_free_ char *slowed = slowdown_report_text(&last->slowdown);
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (!g->has_record)
		return xstrdup("-");
	buf_adds(&text, task_outcome_name(last->outcome));
	if (slowed)
		buf_addf(&text, ", guest slowed for %s", slowed);
	if (last->n_warnings)
		buf_addf(&text, ", %" PRIu64 " warning%s", last->n_warnings,
			 last->n_warnings == 1 ? "" : "s");
	if (last->error)
		buf_addf(&text, ": %s", last->error);
	return buf_steal(&text);
}

/* Of the newest backup, which need not be of the last run. */
static enum boot_state boot_state_of(const struct status_guest *g)
{
	const struct run_record *last = &g->record.last;

	return g->has_record && str_equal_null(last->boot_archive, g->backup.path) ? last->boot
										   : BOOT_NOT_ASKED;
}

static const char *boot_text(enum boot_state state)
{
	switch (state) {
	case BOOT_STARTED:
		return "ok";
	case BOOT_UNPROVEN:
		return "unproven";
	case BOOT_FAILED:
		return "FAILED";
	case BOOT_NOT_ASKED:
	case BOOT_NOT_TRIED:
		break;
	}
	return "-";
}

static void fill_backup(struct row *row, const struct status *s, const struct status_backup *b)
{
	row->cells[COLUMN_BACKUP] = minute_text(b->time);
	row->cells[COLUMN_AGE] = b->time ? age_text(b->time, s->now) : xstrdup("-");
	row->cells[COLUMN_SIZE] = b->time ? units_bytes(b->size, 1) : xstrdup("-");
	row->cells[COLUMN_VERIFIED] = day_text(b->verified);
	row->cells[COLUMN_PROTECTED] = xstrdup(b->is_protected ? "yes" : "-");
	if (b->time && !b->is_seen) {
		char *seen = xasprintf("%s ?", row->cells[COLUMN_BACKUP]);

		free(row->cells[COLUMN_BACKUP]);
		row->cells[COLUMN_BACKUP] = seen;
	}
}

static void fill_row(struct row *row, const struct status *s, const struct status_guest *g)
{
	row->cells[COLUMN_MARK] = xstrdup(g->problems ? "!" : "");
	row->cells[COLUMN_VMID] = xasprintf("%" PRIu32, g->vmid);
	row->cells[COLUMN_NAME] = xstrdup(g->record.name ? g->record.name : "-");
	fill_backup(row, s, &g->backup);
	row->cells[COLUMN_BOOT] = xstrdup(boot_text(boot_state_of(g)));
	row->cells[COLUMN_PRUNED] = with_more(minute_text(g->pruned_time), strv_len(g->pruned));
	row->cells[COLUMN_NEXT] =
		g->n_jobs && !g->next ? xstrdup("never") : minute_text(g->next ? g->next->next : 0);
	row->cells[COLUMN_JOB] =
		g->n_jobs ? with_more(xstrdup(g->next ? g->next->id : g->jobs[0]->id), g->n_jobs)
			  : xstrdup("-");
	row->cells[COLUMN_LAST] = last_run_text(g);
	for (size_t i = 0; i < COLUMNS; i++)
		text_clean(row->cells[i]);
}

/* Characters of UTF-8. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/* The last column may be long, and is not padded. */
static void print_row(const char *const *cells, const size_t *widths)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		const size_t pad = i + 1 < COLUMNS ? widths[i] - width_of(cells[i]) + 1 + (i > 0) : 0;

		printf("%s%*s", cells[i], (int)pad, "");
	}
	putchar('\n');
}

static void print_table(const struct row *list, size_t n)
{
	size_t widths[COLUMNS];

	for (size_t c = 0; c < COLUMNS; c++) {
		widths[c] = c == COLUMN_MARK ? 1 : width_of(titles[c]);
		for (size_t i = 0; i < n; i++)
			if (width_of(list[i].cells[c]) > widths[c])
				widths[c] = width_of(list[i].cells[c]);
	}
	print_row(titles, widths);
	for (size_t i = 0; i < n; i++)
		print_row((const char *const *)list[i].cells, widths);
}

static size_t count_problem(const struct status *s, enum status_problem problem)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += (s->guests[i].problems & problem) != 0;
	return n;
}

static void print_summary(const struct status *s)
{
	printf("\n%zu guest%s: %zu without a backup, %zu in no job, %zu whose last run failed\n", s->n,
	       s->n == 1 ? "" : "s", count_problem(s, STATUS_NO_BACKUP), count_problem(s, STATUS_NO_JOB),
	       count_problem(s, STATUS_FAILED));
}

static void print_text(const struct status *s)
{
	_cleanup_free_ struct row *list = xcalloc(s->n + 1, sizeof(*list));

	if (!s->n) {
		puts("There are no guests on this host.");
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		fill_row(&list[i], s, &s->guests[i]);
	print_table(list, s->n);
	print_summary(s);
	for (size_t i = 0; i < s->n; i++)
		for (size_t c = 0; c < COLUMNS; c++)
			free(list[i].cells[c]);
}

/* ---- JSON ---- */

static void put_time(struct json_object *o, const char *key, time_t when)
{
	if (when)
		json_put_int(o, key, when);
	else
		json_put_null(o, key);
}

/* NULL: none. */
static struct json_object *backup_json(const struct status_guest *g)
{
	const struct status_backup *b = &g->backup;
	const enum boot_state boot = boot_state_of(g);
	struct json_object *o;

	if (!b->time)
		return NULL;
	o = json_new_obj();
	json_put_text(o, "path", b->path);
	json_put_text(o, "volid", b->volid);
	json_put_int(o, "time", b->time);
	json_put_u64(o, "size", b->size);
	json_put_bool(o, "protected", b->is_protected);
	put_time(o, "verified", b->verified);
	json_put_text(o, "boot", boot_state_name(boot));
	json_put_bool(o, "seen", b->is_seen);
	return o;
}

/* NULL: the archive belongs to no chain. */
static struct json_object *incremental_json(const struct run_record *last)
{
	struct json_object *o;

	if (!last->incremental)
		return NULL;
	o = json_put_u64(json_new_obj(), "generation", last->generation);
	json_put_u64(o, "changed", last->changed);
	json_put_u64(o, "new", last->fresh);
	return json_put_u64(o, "shared", last->shared);
}

/* Takes value over; NULL becomes null. */
static void put_or_null(struct json_object *o, const char *key, struct json_object *value)
{
	if (value)
		json_put_obj(o, key, value);
	else
		json_put_null(o, key);
}

static struct json_object *last_run_json(const struct run_record *last)
{
	struct json_object *o = json_new_str("state", task_outcome_name(last->outcome));

	json_put_text(o, "error", last->error);
	json_put_int(o, "start", last->start);
	json_put_u64(o, "seconds", last->ns / 1000000000u);
	json_put_text(o, "job-id", last->job_id);
	put_or_null(o, "slowdown", slowdown_report_json(&last->slowdown));
	put_or_null(o, "incremental", incremental_json(last));
	json_put_u64(o, "warnings", last->n_warnings);
	return o;
}

static void put_jobs(struct json_object *o, const struct status_guest *g)
{
	struct json_object *jobs = json_new_array();

	for (size_t i = 0; i < g->n_jobs; i++)
		json_append(jobs, json_new_text(g->jobs[i]->id));
	json_put_obj(o, "jobs", jobs);
	put_time(o, "next-run", g->next ? g->next->next : 0);
	json_put_text(o, "next-job", g->next ? g->next->id : NULL);
}

static struct json_object *problems_json(const struct status_guest *g)
{
	struct json_object *a = json_new_array();

	for (unsigned i = 0; i < STATUS_PROBLEMS; i++)
		if (g->problems & 1U << i)
			json_append_str(a, status_problem_name((enum status_problem)(1U << i)));
	return a;
}

static struct json_object *guest_json(const struct status_guest *g)
{
	struct json_object *o = json_new_obj();

	json_put_u64(o, "vmid", g->vmid);
	json_put_text(o, "name", g->record.name);
	json_put_str(o, "type", g->is_container ? "lxc" : "qemu");
	json_put_obj(o, "problems", problems_json(g));
	json_put_u64(o, "backups", g->n_backups);
	put_or_null(o, "last-backup", backup_json(g));
	json_put_obj(o, "next-pruned", json_new_texts(g->pruned));
	put_jobs(o, g);
	put_or_null(o, "last-run", g->has_record ? last_run_json(&g->record.last) : NULL);
	return o;
}

static struct json_object *place_json(const struct archive_place *p)
{
	struct json_object *o = json_new_obj();

	json_put_text(o, "storage", p->storage ? p->storage->id : NULL);
	json_put_text(o, "path", p->dir);
	json_put_text(o, "error", p->error);
	json_put_u64(o, "backups", p->backups.n);
	return o;
}

static struct json_object *summary_json(const struct status *s)
{
	struct json_object *o = json_new_obj();

	json_put_u64(o, "guests", s->n);
	for (unsigned i = 0; i < STATUS_PROBLEMS; i++) {
		const enum status_problem problem = (enum status_problem)(1U << i);

		json_put_u64(o, status_problem_name(problem), count_problem(s, problem));
	}
	return o;
}

static void print_json(const struct status *s)
{
	struct json_object *o = json_new_obj(), *guests = json_new_array(), *places = json_new_array();

	for (size_t i = 0; i < s->n; i++)
		json_append(guests, guest_json(&s->guests[i]));
	for (size_t i = 0; i < s->archives.n; i++)
		json_append(places, place_json(&s->archives.list[i]));
	json_put_u64(o, "version", STATUS_VERSION);
	json_put_text(o, "node", s->node);
	json_put_int(o, "time", s->now);
	json_put_obj(o, "guests", guests);
	json_put_obj(o, "places", places);
	json_put_obj(o, "summary", summary_json(s));
	json_out_print(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- the command ---- */

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	(void)log;
	fprintf(stderr, "%s%s\n", level == LOG_LEVEL_WARN ? "WARN: " : "", line);
}

static int show_status(struct options *o, const struct host *host, struct error **err)
{
	struct status_request q = { .now = time(NULL), .storage = options_get(o, "storage") };
	_cleanup_free_ uint32_t *vmids = vmid_list_parse(options_get(o, "vmid"), &q.n_vmids);
	_cleanup_status_ struct status s = { 0 };
	int r;

	q.vmids = vmids;
	r = status_make(host, &q, &s, err);
	if (r < 0)
		return r;
	if (!strcmp(options_get(o, "output-format"), "json"))
		print_json(&s);
	else
		print_text(&s);
	return 0;
}

static int run(struct options *o, struct error **err)
{
	const struct log log = { .line = on_line };
	struct storage_config storages = { 0 };
	struct paths paths;
	struct host host = { .paths = &paths, .storages = &storages, .log = &log };
	int r;

	/* else the C library would look at /etc/localtime for the date of each archive */
	setenv("TZ", ":/etc/localtime", 0);
	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = storage_config_load(&paths, &log, &storages, err);
	if (r == 0)
		r = show_status(o, &host, err);
	storage_config_clear(&storages);
	paths_clear(&paths);
	return r;
}

const struct command vzdump_command_status = { .name = "status", .table = &table, .run = run };
