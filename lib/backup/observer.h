/*
 * Who follows a job while it runs: the hook script, the terminal's live view, the system log.  The job knows
 * none of them; cli/ makes the list.
 *
 *	const struct observer list[] = { hook_observer(&hook), ui_observer(&ui) };
 *	const struct observers observers = { .list = list, .n = ARRAY_SIZE(list) };
 *
 * Callbacks run one after the other, in the order of the list, in the thread that runs the job; each may be
 * NULL.  Log lines do not come here but to the log (base/log.h); a few of them are events too.
 */
#ifndef VZDUMP_BACKUP_OBSERVER_H
#define VZDUMP_BACKUP_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backup/progress.h"
#include "base/error.h"
#include "base/log.h"

/* The guest that is being saved; members that are not known yet are NULL. */
struct phase_guest {
	const char *mode; /* snapshot, suspend, stop */
	uint32_t vmid;
	bool known;           /* there is such a guest; false: nothing else is known of it */
	const char *hostname; /* the guest's name */
	const char *archive;  /* its path, or "-" */
	const char *logfile;  /* beside the archive; it is there from log-end on */
};

enum phase_rule {
	PHASE_MAY_FAIL, /* an error ends the guest's backup, or the job */
	PHASE_ALWAYS,   /* comes whatever happened, also after a request to stop; an error changes nothing */
};

/* A point in a job, by PVE's name: job-init, job-start, job-end, job-abort, backup-start, pre-stop, ... */
struct phase {
	const char *name;
	enum phase_rule rule;
	const struct phase_guest *guest; /* NULL: a phase of the job */
	const char *dumpdir;             /* where archives go; NULL: not known yet, or standard output */
	const struct log *log;           /* for what the observer prints */
};

struct observer {
	/* Every 200 ms while disks are read, and when all is read. */
	void (*progress)(void *opaque, const struct progress *p);
	/* A phase is reached.  0 or an error, which counts by p->rule. */
	int (*phase)(void *opaque, const struct phase *p, struct error **err);
	/*
	 * One of the lines that PVE's vzdump sends to the system log too (event.h): begin and end of the job
	 * and of each guest's backup, waiting for the lock.  Also of a job that does not begin.
	 */
	void (*event)(void *opaque, enum log_level level, const char *line);

	/*
	 * For debugging: whether the state of the copy is wanted now, asked as often as progress() is called;
	 * and the state of all disks, lines of text.  Both or none.
	 */
	bool (*wants_state)(void *opaque);
	void (*state)(void *opaque, const char *text);

	bool shows_progress; /* progress() does: log lines about it are for the guest's log file only */
	void *opaque;
};

/* Borrowed; NULL in place of it is an empty list. */
struct observers {
	const struct observer *list;
	size_t n;
};

/* Each calls every observer that has the callback. */
void observers_progress(const struct observers *o, const struct progress *p);
void observers_event(const struct observers *o, enum log_level level, const char *line);

/*
 * PHASE_MAY_FAIL: the first error is returned, later observers are not called.  PHASE_ALWAYS: all are called
 * and the first error is returned, which the caller only logs.
 */
int observers_phase(const struct observers *o, const struct phase *p, struct error **err);
/* Whether any of them wants the state of the copy now; observers_state() gives it to all that take it. */
bool observers_want_state(const struct observers *o);
void observers_state(const struct observers *o, const char *text);
/* Whether any of them shows progress. */
bool observers_show_progress(const struct observers *o);

#endif
