/*
 * Lists of weekdays, as calendar events and daily durations begin with: "mon", "mon..fri", "sat,sun".  Days
 * are short (three letters) or full English names in any case; a range may wrap ("fri..mon").
 */
#ifndef VZDUMP_SCHEDULE_WEEKDAYS_H
#define VZDUMP_SCHEDULE_WEEKDAYS_H

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

/* A set of days: bit 0 is Monday, bit 6 Sunday. */
#define WEEKDAYS_ALL 0x7fu

/* What may stand between the days of a range. */
enum weekdays_range {
	WEEKDAYS_DOTS,         /* ".." */
	WEEKDAYS_DOTS_OR_DASH, /* "-" too, if a letter follows */
};

/*
 * Reads the list that *at begins with, and moves *at past it; no blanks are taken.  *ret_dash (may be NULL)
 * is whether a "-" was taken for "..".  ERR_INVALID with only the reason as message.
 */
int weekdays_parse(const char **at, enum weekdays_range range, unsigned *ret, bool *ret_dash,
		   struct error **err);
/* The day of a broken-down time, 0 for Monday. */
int weekdays_of(const struct tm *tm);

#endif
