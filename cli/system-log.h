/*
 * The system log, as PVE's vzdump writes to it: ident "vzdump" with the pid, facility daemon, the text
 * of the log line with its "INFO: ".  Not syslog(3), which waits for ever for a daemon that hangs and knows
 * no VZDUMP_ROOT: a line that cannot be sent at once is dropped.
 */
#ifndef VZDUMP_CLI_SYSTEM_LOG_H
#define VZDUMP_CLI_SYSTEM_LOG_H

#include "backup/observer.h"
#include "base/paths.h"

struct system_log {
	int fd; /* -1: nobody listens */
};

/* Connects to /dev/log.  That nobody listens there is fine. */
void system_log_open(struct system_log *s, const struct paths *p);
void system_log_close(struct system_log *s);
/* Sends a job's events there; s must live as long as it is used. */
struct observer system_log_observer(struct system_log *s);

#endif
