/* vzdump-scheduler --list: the jobs, how they ended, and when they come. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "json-out.h"
#include "schedule/job-files.h"
#include "schedule/job-run.h"
#include "schedule/job-state.h"
#include "scheduler.h"
#include "show.h"

const char *const scheduler_formats[] = { "text", "json", "json-pretty", NULL };

enum {
	COLUMN_ID,
	COLUMN_ENABLED,
	COLUMN_SCHEDULE,
	COLUMN_LAST,
	COLUMN_NEXT,
	COLUMN_RESULT,
	COLUMNS
};

struct row {
	const struct job_entry *job;
	bool elsewhere; /* it is for another node */
	int running;    /* negative: it cannot be told */
	int64_t last;   /* 0: never */
	int64_t next;   /* 0: never, or it is disabled */
	char *result;   /* NULL: none yet */
	char *log;
};

static void fill_next(struct row *row, time_t now)
{
	time_t next;

	if (row->job->enabled && !row->elsewhere && calendar_next(&row->job->event, now, &next))
		row->next = next;
}

/* The state, and what has become of its run since the last pass.  err: why it cannot be told if it runs. */
static void fill_row(struct row *row, const struct paths *p, const char *node, time_t now,
		     const struct log *log, struct error **err)
{
	const char *id = row->job->id, *only = job_entry_node(row->job);
	_cleanup_job_state_ struct job_state st = { 0 };
	_cleanup_job_run_ struct job_run run = { 0 };

	row->elsewhere = only && strcmp(only, node) != 0;
	row->running = job_run_is_on(p, id, err);
	row->log = job_log_file(p, id);
	fill_next(row, now);
	if (job_state_load(p, id, log, &st, NULL) <= 0)
		return;
	row->last = job_state_last_run(&st);
	if (row->running > 0)
		row->result = xstrdup("running");
	else if (st.phase == JOB_STOPPED)
		row->result = xstrdup_null(st.msg);
	else if (job_run_load(p, id, &run))
		row->result = xstrdup_null(run.msg);
}

/* One warning for all jobs whose runs cannot be seen. */
static void fill_rows(struct row *rows, const struct jobs *jobs, const struct paths *p, const struct log *log)
{
	_cleanup_free_ char *node = paths_nodename(p);
	_cleanup_error_ struct error *err = NULL;
	const time_t now = time(NULL);

	for (size_t i = 0; i < jobs->n; i++) {
		_cleanup_error_ struct error *why = NULL;

		rows[i].job = &jobs->entries[i];
		fill_row(&rows[i], p, node, now, log, &why);
		error_keep_first(&err, &why);
	}
	if (err)
		log_warn(log, "whether jobs are running cannot be told, ask as root: %s", error_message(err));
}

/* ---- as a table ---- */

static char *time_text(int64_t t, const char *otherwise)
{
	const time_t when = (time_t)t;
	char text[64];
	struct tm tm;

	if (!t || !localtime_r(&when, &tm))
		return xstrdup(otherwise);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return xstrdup(text);
}

static char *result_text(const struct row *row)
{
	return row->elsewhere ? xasprintf("only on node '%s'", job_entry_node(row->job))
			      : xstrdup(row->result ? row->result : "-");
}

static void fill_cells(const struct row *row, char *cells[COLUMNS])
{
	cells[COLUMN_ID] = xstrdup(row->job->id);
	cells[COLUMN_ENABLED] = xstrdup(row->job->enabled ? "yes" : "no");
	cells[COLUMN_SCHEDULE] = xstrdup(row->job->schedule);
	cells[COLUMN_LAST] = time_text(row->last, "-");
	cells[COLUMN_NEXT] = time_text(row->next, row->job->enabled && !row->elsewhere ? "never" : "-");
	cells[COLUMN_RESULT] = result_text(row);
}

static void print_cells(char *const cells[COLUMNS], const int widths[COLUMNS])
{
	for (int i = 0; i < COLUMN_RESULT; i++)
		show("%-*s  ", widths[i], cells[i]);
	show("%s\n", cells[COLUMN_RESULT]);
}

static void print_text(const struct row *rows, size_t n)
{
	static const char *const titles[COLUMNS] = { "ID",       "Enabled",  "Schedule",
						     "Last run", "Next run", "Result" };
	char *(*cells)[COLUMNS] = xcalloc(n + 1, sizeof(*cells));
	int widths[COLUMNS] = { 0 };

	for (int i = 0; i < COLUMNS; i++)
		cells[0][i] = xstrdup(titles[i]);
	for (size_t i = 0; i < n; i++)
		fill_cells(&rows[i], cells[i + 1]);
	for (size_t i = 0; i <= n; i++)
		for (int k = 0; k < COLUMNS; k++)
			if ((int)strlen(cells[i][k]) > widths[k])
				widths[k] = (int)strlen(cells[i][k]);
	for (size_t i = 0; i <= n; i++) {
		print_cells(cells[i], widths);
		for (int k = 0; k < COLUMNS; k++)
			free(cells[i][k]);
	}
	free(cells);
}

/* ---- as JSON ---- */

static void put_time(struct json_object *o, const char *key, int64_t t)
{
	if (t)
		json_put_int(o, key, t);
	else
		json_put_null(o, key);
}

static void put_running(struct json_object *o, int running)
{
	if (running < 0)
		json_put_null(o, "running");
	else
		json_put_bool(o, "running", running);
}

static struct json_object *to_json(const struct row *rows, size_t n)
{
	struct json_object *all = json_new_array();

	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];
		struct json_object *o = json_new_obj();

		json_put_text(o, "id", row->job->id);
		json_put_bool(o, "enabled", row->job->enabled);
		json_put_text(o, "schedule", row->job->schedule);
		json_put_text(o, "comment", row->job->comment);
		json_put_text(o, "node", job_entry_node(row->job));
		json_put_bool(o, "repeat-missed", row->job->repeat_missed);
		put_running(o, row->running);
		put_time(o, "last-run", row->last);
		json_put_text(o, "result", row->running > 0 ? NULL : row->result);
		put_time(o, "next-run", row->next);
		json_put_text(o, "log", row->log);
		json_append(all, o);
	}
	return all;
}

static void print_rows(const struct options *o, const struct row *rows, size_t n)
{
	const char *format = options_get(o, "output-format");
	const bool pretty = !strcmp(format, "json-pretty");
	const int flags = pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN;

	if (!strcmp(format, "text"))
		print_text(rows, n);
	else
		json_out_print(to_json(rows, n), flags | JSON_C_TO_STRING_NOSLASHESCAPE);
}

int scheduler_list(const struct options *o, const struct paths *p, const struct log *log, struct error **err)
{
	_cleanup_jobs_ struct jobs jobs = { 0 };
	struct row *rows;
	int r = jobs_load(p, NULL, log, &jobs, err);

	if (r < 0)
		return r;
	rows = xcalloc(jobs.n + 1, sizeof(*rows));
	fill_rows(rows, &jobs, p, log);
	print_rows(o, rows, jobs.n);
	for (size_t i = 0; i < jobs.n; i++) {
		free(rows[i].result);
		free(rows[i].log);
	}
	free(rows);
	return 0;
}
