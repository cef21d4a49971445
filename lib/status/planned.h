/*
 * The jobs of jobs.cfg that run on this host: their guests, settings and next times.  A job that is not
 * enabled, or for another node, is not planned.
 */
#ifndef VZDUMP_STATUS_PLANNED_H
#define VZDUMP_STATUS_PLANNED_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "backup/select.h"
#include "config/settings.h"
#include "storage/host.h"

struct planned_job {
	char *id;
	time_t next; /* 0: never */
	struct settings settings;
	struct selection selection;
};

struct planned {
	struct planned_job *list;
	size_t n;
};

/*
 * Reads jobs.cfg; the times are the first ones after `now`.  A job that could not run (its options
 * contradict each other, there is no such pool) is left out with a warning.  The caller clears *ret, also
 * after an error.
 */
int planned_load(const struct host *host, time_t now, struct planned *ret, struct error **err);
void planned_clear(struct planned *p);
#define _cleanup_planned_ _cleanup_(planned_clear)

bool planned_job_has(const struct planned_job *j, uint32_t vmid);

#endif
