/*
 * Observers follow a job while it runs: the hook script, the terminal's live view, the system log.  The job
 * does not know them; cli/ makes the list.
 *
 *	const struct observer list[] = { hook_observer(&hook), ui_observer(&ui) };
 *	const struct observers observers = { .list = list, .n = ARRAY_SIZE(list) };
 *
 * Callbacks run one after the other, in the order of the list, in the thread that runs the job; each may be
 * NULL.  Log lines go to the log (base/log.h) instead; a few of them are events too.
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
	bool known;           /* false: there is no such guest, and the members below are NULL */
	const char *hostname; /* the guest's name */
	const char *archive;  /* path of the archive, or "-" */
	const char *logfile;  /* next to the archive; it exists from the phase log-end on */
};

enum phase_rule {
	PHASE_MAY_FAIL, /* an error ends the guest's backup, or the job */
	PHASE_ALWAYS,   /* reached in any case, also after a request to stop; an error changes nothing */
};

/* A point in a job, with PVE's name: job-init, job-start, job-end, job-abort, backup-start, pre-stop, ... */
struct phase {
	const char *name;
	enum phase_rule rule;
	const struct phase_guest *guest; /* NULL: a phase of the job */
	const char *dumpdir;             /* where archives go; NULL: not known yet, or standard output */
	const struct log *log;           /* for the observer's output */
};

/* See event.h. */
struct event {
	enum log_level level;
	const char *line;    /* harmless to a terminal */
	uint32_t vmid;       /* the guest that it is about; 0: the job */
	const char *archive; /* of that guest, once it is complete; else NULL */
};

struct observer {
	/* Every 200 ms while disks are read, and once when everything has been read. */
	void (*progress)(void *opaque, const struct progress *p);
	/* A phase is reached.  0 or an error; p->rule decides whether it counts. */
	int (*phase)(void *opaque, const struct phase *p, struct error **err);
	/*
	 * One of the lines that PVE's vzdump sends to the system log too (event.h): begin and end of the job
	 * and of each guest's backup, waiting for the lock, also if the job does not begin then.
	 */
	void (*event)(void *opaque, const struct event *e);

	/*
	 * For debugging.  wants_state() is asked as often as progress() is called; if it returns true,
	 * state() gets the state of the copy of all disks as lines of text.  Set both or neither.
	 */
	bool (*wants_state)(void *opaque);
	void (*state)(void *opaque, const char *text);

	bool shows_progress; /* progress() shows it, so log lines about it go only to the guest's log file */
	void *opaque;
};

/* Borrowed.  A NULL pointer to it means an empty list. */
struct observers {
	const struct observer *list;
	size_t n;
};

/* Each calls every observer that has the callback. */
void observers_progress(const struct observers *o, const struct progress *p);
void observers_event(const struct observers *o, const struct event *e);

/*
 * PHASE_MAY_FAIL: returns the first error and does not call later observers.  PHASE_ALWAYS: calls all, and
 * returns the first error, which the caller only logs.
 */
int observers_phase(const struct observers *o, const struct phase *p, struct error **err);
/* Whether any of them wants the state of the copy now; observers_state() passes it to all. */
bool observers_want_state(const struct observers *o);
void observers_state(const struct observers *o, const char *text);
/* Whether any of them shows progress. */
bool observers_show_progress(const struct observers *o);

#endif
