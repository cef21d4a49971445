/*
 * Shared by all commands: a tool has one command without a name (qmrestore), several with names (vma list,
 * vma extract), or both (vzdump, vzdump status).  Each has its table of options; parsing, --help,
 * --version, errors and exit status are the same for all.
 */
#ifndef VZDUMP_CLI_COMMAND_H
#define VZDUMP_CLI_COMMAND_H

#include "base/error.h"
#include "config/options.h"

#define EXIT_FAILED 255 /* as PVE's perl programs end */

struct command {
	const char *name; /* "extract"; NULL: what the tool does without a name */
	const struct option_table *table;
	/*
	 * Options are parsed and checked.  Standard output is flushed by the caller.  Returns the exit
	 * status, or an error.
	 */
	int (*run)(struct options *o, struct error **err);
};

struct command_set {
	const char *tool;                      /* "vma" */
	const struct command *const *commands; /* NULL-terminated; one without a name comes first */
};

/* All of main(): prints an error as one line on standard error and returns the exit status. */
int command_main(const struct command_set *set, int argc, char *argv[]);

#endif
