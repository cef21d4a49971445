/*
 * Temporary files (io_unfinished_name()) whose writers were killed, where no journal knows of them: small
 * files of state that are written anew by each run.
 */
#ifndef VZDUMP_BASE_UNFINISHED_H
#define VZDUMP_BASE_UNFINISHED_H

#include <stdbool.h>

/* Whether a file of that name is the temporary file of a process that does not live any more. */
bool unfinished_is(const char *name);
/*
 * Removes such files from the folder, if their names begin so ("": all).  What cannot be removed stays: the
 * next run tries again.
 */
void unfinished_remove(const char *folder, const char *beginning);

#endif
