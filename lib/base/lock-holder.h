/* Who holds a lock, for the message of those who have to wait for it. */
#ifndef VZDUMP_BASE_LOCK_HOLDER_H
#define VZDUMP_BASE_LOCK_HOLDER_H

#include <sys/types.h>

/* The process of this host that holds a flock on the file; 0: none that can be seen. */
pid_t lock_holder(const char *path);
/*
 * "held by vzdump (pid 4711) since 2026-11-26 01:50:03", the time being its start; of a holder that cannot be
 * seen (another host of a shared file system, another container) "held by a process that cannot be seen from
 * here".  Caller frees.
 */
char *lock_holder_text(const char *path);

#endif
