/* What a pass of the scheduler leaves for the next one of the same boot: /run/vzdump-scheduler.json. */
#ifndef VZDUMP_SCHEDULE_LAST_PASS_H
#define VZDUMP_SCHEDULE_LAST_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/paths.h"

struct last_pass {
	uint64_t uptime; /* when it was, in seconds of a clock that begins at boot */
	char *warnings;  /* about jobs.cfg, so that they are not repeated every minute; NULL: none */
};

/* False if there was none since the last boot; else the caller clears *ret. */
bool last_pass_load(const struct paths *p, struct last_pass *ret);
int last_pass_save(const struct paths *p, const struct last_pass *l, struct error **err);
void last_pass_clear(struct last_pass *l);
#define _cleanup_last_pass_ _cleanup_(last_pass_clear)

#endif
