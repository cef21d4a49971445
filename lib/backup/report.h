/*
 * What became of a job: filled while it runs, handed to observers (observer.h) as it grows, and read by the
 * job itself for what it says at the end.
 */
#ifndef VZDUMP_BACKUP_REPORT_H
#define VZDUMP_BACKUP_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum task_outcome {
	TASK_RUNS, /* its backup has begun, or is about to */
	TASK_SAVED,
	TASK_FAILED,
	TASK_UNSUPPORTED, /* a container: left out */
};

/* One guest.  Strings are its own. */
struct task_report {
	uint32_t vmid;
	enum task_outcome outcome;
	char *archive;          /* its path, "-" for standard output; NULL: not named yet */
	uint64_t size;          /* of the archive, bytes; 0 for standard output and failures */
	uint64_t seconds;       /* that the backup took */
	uint64_t fleecing_peak; /* bytes that all fleecing images together took at most; 0 without any */
	char *error;            /* why it failed, one line; NULL: it did not */
};

struct job_report {
	struct task_report *tasks; /* in the order of the job, so many as have begun */
	size_t n;
	time_t start;
	uint64_t seconds; /* that the job took; 0 while it runs */
	char *error;      /* why the job failed; NULL: it did not, or it still runs */
};

/* Appends a report of a guest that is about to begin; valid until the next call. */
struct task_report *report_add(struct job_report *r, uint32_t vmid);
/* Guests with this outcome. */
size_t report_count(const struct job_report *r, enum task_outcome outcome);
void report_clear(struct job_report *r);
#define _cleanup_report_ _cleanup_(report_clear)

#endif
