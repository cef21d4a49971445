/* What vzdump prints: log lines in PVE's shape, and a live view on a terminal. */
#ifndef VZDUMP_CLI_UI_H
#define VZDUMP_CLI_UI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "backup/progress.h"
#include "base/log.h"
#include "live.h"

struct ui {
	struct log log;   /* for the library */
	FILE *out;        /* log lines and live view */
	bool quiet;       /* only warnings and errors, on standard error, with their guest */
	uint32_t guest;   /* whom the lines are about; 0: nobody */
	struct live live; /* a line per disk, unless quiet */
	unsigned warnings;
	pthread_mutex_t lock;
};

void ui_init(struct ui *u, FILE *out, bool quiet);
/* Takes the live view off the screen. */
void ui_clear(struct ui *u);
/* A struct ui as opaque: for job_params.progress. */
void ui_progress(void *opaque, const struct progress *p);

#endif
