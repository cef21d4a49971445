/* From argv to one command of a tool. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/trace.h"
#include "complete.h"
#include "output.h"

/* What the tool does without a name; NULL: nothing. */
static const struct command *nameless(const struct command_set *set)
{
	return set->commands[0]->name ? NULL : set->commands[0];
}

/* The commands with names; NULL-terminated. */
static const struct command *const *named(const struct command_set *set)
{
	return set->commands + (nameless(set) ? 1 : 0);
}

static void print_commands(const struct command_set *set, FILE *out)
{
	for (const struct command *const *c = named(set); *c; c++)
		fprintf(out, "%-21s %s\n", (*c)->table->command, (*c)->table->summary);
	fprintf(out, "\n%s <command> --help shows the command's options.\n", set->tool);
}

static void print_usage(const struct command_set *set, FILE *out)
{
	fprintf(out, "usage: %s command [command options]\n\n", set->tool);
	print_commands(set, out);
}

/*
 * By its name or an unambiguous prefix of it, as in PVE's tools.  If words may also be arguments of a command
 * without a name, only the whole name counts.
 */
static const struct command *find_command(const struct command_set *set, const char *name)
{
	const struct command *found = NULL;
	size_t n = 0;

	for (const struct command *const *c = named(set); *c; c++) {
		if (!strcmp((*c)->name, name))
			return *c;
		if (*name && !nameless(set) && !strncmp((*c)->name, name, strlen(name))) {
			found = *c;
			n++;
		}
	}
	return n == 1 ? found : NULL;
}

static void print_help(const struct command_set *set, const struct command *c)
{
	_cleanup_buf_ struct buf help = BUF_INIT;

	options_help(c->table, &help);
	fputs(buf_str(&help), stdout);
	if (!c->name && *named(set)) {
		puts("\nOTHER COMMANDS:");
		print_commands(set, stdout);
	}
}

static int unknown_command(const struct command_set *set, const char *name)
{
	struct nearest n = nearest_begin(name);
	_cleanup_free_ char *hint = NULL;

	for (const struct command *const *c = named(set); *c; c++)
		nearest_offer(&n, (*c)->name);
	hint = n.best ? nearest_hint(&n) : xasprintf(" (see %s --help)", set->tool);
	fprintf(stderr, "%s: unknown command '%s'%s\n", set->tool, name, hint);
	return EXIT_FAILED;
}

/* "qmrestore help", "vma help", "vma help list", "vzdump help status"; name may be NULL. */
static int help_command(const struct command_set *set, const char *name)
{
	const struct command *c = nameless(set);

	if (!c && !name) {
		print_usage(set, stdout);
		return 0;
	}
	if (name && *named(set))
		c = find_command(set, name);
	if (!c)
		return unknown_command(set, name);
	print_help(set, c);
	return 0;
}

static int print_version(const struct command_set *set)
{
	printf("%s " VZDUMP_VERSION "\n", set->tool);
	return 0;
}

/*
 * An earlier flush may have failed and lost its text; ferror() shows that.  For a tool that is one command it
 * does not count: a backup has not failed because nobody reads its log any more.
 */
static int flush_output(const struct command *c, int r, struct error **err)
{
	bool lost = fflush(stdout) != 0 || (c->name && ferror(stdout));

	return r < 0 || !lost ? r : error_set(err, -EIO, "cannot write to standard output");
}

static int parse_and_run(const struct command_set *set, const struct command *c, int argc, char *argv[],
			 struct error **err)
{
	_cleanup_options_ struct options o = { 0 };
	int r = options_parse(c->table, argc, argv, &o, err);

	if (r < 0)
		return r;
	if (o.help)
		print_help(set, c);
	else if (o.version)
		print_version(set);
	else
		r = c->run(&o, err);
	return flush_output(c, r, err);
}

static int run_command(const struct command_set *set, const struct command *c, int argc, char *argv[])
{
	_cleanup_error_ struct error *err = NULL;
	int r = trace_enable(getenv("VZDUMP_TRACE"), &err);

	if (r >= 0)
		r = parse_and_run(set, c, argc, argv, &err);
	if (r >= 0)
		return r;
	if (output_ready(stderr))
		fprintf(stderr, "%s\n", error_message(err));
	return EXIT_FAILED;
}

/*
 * A file that is opened gets the lowest free descriptor.  If it were one of the first three, a line for the
 * terminal would be written to a disk or a lock file.  The replacements fail as a closed descriptor does,
 * except standard error, which child processes rely on.
 */
static bool open_standard_descriptors(void)
{
	static const int flags[] = { O_WRONLY, O_RDONLY, O_WRONLY };

	for (int fd = 0; fd < (int)ARRAY_SIZE(flags); fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", flags[fd]) != fd)
			return false;
	return true;
}

int command_main(const struct command_set *set, int argc, char *argv[])
{
	const char *name = argc >= 2 ? argv[1] : NULL;
	const struct command *c;

	if (!open_standard_descriptors())
		return EXIT_FAILED;
	/* if the parent has left it ignored, the kernel discards the exit status of child processes */
	signal(SIGCHLD, SIG_DFL);
	if (complete_wanted(argc, argv))
		return complete_main(set, argc, argv);
	if (name && !strcmp(name, "help"))
		return help_command(set, argv[2]);
	c = name ? find_command(set, name) : NULL;
	if (c)
		return run_command(set, c, argc - 1, argv + 1);
	if (nameless(set))
		return run_command(set, nameless(set), argc, argv);
	if (name && (!strcmp(name, "--help") || !strcmp(name, "-h"))) {
		print_usage(set, stdout);
		return 0;
	}
	if (name && !strcmp(name, "--version"))
		return print_version(set);
	if (name)
		return unknown_command(set, name);
	print_usage(set, stderr);
	return EXIT_FAILED;
}
