/* The parts of vzdump-scheduler. */
#ifndef VZDUMP_CLI_SCHEDULER_H
#define VZDUMP_CLI_SCHEDULER_H

#include "config/options.h"
#include "schedule/scheduler.h"

extern const char *const scheduler_formats[];

/* --list: each job with its last and next run, as --output-format says. */
int scheduler_list(const struct options *o, const struct paths *p, const struct log *log, struct error **err);

/* One pass, now. */
int scheduler_once(const struct scheduler *s, struct error **err);
/* Passes at the beginning of each minute, until SIGTERM or SIGINT; says to systemd how it is. */
int scheduler_serve(const struct scheduler *s, struct error **err);

#endif
