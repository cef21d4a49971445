/*
 * /etc/pve/jobs.cfg: the backup jobs that run at times of their own (facts: PVE::SectionConfig, PVE::Jobs,
 * PVE 9).
 *
 *	vzdump: nightly
 *		schedule mon..fri 22:30
 *		enabled 1
 *		all 1
 *		storage backup
 *
 * Besides its own keys (schedule, enabled, comment, repeat-missed) a job has options of vzdump, of which one
 * that repeats on the command line repeats here too (exclude-path).  man/jobs.cfg.5 describes them.
 */
#ifndef VZDUMP_SCHEDULE_JOBS_H
#define VZDUMP_SCHEDULE_JOBS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "config/options.h"
#include "schedule/calendar.h"

struct job_entry {
	char *id;
	char *schedule; /* the event as it is written */
	struct calendar event;
	bool enabled;
	bool repeat_missed; /* a time that passed while nobody looked is made up for */
	char *comment;      /* UTF-8, decoded; NULL: none */
	/*
	 * The values of the table vzdump_options that the job gives, each checked by itself, not against each
	 * other: vzdump_options_verify().  node is among them.
	 */
	struct options options;
};

struct jobs {
	struct job_entry *entries; /* by id */
	size_t n;
	bool has_file; /* jobs.cfg is there */
};

/*
 * Reads the file; one that is not there holds no jobs.  log gets a warning about each line that cannot be
 * used, and about a job without a valid schedule; both are left out.  With `only`, the id of a job, it gets
 * those of that job's section alone; NULL: all.  Sections of type realm-sync are passed over.  An error (the
 * file cannot be read) leaves *ret empty.  The caller clears *ret.
 */
int jobs_load(const struct paths *p, const char *only, const struct log *log, struct jobs *ret,
	      struct error **err);
void jobs_clear(struct jobs *j);
#define _cleanup_jobs_ _cleanup_(jobs_clear)

/* NULL if there is none of that id. */
const struct job_entry *jobs_find(const struct jobs *j, const char *id);
/* The only node that the job is for; NULL: it is for all. */
const char *job_entry_node(const struct job_entry *e);

#endif
