/*
 * The report of one run of vzdump.  The job fills it while it runs; what is said of the run afterwards (the
 * JSON output, mails, figures for monitoring, our records) is made of it, and of nothing else.
 *
 * Sizes are in bytes, times in nanoseconds or seconds as their names say.  Strings belong to the report; they
 * are not cleaned for terminals unless stated.  One thread at a time, except report_log.h.
 */
#ifndef VZDUMP_REPORT_REPORT_H
#define VZDUMP_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"

enum task_outcome {
	TASK_TODO,        /* not reached */
	TASK_RUNS,        /* its backup has begun */
	TASK_SAVED,       /* and everything that belongs to its backup has succeeded */
	TASK_FAILED,      /* there may be an archive all the same: see `archive` */
	TASK_CANCELED,    /* ended by a signal */
	TASK_UNSUPPORTED, /* a container: not saved */
};

/* One disk of a guest. */
struct disk_report {
	char *name;         /* in the archive, "drive-scsi0" */
	const char *way;    /* how it was read: "fleecing", "sink", "offline"; static */
	uint64_t size;      /* bytes, virtual */
	uint64_t read;      /* bytes that were read */
	bool fleecing;      /* it had a fleecing image: */
	uint64_t peak;      /* bytes that the image used at most */
	uint64_t copied;    /* bytes that the guest's writes brought there */
	uint64_t discarded; /* bytes that were discarded there before the end */
};

/* What the limit of its fleecing images did to a guest. */
struct slowdown_report {
	bool limited;         /* they had one; else nothing else is set */
	uint64_t limit;       /* bytes that they could take together, at the end; UINT64_MAX: any number */
	const char *reason;   /* what set it: "limit", "fleecing-limit", "reserve"; static */
	unsigned times;       /* how often the guest was slowed */
	uint64_t ns;          /* for how long, all together */
	uint64_t rate;        /* bytes per second of its first writes meanwhile, on average */
	uint64_t lowest_rate; /* bytes per second that they were held to, at least; 0: they never were */
};
/* "1m 10s to 5.0 MiB/s", behind "slowed for"; NULL: it was not.  Caller frees. */
char *slowdown_report_text(const struct slowdown_report *s);

/* What became of --incremental, for one guest. */
struct incremental_report {
	bool asked;   /* it was asked for, and can have an effect */
	bool chained; /* the archive belongs to a chain; else `reason` says why not */
	char *base;   /* name of the archive that parts were taken from; NULL: a full backup, because: */
	char *reason; /* one line; NULL: there is a base, and every disk had its dirty bitmap */
	uint32_t generation; /* of a chain; 0: it begins */
	uint64_t looked_at;  /* bytes of the disks that may have changed, as far as was known */
	uint64_t changed;    /* bytes of the disks that were different from the base */
	uint64_t shared;     /* bytes of the archive that it shares with others on its storage */
	uint64_t taken;      /* bytes of the archive that were copied from the base instead */
	uint32_t bad;        /* frames of the base that could not be unpacked */
};

/* Whether the guest of an archive starts; for --verify-boot and vma boot. */
enum boot_state {
	BOOT_NOT_ASKED,
	BOOT_STARTED,   /* its agent has answered, or the expected text has come */
	BOOT_UNPROVEN,  /* there was no sign of a failure, and nothing that would prove a start */
	BOOT_FAILED,    /* it does not start */
	BOOT_NOT_TRIED, /* this host could not try it */
};
struct boot_report {
	enum boot_state state;
	char *words;      /* one line: why it counts as that; NULL: not asked */
	uint64_t ns;      /* that the guest ran */
	char *screenshot; /* path of what its screen showed at the end; NULL: none was kept */
	char *console;    /* path of the log of its console; NULL: the same */
};
/*
 * "started", "unproven", "failed", "not-tried"; NULL: it was not asked for.  And back; of NULL
 * BOOT_NOT_ASKED.
 */
const char *boot_state_name(enum boot_state state);
enum boot_state boot_state_parse(const char *name);
void boot_report_clear(struct boot_report *b);

/* One guest. */
struct task_report {
	uint32_t vmid;
	enum task_outcome outcome;
	char *name;       /* the guest's, "VM 100" if it has none; NULL: there is no such guest */
	const char *mode; /* the effective one, "snapshot", "suspend", "stop"; static; NULL: not known yet */
	time_t start;     /* 0: not reached */
	uint64_t ns;      /* that its backup took */

	char *archive;         /* its final path, once it is complete there; NULL: there is none */
	char *volid;           /* the same as a volume id, "local:backup/..."; NULL without a storage */
	uint64_t archive_size; /* bytes of the file */

	uint64_t size; /* of all disks, virtual */
	uint64_t read; /* from the disks */
	uint64_t zero; /* of `size`: zeroes, which are not stored */
	struct disk_report *disks;
	size_t n_disks;

	struct slowdown_report slowdown;
	struct incremental_report incremental;
	struct boot_report boot;

	uint64_t stopped_ns; /* its vCPUs did not run because of the backup, a shutdown included */
	uint64_t frozen_ns;  /* its file systems were frozen */

	char **warnings;   /* NULL: none; lines, cleaned */
	size_t n_warnings; /* may be more than are kept */
	char *error;       /* why it was not saved, one line; NULL: it was */
	struct buf log;    /* what its log file has; empty: there is none, or report.log_too_long */
};

struct job_report {
	char *command_line; /* "vzdump 123 --mode snapshot" */
	char *job_id;       /* NULL: the run belongs to no job of jobs.cfg */
	char *node;
	char *storage; /* id of the storage of the archives; NULL: none */
	char *dumpdir; /* their folder, as far as it is known; NULL: none */
	time_t start;
	uint64_t ns;
	bool begun;    /* the lock is held, so that guests are reached */
	bool canceled; /* by a signal */
	/*
	 * What went wrong with the run as a whole, a line for each problem; NULL: nothing.  Not for failed
	 * guests alone.
	 */
	char *error;
	char **warnings; /* that are about no guest */
	size_t n_warnings;
	/* The output of hook scripts in job-init and job-start, and in job-end. */
	struct buf log_before, log_after;
	size_t log_size;   /* bytes of all logs that were there */
	bool log_too_long; /* more than REPORT_LOG_MAX: then no guest's log is kept */

	struct task_report *tasks; /* of all guests of the job, in its order; their place does not change */
	size_t n;
};

#define REPORT_LOG_MAX      ((size_t)1024 * 1024)
#define REPORT_WARNINGS_MAX 100 /* kept of each guest, and of the job */

/* Makes the rows of the guests, all of them TASK_TODO.  Called once. */
void report_begin(struct job_report *r, const uint32_t *vmids, size_t n);
/* Keeps a log of `len` bytes as *log, unless all logs together are too long: then none is kept. */
void report_keep_log(struct job_report *r, struct buf *log, const char *text, size_t len);
/* Appends a line to the errors of the run. */
void report_add_error(struct job_report *r, const char *line);

/* "ok", "failed", ...: as the JSON report and our records have it. */
const char *task_outcome_name(enum task_outcome outcome);
/* Guests with this outcome. */
size_t report_count(const struct job_report *r, enum task_outcome outcome);
/* Nothing has failed: neither the run nor any guest. */
bool report_is_good(const struct job_report *r);
/* Of all guests and of the run; one that was not kept counts too. */
size_t report_warnings(const struct job_report *r);
/* Bytes of the archives of the guests that were saved. */
uint64_t report_total_size(const struct job_report *r);
/* Sums over the disks with a fleecing image; false if there is none. */
bool task_report_fleecing(const struct task_report *t, struct disk_report *ret);
/* Bytes of the archive that it shares with no other; 0 if there is none. */
uint64_t task_report_new(const struct task_report *t);

void report_clear(struct job_report *r);
#define _cleanup_report_ _cleanup_(report_clear)

#endif
