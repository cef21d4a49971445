/*
 * A file that gets its name only when it is complete: until then it is <name>.part beside it.  Whatever
 * ends the command early removes that, except kill -9: then the next run for the same name empties it and
 * begins again, unless it is still being written (a lock says so) or does not begin as an archive does.
 */
#ifndef VZDUMP_CLI_NEW_FILE_H
#define VZDUMP_CLI_NEW_FILE_H

#include "base/error.h"

enum new_file_mode {
	NEW_FILE_CREATES, /* the name must be free */
	NEW_FILE_REPLACES,
};

struct new_file {
	int fd; /* -1: not open */
	enum new_file_mode mode;
	char *name;
	char *part;
};

/*
 * Makes <name>.part, empty, with file mode 0600.  -EEXIST if name exists and may not be replaced, or if the
 * part's name belongs to somebody's file; -EBUSY if somebody is writing it.  Call new_file_clear() in any
 * case.
 */
int new_file_open(struct new_file *f, const char *name, enum new_file_mode mode, struct error **err);
/*
 * Syncs it and gives it its name.  Warns on standard error if it has its name, but may lose it in a power
 * cut.
 */
int new_file_commit(struct new_file *f, struct error **err);
/* Closes it; removes what was not committed. */
void new_file_clear(struct new_file *f);

#endif
