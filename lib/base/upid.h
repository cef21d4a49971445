/*
 * PVE's unique process id, which no other process ever gets:
 *
 *	UPID:<node>:<pid>:<pstart>:<starttime>:<type>:<id>:<user>:
 *
 * pid, pstart (proc_start_ticks()) and starttime (seconds since 1970) are 8 hexadecimal digits, or more.
 */
#ifndef VZDUMP_BASE_UPID_H
#define VZDUMP_BASE_UPID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct upid {
	pid_t pid;
	uint64_t start_ticks;
	int64_t start_time;
};

/* Of a process of this host that began its work at start_time; empty id, user root@pam.  Caller frees. */
char *upid_new(const char *node, pid_t pid, int64_t start_time, const char *type);
/* False if text is not a UPID. */
bool upid_parse(const char *text, struct upid *ret);

#endif
