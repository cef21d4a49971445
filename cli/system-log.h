/*
 * Writes to the system log as PVE's vzdump does: ident "vzdump" with the pid, facility daemon, the log line with
 * its "INFO: ".  syslog(3) is not used, as it waits for ever for a daemon that hangs, and knows no VZDUMP_ROOT;
 * here a line that cannot be sent at once is dropped.
 */
#ifndef VZDUMP_CLI_SYSTEM_LOG_H
#define VZDUMP_CLI_SYSTEM_LOG_H

#include "backup/observer.h"
#include "base/paths.h"

struct system_log {
	int fd; /* -1: there is no system log */
};

/* Connects to /dev/log.  If nobody listens there, lines are dropped. */
void system_log_open(struct system_log *s, const struct paths *p);
void system_log_close(struct system_log *s);
/* Sends the job's events to the system log; s must live as long as the observer is used. */
struct observer system_log_observer(struct system_log *s);

#endif
