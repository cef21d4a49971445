/* vzdump-scheduler: runs the jobs of jobs.cfg when they are due. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "command.h"
#include "schedule/calendar.h"

static const struct option rows[] = {
	{ .name = "after",
	  .value = { .type = VALUE_INT, .min = 0, .max = INT64_C(253402300799) },
	  .requires = "next",
	  .description = "The time that --next begins at, in seconds since 1970. Default: now." },
	{ .name = "next",
	  .description =
		  "Print when this calendar event comes next: seconds since 1970 and the local time, or "
		  "\"never\"." },
};

static const struct option_table table = {
	.command = "vzdump-scheduler",
	.summary = "Runs the jobs of /etc/pve/jobs.cfg when they are due.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

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

static int run(struct options *o, struct error **err)
{
	if (options_given(o, "next"))
		return print_next(o, err);
	return error_set(err, ERR_INVALID, "vzdump-scheduler: option --next is missing (see --help)");
}

static const struct command scheduler = { .table = &table, .run = run };

int main(int argc, char *argv[])
{
	const struct command *const commands[] = { &scheduler, NULL };

	return command_main(&(struct command_set){ .tool = "vzdump-scheduler", .commands = commands }, argc,
			    argv);
}
