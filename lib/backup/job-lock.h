/*
 * One job at a time on a host: flock on /run/vzdump.lock, and /run/vzdump.pid to find the holder.  PVE's
 * vzdump takes the same lock, and writes and reads the same UPID.
 */
#ifndef VZDUMP_BACKUP_JOB_LOCK_H
#define VZDUMP_BACKUP_JOB_LOCK_H

#include "backup/observer.h"
#include "storage/host.h"

struct job_lock {
	int fd; /* -1: not held */
	char *pid_path;
};
#define JOB_LOCK_INIT    \
	{                \
		.fd = -1 \
	}

/* Waits up to `minutes`, which the log and observers are told. */
int job_lock_take(struct job_lock *l, const struct host *host, uint64_t minutes,
		  const struct observers *observers, struct error **err);
void job_lock_release(struct job_lock *l);

#endif
