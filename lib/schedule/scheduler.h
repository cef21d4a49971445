/*
 * Starts the jobs of jobs.cfg when they are due, as PVE's scheduler does (facts: PVE::Jobs, PVE 9).  All of
 * it is one function, a pass, which is called every minute, by a service or by programs that end after it:
 * what has to be known from pass to pass is on disk.
 *
 * A job is due if its event has a time after the last run was started (or after the job was made or changed,
 * if that was later) and up to now.  So a time that passes while a run is on starts the job once more behind
 * it.  Times that pass while there are no passes, because the host is off, are dropped, unless the job has
 * repeat-missed.
 *
 * A start is three steps: the state says "starting"; the run begins, takes over the lock and writes its
 * record (job-run.h); the state says "started".  After a kill anywhere between them the next pass sees from
 * lock and record what has become of the run: one that has not begun is started then, one that is on is left
 * alone, one that has ended has ended.  Only if the run's supervisor is killed too, right when it starts
 * vzdump, is it unknown whether that ran; then it is run again.
 */
#ifndef VZDUMP_SCHEDULE_SCHEDULER_H
#define VZDUMP_SCHEDULE_SCHEDULER_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "schedule/jobs.h"

/* A pause of more seconds than this between two passes means that nobody was there to start jobs. */
#define SCHEDULER_GAP_S 600
/* A clock that is set back by more seconds than this makes jobs count from the new time. */
#define SCHEDULER_BACK_S 3600

/* Borrowed. */
struct scheduler {
	const struct paths *paths;
	const struct log *log; /* what a pass starts, finds ended, and cannot do */
	const char *node;      /* this one */
	/*
	 * Starts a run of the job.  *ret is the pid of its supervisor, which holds lock (job_run_lock()) or a
	 * copy of it until the run has ended, and writes the run's record.
	 */
	int (*start)(void *opaque, const struct job_entry *job, int lock, pid_t *ret, struct error **err);
	void *opaque;
};

/*
 * One pass.  now: seconds since 1970; uptime: seconds of a clock that nobody sets, that begins at boot and
 * goes on while the host is suspended, to see gaps between passes.  Without jobs.cfg nothing is done, and it
 * does not count as a pass.  If the file cannot be read, it does count, so that times that come meanwhile are
 * not missed.  A job that cannot be looked after does not keep the others from being: it is logged as an
 * error, and the result is an error after all.
 */
int scheduler_pass(const struct scheduler *s, time_t now, uint64_t uptime, struct error **err);

#endif
