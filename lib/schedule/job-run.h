/*
 * One run of a job, seen from outside: a lock that is held as long as any of its processes lives, which
 * neither a kill nor a power cut leaves behind, and a record of its beginning and end, which its supervisor
 * (supervisor.h) writes beside the job's state.
 */
#ifndef VZDUMP_SCHEDULE_JOB_RUN_H
#define VZDUMP_SCHEDULE_JOB_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/paths.h"

/*
 * A descriptor (close-on-exec) whose lock goes on until it and all that fork() or exec made of it are closed.
 * -EAGAIN: a run of the job is on.
 */
int job_run_lock(const struct paths *p, const char *id, struct error **err);
/*
 * 1: a run of the job is on; 0: none is.  Negative: it cannot be told, as by a user who may not read the
 * lock.  Takes no lock, so that it disturbs nobody.
 */
int job_run_is_on(const struct paths *p, const char *id, struct error **err);

/* The record; times are seconds since 1970. */
struct job_run {
	pid_t pid;    /* of the supervisor */
	pid_t vzdump; /* that of vzdump; 0: it is not known whether it was started */
	int64_t begun;
	int64_t ended; /* 0: it has not, or nobody has seen it */
	char *msg;     /* how it ended: "OK" or an error; NULL before */
};

/* False if there is no record; else the caller clears *ret, which is empty if the record is damaged. */
bool job_run_load(const struct paths *p, const char *id, struct job_run *ret);
/*
 * Replaces the record in one step.  Where that cannot be done, as on a full disk, a record that is there is
 * overwritten: a power cut may damage it then, but without its end a run would count as failed.
 */
int job_run_save(const struct paths *p, const char *id, const struct job_run *run, struct error **err);
/* Removes the record; 0 also if there is none. */
int job_run_forget(const struct paths *p, const char *id, struct error **err);
void job_run_clear(struct job_run *run);
#define _cleanup_job_run_ _cleanup_(job_run_clear)

#endif
