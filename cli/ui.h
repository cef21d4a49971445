/* What a command prints: log lines in PVE's shape, and a live view on a terminal. */
#ifndef VZDUMP_CLI_UI_H
#define VZDUMP_CLI_UI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "backup/progress.h"
#include "base/log.h"

struct ui {
	struct log log;		/* for the library */
	FILE *out;		/* log lines and live view */
	bool quiet;
	bool live;		/* out is a terminal: a line per disk that updates in place */
	unsigned shown;		/* lines of the live view that are on the screen */
	unsigned warnings;
	pthread_mutex_t lock;
};

void ui_init(struct ui *u, FILE *out, bool quiet);
/* Takes the live view off the screen. */
void ui_clear(struct ui *u);
/* A struct ui as opaque: for job_params.progress. */
void ui_progress(void *opaque, const struct progress *p);

#endif
