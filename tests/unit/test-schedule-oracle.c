/*
 * 10,000 random calendar events, right and wrong ones, each in four time zones: what
 * tests/lib/calendar_model.py makes of them, which was written separately, the library makes of them too.
 */
#include <inttypes.h>
#include <time.h>

#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "schedule/calendar.h"
#include "tap.h"

#define EVENTS    "10000"
#define ZONES     4
#define SHOWN_MAX 20

static char *found(const char *event, time_t after)
{
	struct calendar c;
	time_t next;

	if (calendar_parse(event, &c, NULL) < 0)
		return xstrdup("refused");
	if (!calendar_next(&c, after, &next))
		return xstrdup("never");
	return next > after ? xasprintf("%" PRId64, (int64_t)next) : xstrdup("not later");
}

/* "zone after expected event", with tabs between them. */
static bool check_line(char *line)
{
	char *save = NULL;
	const char *zone = strtok_r(line, "\t", &save), *after = strtok_r(NULL, "\t", &save);
	const char *expected = strtok_r(NULL, "\t", &save);
	_cleanup_free_ char *got = NULL;

	if (!expected)
		return false;
	setenv("TZ", zone, 1);
	tzset();
	got = found(save, (time_t)strtoll(after, NULL, 10));
	if (!strcmp(got, expected))
		return true;
	diag("'%s' after %s in %s: %s, the model says %s", save, after, zone, got, expected);
	return false;
}

int main(void)
{
	const char *const argv[] = { "python3", "tests/lib/calendar_events.py", EVENTS, NULL };
	struct process_result p = { 0 };
	_cleanup_error_ struct error *err = NULL;
	size_t n = 0, wrong = 0, len;
	const char *at, *line;

	if (!ok(process_run_ok(argv, NULL, &p, &err) == 0, "the model runs"))
		diag("%s", error_message(err));
	at = p.out ? p.out : "";
	while (wrong < SHOWN_MAX && str_next_line(&at, &line, &len)) {
		_cleanup_free_ char *copy = xstrndup(line, len);

		n++;
		wrong += !check_line(copy);
	}
	ok(wrong == 0, "all events come when the model says, or are refused when it refuses them");
	ok(n == strtoul(EVENTS, NULL, 10) * ZONES, "there were %zu events", n);
	process_result_clear(&p);
	return done_testing();
}
