/*
 * Calendar events as PVE's jobs have them (format pve-calendar-event of PVE 9):
 *
 *	[WEEKDAYS] [[YEAR-]MONTH-DAY] [[HOURS:]MINUTES[:SECONDS]] [UTC]
 *
 * with at least one of the first three, or one of the words minutely, hourly, daily, weekly, monthly, yearly
 * (annually), quarterly, semiannually (semi-annually).  Each number is a list: a star; a star and /N (every N
 * from the first value on); or items with commas between them: A, A..B, A/N, A..B/N.  Without a time it is
 * 00:00:00; without hours every hour; one number alone is minutes.  man/vzdump-scheduler.8 tells the rest.
 *
 * A time that the clock leaves out (spring) does not come that day; one that it shows twice (autumn) comes
 * the first time only.
 */
#ifndef VZDUMP_SCHEDULE_CALENDAR_H
#define VZDUMP_SCHEDULE_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"

#define CALENDAR_MAX   128                    /* bytes of an event's text */
#define CALENDAR_ITEMS (CALENDAR_MAX / 2 + 1) /* of one list: a digit and a comma each */

enum calendar_field {
	CALENDAR_YEAR,
	CALENDAR_MONTH,
	CALENDAR_DAY,
	CALENDAR_HOUR,
	CALENDAR_MINUTE,
	CALENDAR_SECOND,
	CALENDAR_FIELDS
};

/* first, then every step up to last. */
struct calendar_item {
	int first;
	int last; /* -1: no end */
	int step; /* 0: first alone */
};

struct calendar_list {
	struct calendar_item items[CALENDAR_ITEMS];
	size_t n; /* 0: any value */
};

/* No heap memory is behind it: it can be copied, and needs no clearing. */
struct calendar {
	bool utc;      /* else local time */
	unsigned days; /* of the week (weekdays.h); 0: any */
	struct calendar_list fields[CALENDAR_FIELDS];
};

/* ERR_INVALID with the message "invalid calendar event '<text>' - <why>". */
int calendar_parse(const char *text, struct calendar *ret, struct error **err);

/*
 * The first time of the event that is later than `after`; both are seconds since 1970.  False: never.  Local
 * time is that of TZ or /etc/localtime; the caller calls tzset() first if it has changed.  From any thread.
 */
bool calendar_next(const struct calendar *c, time_t after, time_t *ret);

#endif
