/*
 * A file that has its name only when it is complete: until then it is <name>.part beside it.  Whatever
 * ends the command early takes that along, except kill -9: the next run for the same name then begins it
 * anew, unless it is still being written (told by a lock) or is no archive that was begun.
 */
#ifndef VZDUMP_CLI_NEW_FILE_H
#define VZDUMP_CLI_NEW_FILE_H

#include <stdbool.h>

#include "base/error.h"

struct new_file {
	int fd; /* -1: not open */
	char *name;
	char *part;
};

/*
 * Makes <name>.part, empty, mode 0600.  -EEXIST if name exists and may not be replaced, or somebody's file
 * has the name of the part; -EBUSY if somebody writes it now.  Follow with new_file_clear() in any case.
 */
int new_file_open(struct new_file *f, const char *name, bool replace, struct error **err);
/*
 * Syncs it and gives it its name, with a replace that new_file_open() had too.  If the name is given, but not
 * on disk for certain, it is said on standard error.
 */
int new_file_commit(struct new_file *f, bool replace, struct error **err);
/* Closes it; removes what was not committed. */
void new_file_clear(struct new_file *f);

#endif
