/* The processes of this host that use a volume, as messages name them. */
#ifndef VZDUMP_STORAGE_IN_USE_PROCESS_H
#define VZDUMP_STORAGE_IN_USE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* What a QEMU is called there. */
#define IN_USE_QEMU "QEMU"

/* "QEMU (pid 4711)", "dd (pid 4712)".  Caller frees. */
char *in_use_process(pid_t pid);
/*
 * The same of a QEMU of this host whose command line is_it() accepts, or NULL.  A disk that was plugged in
 * later is not on the command line.  Caller frees.
 */
char *in_use_command(bool (*is_it)(const char *command, const void *opaque), const void *opaque);

#endif
