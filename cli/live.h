/*
 * Lines at the bottom of a terminal that update in place, below what else is printed.  None ever wraps:
 * the way back over them is counted in rows.  On anything but a terminal nothing is shown.
 */
#ifndef VZDUMP_CLI_LIVE_H
#define VZDUMP_CLI_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"

#define LIVE_LINES_MAX 40

struct live {
	FILE *out;
	bool on;                       /* out is a terminal that can move its cursor */
	unsigned n;                    /* lines on the screen */
	size_t length[LIVE_LINES_MAX]; /* of each */
};

/* out is borrowed. */
void live_init(struct live *l, FILE *out);
/* Letters that fit into a line, by the terminal as it is now, or COLUMNS, or 80 columns. */
size_t live_width(const struct live *l);
/* Lines that may be shown at once, at least 1. */
unsigned live_height(const struct live *l);
/* Replaces what is shown by these lines, each ended by a newline; what is too long or too much is cut. */
void live_show(struct live *l, const char *text);
/* Takes the lines off the screen: before anything else is printed. */
void live_off(struct live *l);

/* Appends what fmt makes if the line, b as it is, stays within width letters then; else nothing. */
bool live_add(struct buf *b, size_t width, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
