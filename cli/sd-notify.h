/*
 * Tells systemd how a service is (sd_notify(3)), by its socket, without libsystemd.  Where nobody waits for
 * it, nothing is sent.
 */
#ifndef VZDUMP_CLI_SD_NOTIFY_H
#define VZDUMP_CLI_SD_NOTIFY_H

#include <stdint.h>

struct sd_notify {
	int fd;               /* -1: nobody wants to know */
	uint64_t watchdog_ms; /* the longest time between two signs of life; 0: none are wanted */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment of children. */
void sd_notify_open(struct sd_notify *n);
void sd_notify_close(struct sd_notify *n);
/* state: "READY=1", "STOPPING=1", "WATCHDOG=1".  Never waits. */
void sd_notify_send(const struct sd_notify *n, const char *state);
/* That a reload begins; READY=1 tells its end. */
void sd_notify_reloading(const struct sd_notify *n);

#endif
