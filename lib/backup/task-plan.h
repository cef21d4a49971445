/* The plan of one guest's backup; see plan.h. */
#ifndef VZDUMP_BACKUP_TASK_PLAN_H
#define VZDUMP_BACKUP_TASK_PLAN_H

#include <sys/types.h>

#include "backup/task.h"
#include "report/job-plan.h"

/*
 * Plans the backup of row->vmid: fills *ret and the row, and logs to host->log; row->error says what a run
 * would fail with.  awaited: the process of another backup that has ended before this one begins; 0: none.
 * *target_free is what is free at the place before it, and after it.
 */
void task_plan(const struct host *host, const struct task_options *o, struct task_report *row, pid_t awaited,
	       struct plan_bytes *target_free, struct guest_plan *ret);

#endif
