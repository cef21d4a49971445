/*
 * A time of the day that comes daily, or on some days of the week: match-calendar of PVE's notification
 * matchers.
 *
 *	[WEEKDAYS] H[:MM]-H[:MM]	"mon..fri 8:00-16:30", "9-17"
 *
 * in local time, from the first time up to but without the second, which must not be earlier.  So neither a
 * night nor 24:00 can be written; a matcher has invert-match for that.
 */
#ifndef VZDUMP_SCHEDULE_DAILY_H
#define VZDUMP_SCHEDULE_DAILY_H

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

/* No heap memory is behind it. */
struct daily {
	unsigned days; /* of the week (weekdays.h) */
	int begin;     /* in minutes of the day */
	int end;       /* the first minute that is outside */
	/*
	 * The days were written as in PVE's manual, "mon-fri", which PVE's own parser refuses: the caller
	 * should warn.
	 */
	bool dash;
};

/* ERR_INVALID with the message "invalid daily duration '<text>' - <why>". */
int daily_parse(const char *text, struct daily *ret, struct error **err);
/* Whether it is that time of the day at `when`, seconds since 1970. */
bool daily_contains(const struct daily *d, time_t when);

#endif
