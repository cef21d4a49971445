/*
 * Lines at the bottom of a terminal that are updated in place, below everything else that is printed.  They
 * never wrap, since the cursor goes back over them by rows.  Without a terminal nothing is shown.
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
/* The number of characters that fit into a line: of the terminal as it is now, else by COLUMNS, else 79. */
size_t live_width(const struct live *l);
/*
 * Shows these lines, each ended by a newline, instead of those shown before; cuts them to the screen's
 * size.
 */
void live_show(struct live *l, const char *text);
/* Takes the lines off the screen; call it before anything else is printed. */
void live_off(struct live *l);

/* Appends the text to the line b and returns true, unless b would be longer than width characters. */
bool live_add(struct buf *b, size_t width, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
