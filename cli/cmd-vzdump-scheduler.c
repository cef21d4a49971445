/* vzdump-scheduler: runs the jobs of jobs.cfg when they are due. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "command.h"
#include "output.h"
#include "schedule/calendar.h"
#include "schedule/supervisor.h"
#include "scheduler.h"

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

static const struct option rows[] = {
	{ .name = "after",
	  .value = { .type = VALUE_INT, .min = 0, .max = LAST_SECOND },
	  .requires = "next",
	  .description = "The time that --next begins at, in seconds since 1970. Default: now." },
	{ .name = "force",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Run jobs although Proxmox VE's own scheduler is on this host." },
	{ .name = "list",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Print the jobs with their last and next run." },
	{ .name = "next",
	  .description =
		  "Print when this calendar event comes next: seconds since 1970 and the local time, or "
		  "\"never\"." },
	{ .name = "once",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Start what is due, and end; for a timer or a line of cron each minute. Otherwise "
			 "this is a service." },
	{ .name = "output-format",
	  .value = { .type = VALUE_ENUM, .values = scheduler_formats },
	  .fallback = "text",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print the result of --list." },
};

static const struct option_table table = {
	.command = "vzdump-scheduler",
	.summary = "Runs the jobs of /etc/pve/jobs.cfg when they are due.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* ---- lines for whoever looks after the host ---- */

/* opaque: the least level that is of interest. */
static void on_line(const struct log *log, enum log_level level, const char *line)
{
	static const char *const names[] = { "DEBUG", "INFO", "WARN", "ERROR" };
	const enum log_level *least = log->opaque;

	if (level >= *least && output_ready(stderr))
		fprintf(stderr, "%s: %s\n", names[level], line);
}

/* ---- --next ---- */

static void print_time(time_t t)
{
	char text[64];
	struct tm tm;

	if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S %Z", &tm))
		printf("%" PRId64 " %s\n", (int64_t)t, text);
	else
		printf("%" PRId64 "\n", (int64_t)t);
}

static int print_next(const struct options *o, struct error **err)
{
	struct calendar event;
	time_t next;
	int r = calendar_parse(options_get(o, "next"), &event, err);

	if (r < 0)
		return r;
	if (calendar_next(&event, options_given(o, "after") ? (time_t)options_int(o, "after") : time(NULL),
			  &next))
		print_time(next);
	else
		puts("never");
	return 0;
}

/* ---- running jobs ---- */

/* The vzdump that was installed together with this program, else the one in PATH.  Caller frees. */
static char *find_vzdump(void)
{
	_cleanup_free_ char *folder = proc_own_folder();
	_cleanup_free_ char *sibling = folder ? xasprintf("%s/vzdump", folder) : NULL;

	return sibling && access(sibling, X_OK) == 0 ? TAKE_PTR(sibling) : xstrdup("vzdump");
}

/* What run a job needs beside its id. */
struct runner {
	const struct paths *paths;
	char *vzdump;
};

static int start_job(void *opaque, const struct job_entry *job, int lock, pid_t *ret, struct error **err)
{
	const struct runner *r = opaque;

	return supervisor_start(r->paths, job->id, r->vzdump, lock, ret, err);
}

/*
 * The program tells, not a running process: while that is restarted, both would run every job that is due.
 */
static int refuse_beside_pve(const struct paths *p, struct error **err)
{
	_cleanup_free_ char *program = paths_get(p, "/usr/bin/pvescheduler");

	if (access(program, F_OK) < 0)
		return 0;
	return error_set(
		err, ERR_INVALID,
		"vzdump-scheduler: Proxmox VE's own scheduler (%s) is on this host and runs the same "
		"jobs: if it is switched off for good, use --force",
		program);
}

static int run_jobs(const struct options *o, const struct paths *p, struct error **err)
{
	const bool once = options_bool(o, "once");
	enum log_level least = once ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
	const struct log log = { .line = on_line, .opaque = &least };
	_cleanup_free_ char *node = paths_nodename(p), *vzdump = find_vzdump();
	struct runner runner = { .paths = p, .vzdump = vzdump };
	const struct scheduler s = {
		.paths = p, .log = &log, .node = node, .start = start_job, .opaque = &runner
	};
	int r = options_bool(o, "force") ? 0 : refuse_beside_pve(p, err);

	if (r < 0)
		return r;
	return once ? scheduler_once(&s, err) : scheduler_serve(&s, err);
}

static int check_one_task(const struct options *o, struct error **err)
{
	if (options_given(o, "next") + options_bool(o, "list") + options_bool(o, "once") <= 1)
		return 0;
	return error_set(err, ERR_INVALID, "vzdump-scheduler: give only one of --next, --list and --once");
}

static int run(struct options *o, struct error **err)
{
	enum log_level least = LOG_LEVEL_WARN;
	const struct log log = { .line = on_line, .opaque = &least };
	struct paths paths;
	int r = check_one_task(o, err);

	if (r < 0)
		return r;
	if (options_given(o, "next"))
		return print_next(o, err);
	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = options_bool(o, "list") ? scheduler_list(o, &paths, &log, err) : run_jobs(o, &paths, err);
	paths_clear(&paths);
	return r;
}

static const struct command scheduler = { .table = &table, .run = run };

int main(int argc, char *argv[])
{
	const struct command *const commands[] = { &scheduler, NULL };

	return command_main(&(struct command_set){ .tool = "vzdump-scheduler", .commands = commands }, argc,
			    argv);
}
