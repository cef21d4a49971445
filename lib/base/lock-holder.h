/* Finds the process that holds a lock, for the message of a process that waits for the lock. */
#ifndef VZDUMP_BASE_LOCK_HOLDER_H
#define VZDUMP_BASE_LOCK_HOLDER_H

#include <sys/types.h>

/* The process that holds a flock on the file, as far as /proc shows it; 0: none. */
pid_t lock_holder(const char *path);
/*
 * "held by vzdump (pid 4711) since 2026-11-26 01:50:03", with the start time of that process.  If the holder
 * is not in this /proc (another host of a shared file system, another container): "held by a process that
 * cannot be seen from here".  Caller frees.
 */
char *lock_holder_text(const char *path);

#endif
