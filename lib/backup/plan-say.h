/* The lines of a plan that only a plan has; others come from the functions that a run calls, too. */
#ifndef VZDUMP_BACKUP_PLAN_SAY_H
#define VZDUMP_BACKUP_PLAN_SAY_H

#include "base/log.h"
#include "config/settings.h"
#include "report/job-plan.h"

/* storage, dumpdir: where archives go; NULL: nowhere. */
void plan_say_job(const struct log *log, const struct settings *s, const struct job_plan *p,
		  const char *storage, const char *dumpdir);
/* The last line. */
void plan_say_end(const struct log *log, const struct job_plan *p, const struct job_report *r);
/* How each disk is read. */
void plan_say_disks(const struct log *log, const struct guest_plan *g);
/* The guest's newest backup and what is free.  Warns if one of its size would find no room. */
void plan_say_limit(const struct log *log, const struct guest_plan *g);
void plan_say_room(const struct log *log, const struct guest_plan *g);
/* What retention removes. */
void plan_say_prune(const struct log *log, const struct guest_plan *g);
void plan_say_phases(const struct log *log, const struct guest_plan *g);

#endif
