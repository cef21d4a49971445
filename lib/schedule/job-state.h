/*
 * What the scheduler remembers about a job, in a file for each: /var/lib/vzdump/jobs/vzdump-<id>.json, with
 * the keys of PVE's state files (facts: PVE::Jobs, PVE 9).  Only a pass of the scheduler writes it.
 */
#ifndef VZDUMP_SCHEDULE_JOB_STATE_H
#define VZDUMP_SCHEDULE_JOB_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"

enum job_phase {
	JOB_CREATED,  /* it was never run */
	JOB_STARTING, /* its start was decided; whether it has begun is in its run record (job-run.h) */
	JOB_STARTED,  /* it runs, or has ended and nobody has looked yet */
	JOB_STOPPED,
};

/* Times are seconds since 1970. */
struct job_state {
	enum job_phase phase;
	int64_t time;    /* when the file was made, or when the last run was started */
	char *upid;      /* of the last run (base/upid.h); NULL: none */
	char *msg;       /* how it ended: "OK" or an error; NULL: not yet */
	int64_t updated; /* times of the event up to this one do not count; 0: not set */
	/* what jobs.cfg said last */
	bool enabled;
	char *schedule;
};

/*
 * 1: *ret is filled, and the caller clears it.  0: there is no file, or it is damaged, which log gets a
 * warning about.  Negative: it could not be read.
 */
int job_state_load(const struct paths *p, const char *id, const struct log *log, struct job_state *ret,
		   struct error **err);
/* Replaces the file in one step; it is on the disk when this returns 0. */
int job_state_save(const struct paths *p, const char *id, const struct job_state *s, struct error **err);
void job_state_clear(struct job_state *s);
#define _cleanup_job_state_ _cleanup_(job_state_clear)

/* The time after which the job's event is looked for: updated, else the start of the last run, else time. */
int64_t job_state_last(const struct job_state *s);
/* When its last run was started; 0: it was never run. */
int64_t job_state_last_run(const struct job_state *s);

#endif
