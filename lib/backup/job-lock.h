/*
 * Lets only one job run on a host: an flock on /run/vzdump.lock, and the holder's UPID in /run/vzdump.pid.
 * PVE's vzdump takes the same lock, and writes and reads the same UPID.
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

/*
 * Waits up to `minutes` for the lock, and reports the waiting as an event (event.h).  -EAGAIN if the lock is
 * taken and `minutes` is 0, ERR_TIMEOUT after that time, ERR_CANCELED.
 */
int job_lock_take(struct job_lock *l, const struct host *host, uint64_t minutes,
		  const struct observers *observers, struct error **err);
/*
 * "held by vzdump (pid 4711) since ...", and that pid: who has the lock, as far as /proc shows it, without
 * touching it.  NULL and 0: nobody.  Caller frees.
 */
char *job_lock_holder(const struct host *host, pid_t *ret_pid);
/* The error of job_lock_take() that may not wait, for a lock with this holder. */
int job_lock_refuse(const struct host *host, const char *holder, struct error **err);
/* Does nothing if the lock is not held. */
void job_lock_release(struct job_lock *l);

#endif
