/* The output of vzdump: log lines in PVE's format, and a live view on a terminal. */
#ifndef VZDUMP_CLI_UI_H
#define VZDUMP_CLI_UI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "backup/observer.h"
#include "base/log.h"
#include "live.h"

enum ui_lines {
	UI_ALL_LINES,
	UI_WARNINGS, /* --quiet: only warnings and errors, no live view */
};

struct ui {
	struct log log;   /* for the library */
	FILE *out;        /* log lines and live view */
	bool quiet;       /* only warnings and errors, on standard error, with their guest */
	struct live live; /* a line per disk, unless quiet */
	unsigned warnings;
	pthread_mutex_t lock;
};

void ui_init(struct ui *u, FILE *out, enum ui_lines lines);
/* Takes the live view off the screen. */
void ui_clear(struct ui *u);
/*
 * The live view of a job, and on SIGUSR1 (signals_keep_usr1()) the state of its copy on standard error.
 * u must live as long as it is used.
 */
struct observer ui_observer(struct ui *u);

#endif
