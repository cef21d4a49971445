/*
 * PVE's unique process id, which no other process ever gets:
 *
 *	UPID:<node>:<pid>:<pstart>:<starttime>:<type>:<id>:<user>:
 *
 * pid, pstart (proc_start_ticks()) and starttime (seconds since 1970) are 8 hexadecimal digits, or more.
 */
#ifndef VZDUMP_BACKUP_UPID_H
#define VZDUMP_BACKUP_UPID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of this process, with an empty id and user root@pam.  Caller frees. */
char *upid_of_this(const char *node, const char *type);
/* False if text is not a UPID. */
bool upid_parse(const char *text, pid_t *ret_pid, uint64_t *ret_start_ticks);

#endif
