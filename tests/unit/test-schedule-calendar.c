/* lib/schedule/calendar: PVE's calendar events, their quirks, and the nights in which clocks are changed. */
#include <inttypes.h>
#include <time.h>

#include "base/mem.h"
#include "schedule/calendar.h"
#include "tap.h"

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* "2026-03-29 03:00:00 +0200", "never" or "refused". */
static char *next_of(const char *event, time_t after)
{
	struct calendar c;
	struct tm tm;
	time_t next;
	char text[64];

	if (calendar_parse(event, &c, NULL) < 0)
		return xstrdup("refused");
	if (!calendar_next(&c, after, &next))
		return xstrdup("never");
	localtime_r(&next, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	return xstrdup(text);
}

static void comes(const char *event, time_t after, const char *want)
{
	char *got = next_of(event, after);

	if (!ok(!strcmp(got, want), "'%s' after %" PRId64 " comes %s", event, (int64_t)after, want))
		diag("got %s", got);
	free(got);
}

/* In UTC, after Thursday 2026-01-15 10:20:30. */
#define THURSDAY 1768472430

struct vector {
	const char *event;
	const char *want; /* without its +0000 */
};

/* clang-format off */
static const struct vector grammar[] = {
	{ "minutely",            "2026-01-15 10:21:00" },
	{ "hourly",              "2026-01-15 11:00:00" },
	{ "daily",               "2026-01-16 00:00:00" },
	{ "weekly",              "2026-01-19 00:00:00" },
	{ "monthly",             "2026-02-01 00:00:00" },
	{ "yearly",              "2027-01-01 00:00:00" },
	{ "annually",            "2027-01-01 00:00:00" },
	{ "quarterly",           "2026-04-01 00:00:00" },
	{ "semiannually",        "2026-07-01 00:00:00" },
	{ "semi-annually UTC",   "2026-07-01 00:00:00" },
	/* times */
	{ "*",                   "2026-01-15 10:21:00" },
	{ "30",                  "2026-01-15 10:30:00" },
	{ "20",                  "2026-01-15 11:20:00" },
	{ "*/15",                "2026-01-15 10:30:00" },
	{ "21:00",               "2026-01-15 21:00:00" },
	{ "9:00",                "2026-01-16 09:00:00" },
	{ "10:20:31",            "2026-01-15 10:20:31" },
	{ "10:20:30",            "2026-01-16 10:20:30" },
	{ "*:*:*",               "2026-01-15 10:20:31" },
	{ "*/12:0",              "2026-01-15 12:00:00" },
	{ "20..22:*/30",         "2026-01-15 20:00:00" },
	{ "22/1:0",              "2026-01-15 22:00:00" },
	{ "8..17/2:0",           "2026-01-15 12:00:00" },
	{ "1,11,4:5,3",          "2026-01-15 11:03:00" },
	{ "005:000000007",       "2026-01-16 05:07:00" },
	{ "5/0:0",               "2026-01-16 05:00:00" },
	/* a number that is no hour is a minute */
	{ "24:0",                "2026-01-15 10:24:00" },
	{ "25:30",               "2026-01-15 10:25:30" },
	/* days of the week */
	{ "mon",                 "2026-01-19 00:00:00" },
	{ "thu",                 "2026-01-22 00:00:00" },
	{ "THURSDAY 10:30",      "2026-01-15 10:30:00" },
	{ "mon8:00",             "2026-01-19 08:00:00" },
	{ "mon..fri 22:30",      "2026-01-15 22:30:00" },
	{ "fri..mon 1:00",       "2026-01-16 01:00:00" },
	{ "sun..sat 1:00",       "2026-01-16 01:00:00" },
	{ "sat..sun 1:00",       "2026-01-17 01:00:00" },
	{ "sun,wed 21:00",       "2026-01-18 21:00:00" },
	{ "mon 30",              "2026-01-19 00:30:00" },
	/* dates */
	{ "*-*-*",               "2026-01-16 00:00:00" },
	{ "2-1",                 "2026-02-01 00:00:00" },
	{ "*-*-01 02:00",        "2026-02-01 02:00:00" },
	{ "2027-05-06 7:08:09",  "2027-05-06 07:08:09" },
	{ "2024-02-29",          "never" },
	{ "2021-02-29",          "never" },
	{ "02-29",               "2028-02-29 00:00:00" },
	{ "02-30",               "never" },
	{ "00-05",               "never" },
	{ "*-31",                "2026-01-31 00:00:00" },
	{ "02..04-31",           "2026-03-31 00:00:00" },
	{ "2199-1-1",            "2199-01-01 00:00:00" },
	{ "*/4-1-1",             "2028-01-01 00:00:00" },
	{ "Sat *-1..7 15:00",    "2026-02-07 15:00:00" },
	{ "mon *-05-1..7",       "2026-05-04 00:00:00" },
	{ "fri *-13",            "2026-02-13 00:00:00" },
	{ "*-*-1812:00",         "refused" },
	{ "1-18 12:00",          "2026-01-18 12:00:00" },
	{ "1-*12:00",            "2026-01-15 12:00:00" },
	/* a step goes on above what the hour can hold: 00:00 is passed over after 20:00 */
	{ "*/5:0",               "2026-01-15 15:00:00" },
	/* blanks and UTC */
	{ "  21:00\t",           "2026-01-15 21:00:00" },
	{ "mon  \t 8:00   UTC",  "2026-01-19 08:00:00" },
	{ "5:00UTC",             "2026-01-16 05:00:00" },
	{ "5:00utc",             "refused" },
	{ "UTC",                 "refused" },
	/* refused */
	{ "",                    "refused" },
	{ " \t ",                "refused" },
	{ "mon-fri",             "refused" },
	{ "mon, tue",            "refused" },
	{ "mo",                  "refused" },
	{ "mond",                "refused" },
	{ "daily 5:00",          "refused" },
	{ "Daily",               "refused" },
	{ "61",                  "refused" },
	{ "*/61",                "refused" },
	{ "*/0",                 "refused" },
	{ "0..80",               "refused" },
	{ "5..3",                "refused" },
	{ "24:60",               "refused" },
	{ "mon 0 0",             "refused" },
	{ "*,5",                 "refused" },
	{ "5,*",                 "refused" },
	{ "5,",                  "refused" },
	{ "5..",                 "refused" },
	{ "5/",                  "refused" },
	{ "2200-1-1",            "refused" },
	{ "13-1",                "refused" },
	{ "1-32",                "refused" },
	{ "*-*-~1",              "refused" },
	{ "-5",                  "refused" },
	{ "99999999999999999999","refused" },
	{ "0 3 * * *",           "refused" },
};
/* clang-format on */

static void test_grammar(void)
{
	set_zone("UTC");
	for (size_t i = 0; i < ARRAY_SIZE(grammar); i++) {
		_cleanup_free_ char *want = strchr(grammar[i].want, ':')
						    ? xasprintf("%s +0000", grammar[i].want)
						    : xstrdup(grammar[i].want);

		comes(grammar[i].event, THURSDAY, want);
	}
	comes("*/5:0", 1768507200, "2026-01-16 05:00:00 +0000");
}

static void test_long(void)
{
	char text[CALENDAR_MAX + 2];
	struct calendar c;

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "1,", 2);
	text[CALENDAR_MAX] = '\0';
	ok(calendar_parse(text, &c, NULL) == ERR_INVALID, "a list that ends in a comma is refused");
	text[CALENDAR_MAX - 1] = '\0';
	ok(calendar_parse(text, &c, NULL) == 0 && c.fields[CALENDAR_MINUTE].n == CALENDAR_MAX / 2,
	   "a list of as many items as fit is read");
	text[CALENDAR_MAX - 1] = text[CALENDAR_MAX] = '1';
	text[CALENDAR_MAX + 1] = '\0';
	ok(calendar_parse(text, &c, NULL) == ERR_INVALID, "a text that is too long is refused");
}

static void why(const char *event, const char *want)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *whole = xasprintf("invalid calendar event '%s' - %s", event, want);
	struct calendar c;

	calendar_parse(event, &c, &err);
	if (!ok(!strcmp(error_message(err), whole), "'%s': %s", event, want))
		diag("got %s", error_message(err));
}

static void test_messages(void)
{
	why("", "it is empty");
	why("mon-fri 9:00", "a range of days is written with two dots, as in mon..fri");
	why("tomorrow", "'tomorrow' is not a day of the week, such as mon or monday");
	why("21:65", "minute '65' is not between 0 and 59");
	why("*/61", "minute '61' is not between 0 and 59");
	why("2026-13-1", "month '13' is not between 1 and 12");
	why("5..3", "'5..3' ends before it begins");
	why("5..", "a number is missing after '..'");
	why("*/0", "a step of 0 leads nowhere");
	why("mon 0 0", "'0' is neither a date nor a time");
	why("UTC", "a date or a time is missing");
}

/* Vienna: on 2026-03-29 from 02:00 +0100 to 03:00 +0200, on 2026-10-25 from 03:00 +0200 to 02:00 +0100. */
static void test_clock_changes(void)
{
	const time_t before_spring = 1774744200; /* 01:30 +0100 */
	const time_t autumn_2_30 = 1792888200;   /* 02:30 +0200 */

	set_zone("Europe/Vienna");
	comes("2:30", before_spring, "2026-03-30 02:30:00 +0200");
	comes("02:00", before_spring, "2026-03-30 02:00:00 +0200");
	comes("*:0/30", before_spring, "2026-03-29 03:00:00 +0200");
	comes("hourly", before_spring - 1800, "2026-03-29 03:00:00 +0200");
	comes("3:00", before_spring, "2026-03-29 03:00:00 +0200");
	comes("daily", before_spring, "2026-03-30 00:00:00 +0200");
	comes("2:30", autumn_2_30 - 86400, "2026-10-25 02:30:00 +0200");
	comes("2:30", autumn_2_30, "2026-10-26 02:30:00 +0100");
	comes("hourly", autumn_2_30 - 1800, "2026-10-25 03:00:00 +0100");
	comes("*:0/30", autumn_2_30, "2026-10-25 03:00:00 +0100");
	comes("*/2:00", autumn_2_30 - 1800, "2026-10-25 04:00:00 +0100");
	/* in the hour that comes again, a time is never one that has passed */
	comes("2:30", autumn_2_30 + 2400, "2026-10-25 02:30:00 +0100");
	comes("2:30", autumn_2_30 + 3600, "2026-10-26 02:30:00 +0100");
	comes("0:30 UTC", autumn_2_30 - 1, "2026-10-25 02:30:00 +0200");
	comes("*:0/30 UTC", autumn_2_30, "2026-10-25 02:00:00 +0100");
	comes("2:30 UTC", before_spring, "2026-03-29 04:30:00 +0200");
}

/* Where the missing hour begins at midnight, a missing half hour, a missing day. */
static void test_other_zones(void)
{
	set_zone("Asia/Beirut");
	comes("daily", 1774648800, "2026-03-30 00:00:00 +0300");
	set_zone("Australia/Lord_Howe");
	comes("2:15", 1791037800, "2026-10-05 02:15:00 +1100");
	set_zone("Pacific/Apia");
	comes("12-30 5:00", 1325152800, "2012-12-30 05:00:00 +1400");
	comes("daily", 1325152800, "2011-12-31 00:00:00 +1400");
}

/* What the user may ask for. */
static void test_far_times(void)
{
	set_zone("UTC");
	comes("daily", 0, "1970-01-02 00:00:00 +0000");
	comes("daily", -86401, "1969-12-31 00:00:00 +0000");
	comes("daily", INT64_C(253402300799), "10000-01-01 00:00:00 +0000");
	comes("2199-1-1", INT64_C(253402300799), "never");
	comes("daily", INT64_MAX - 1, "never");
}

int main(void)
{
	test_grammar();
	test_long();
	test_messages();
	test_clock_changes();
	test_other_zones();
	test_far_times();
	return done_testing();
}
