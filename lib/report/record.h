/*
 * What is kept of a guest's backups between runs: how the last one ended, and what the last good one was.
 * A file for each guest, <root>/var/log/vzdump/guests/<vmid>.json, which is replaced in one step.  It is
 * beside the logs: /var/lib/vzdump holds what still has to be undone, and is best empty.  It is for this
 * program alone: `vzdump status` and --metrics show what it holds, and its keys may change with
 * any version.
 */
#ifndef VZDUMP_REPORT_RECORD_H
#define VZDUMP_REPORT_RECORD_H

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "report/report.h"

/* The last run, good or bad.  Members are those of struct task_report and struct job_report. */
struct run_record {
	enum task_outcome outcome;
	time_t start;
	uint64_t ns;
	char *error; /* NULL: none */
	char *mode;  /* NULL: it was not known */
	char *job_id;
	char *node;
	uint64_t size, read, zero, archive_size;
	bool fleecing;
	uint64_t peak;                               /* only with fleecing */
	struct slowdown_report slowdown;             /* by the limit of the fleecing images */
	bool incremental;                            /* the archive is complete and belongs to a chain: */
	uint64_t generation, changed, fresh, shared; /* fresh: bytes of the archive that are not shared */
	enum boot_state boot;                        /* whether the guest was tried from its archive: */
	uint64_t boot_ns;
	char *boot_archive; /* path */
	uint64_t n_warnings;
};

/* The last run with outcome TASK_SAVED. */
struct success_record {
	time_t start; /* 0: there has been none; then nothing else is set */
	uint64_t ns;
	char *archive; /* its path; "-" for standard output */
	char *volid;   /* NULL: it is on no storage */
	char *job_id;  /* NULL: none */
	uint64_t archive_size;
};

struct guest_record {
	char *name; /* the guest's; NULL: not known */
	struct run_record last;
	struct success_record success;
};

/*
 * Reads the record of a guest.  False if there is none, or one that is damaged, which causes a warning.  The
 * caller clears *ret in both cases.
 */
bool record_load(const struct paths *p, uint32_t vmid, struct guest_record *ret, const struct log *log);
void record_clear(struct guest_record *r);
#define _cleanup_record_ _cleanup_(record_clear)

/*
 * Keeps what `task`, a guest of the run `job`, has come to.  It must not be TASK_TODO.  What is
 * on record of a run that began later stays.  log gets a warning if the old record is damaged, and thus the
 * last success forgotten.
 */
int record_save(const struct paths *p, const struct job_report *job, const struct task_report *task,
		const struct log *log, struct error **err);

/* Removes what runs that were killed have left of records that they were writing. */
void record_clean(const struct paths *p);
/*
 * Makes the folder of the records and locks it, for a change that depends on what is there.  Returns a
 * descriptor; the lock lasts until that is closed.
 */
int record_lock(const struct paths *p, struct error **err);
/* The folder of the records.  Caller frees. */
char *record_folder(const struct paths *p);

#endif
