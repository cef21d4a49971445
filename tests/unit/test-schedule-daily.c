/* lib/schedule/daily: the times of match-calendar. */
#include <time.h>

#include "base/mem.h"
#include "schedule/daily.h"
#include "schedule/weekdays.h"
#include "tap.h"

/* Vienna, Thursday 2026-01-15 00:00. */
#define THURSDAY 1768431600
#define HOUR     3600
#define DAY      86400

static bool in(const char *text, time_t when)
{
	struct daily d;

	return daily_parse(text, &d, NULL) == 0 && daily_contains(&d, when);
}

static void test_contains(void)
{
	ok(in("9-17", THURSDAY + 9 * HOUR), "the first second is inside");
	ok(in("9-17", THURSDAY + 17 * HOUR - 1), "the last second is inside");
	ok(!in("9-17", THURSDAY + 17 * HOUR), "the end is outside");
	ok(!in("9-17", THURSDAY + 9 * HOUR - 1), "the second before is outside");
	ok(in("8:30 - 8:31", THURSDAY + 8 * HOUR + 1859), "blanks may stand around the dash");
	ok(!in("9-9", THURSDAY + 9 * HOUR), "nothing is between a time and itself");
	ok(in("thu 0-23:59", THURSDAY), "a day of the week");
	ok(!in("thu 0-23:59", THURSDAY + DAY), "and the day after");
	ok(in("fri..mon,thu8-9", THURSDAY + 8 * HOUR) && in("fri..mon 8-9", THURSDAY + 3 * DAY + 8 * HOUR),
	   "ranges wrap, and lists are joined");
	ok(in("mon..fri 8-9", THURSDAY + 8 * HOUR) && !in("mon..fri 8-9", THURSDAY + 2 * DAY + 8 * HOUR),
	   "working days");
	/* 2026-07-15, two hours before UTC */
	ok(in("8-9", 1784095200) && !in("8-9", 1784095200 + HOUR), "it is local time in summer too");
}

static void test_dash(void)
{
	struct daily d;

	ok(daily_parse("mon-fri 9-17", &d, NULL) == 0 && d.dash && d.days == 0x1f && d.begin == 540 &&
		   d.end == 1020,
	   "days with a dash between them are read, and told");
	ok(daily_parse("mon..fri 9-17", &d, NULL) == 0 && !d.dash && d.days == 0x1f,
	   "days with dots are right");
	ok(daily_parse("9-17", &d, NULL) == 0 && !d.dash && d.days == WEEKDAYS_ALL,
	   "without days it is every day");
}

static void why(const char *text, const char *want)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *whole = xasprintf("invalid daily duration '%s' - %s", text, want);
	struct daily d;

	daily_parse(text, &d, &err);
	if (!ok(!strcmp(error_message(err), whole), "'%s': %s", text, want))
		diag("got %s", error_message(err));
}

static void test_refused(void)
{
	why("", "the hour is missing");
	why("mon", "the hour is missing");
	why("9", "'-' and a second time are missing, as in 9-17");
	why("9-", "the hour is missing");
	why("9-x", "there is no hour at 'x'");
	why("9:-17", "there is no minute at '-17'");
	why("9-24:00", "hour '24' is not between 0 and 23");
	why("9:60-10", "minute '60' is not between 0 and 59");
	why("99999999999-10", "hour '99999999999' is not between 0 and 23");
	why("22-6", "it ends before it begins: name the other hours and use invert-match");
	why("9-17 x", "' x' is left over");
	why("today 9-17", "'today' is not a day of the week, such as mon or monday");
	why("mon- 9-17", "there is no hour at '- 9-17'");
}

int main(void)
{
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	test_contains();
	test_dash();
	test_refused();
	return done_testing();
}
