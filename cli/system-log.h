/*
 * Writes to the system log as PVE's vzdump does: ident "vzdump" with the pid, facility daemon, the log line with
 * its "INFO: ".  Where journald is, its lines also have the fields VMID, JOB and ARCHIVE.  syslog(3) is not
 * used, as it waits for ever for a daemon that hangs, and knows no VZDUMP_ROOT; here a line that cannot be
 * sent at once is dropped.
 */
#ifndef VZDUMP_CLI_SYSTEM_LOG_H
#define VZDUMP_CLI_SYSTEM_LOG_H

#include "backup/observer.h"
#include "base/paths.h"

struct system_log {
	int fd;          /* -1: there is no system log */
	bool is_journal; /* journald's own socket, which takes fields (systemd's Native Journal Protocol) */
	const char *job; /* id of the job of jobs.cfg; NULL: none; borrowed */
};

/* Connects to journald, else to /dev/log.  If nobody listens there, lines are dropped. */
void system_log_open(struct system_log *s, const struct paths *p);
void system_log_close(struct system_log *s);
/* Sends the job's events to the system log; s must live as long as the observer is used. */
struct observer system_log_observer(struct system_log *s);

#endif
