/*
 * The results of a job's guests.  The job fills it while it runs, and reads it for the messages at its end.
 */
#ifndef VZDUMP_BACKUP_REPORT_H
#define VZDUMP_BACKUP_REPORT_H

#include <stddef.h>
#include <stdint.h>

enum task_outcome {
	TASK_RUNS, /* its backup has begun, or is about to */
	TASK_SAVED,
	TASK_FAILED,
	TASK_UNSUPPORTED, /* a container: left out */
};

/* One guest.  Owns its strings. */
struct task_report {
	uint32_t vmid;
	enum task_outcome outcome;
	uint64_t seconds; /* that the backup took */
	char *error;      /* why it failed, one line; NULL: it did not fail */
};

struct job_report {
	struct task_report *tasks; /* of the guests that have begun, in the order of the job */
	size_t n;
};

/* Appends a report of a guest that is about to begin; valid until the next call. */
struct task_report *report_add(struct job_report *r, uint32_t vmid);
/* Guests with this outcome. */
size_t report_count(const struct job_report *r, enum task_outcome outcome);
void report_clear(struct job_report *r);
#define _cleanup_report_ _cleanup_(report_clear)

#endif
