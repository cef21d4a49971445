/* How messages name the processes of this host that use a volume. */
#ifndef VZDUMP_STORAGE_IN_USE_PROCESS_H
#define VZDUMP_STORAGE_IN_USE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* A QEMU's name there. */
#define IN_USE_QEMU "QEMU"

/* "QEMU (pid 4711)", "dd (pid 4712)".  Caller frees. */
char *in_use_process(pid_t pid);
/*
 * The same for a QEMU of this host whose command line is_it() accepts; NULL if there is none.  Disks that
 * were plugged in later are not on the command line.  Caller frees.
 */
char *in_use_command(bool (*is_it)(const char *command, const void *opaque), const void *opaque);

#endif
