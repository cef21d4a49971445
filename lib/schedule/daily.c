#include "schedule/daily.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "schedule/weekdays.h"

#define BLANKS " \t"

static int take_number(const char **at, int limit, const char *name, int *ret, struct error **err)
{
	const char *digits = *at;
	int n = 0;

	for (; isdigit((unsigned char)**at) && n < limit; (*at)++)
		n = n * 10 + (**at - '0');
	if (*at == digits)
		return error_set(err, ERR_INVALID, *digits ? "there is no %s at '%s'" : "the %s is missing%s",
				 name, digits);
	if (n >= limit)
		return error_set(err, ERR_INVALID, "%s '%.*s' is not between 0 and %d", name,
				 (int)strspn(digits, "0123456789"), digits, limit - 1);
	*ret = n;
	return 0;
}

/* H[:MM] */
static int take_time(const char **at, int *ret, struct error **err)
{
	int hour = 0, minute = 0;
	int r = take_number(at, 24, "hour", &hour, err);

	if (r == 0 && **at == ':') {
		*at += 1;
		r = take_number(at, 60, "minute", &minute, err);
	}
	*ret = hour * 60 + minute;
	return r;
}

static void skip_blanks(const char **at)
{
	*at += strspn(*at, BLANKS);
}

static int take_span(const char *at, struct daily *ret, struct error **err)
{
	int r = take_time(&at, &ret->begin, err);

	if (r < 0)
		return r;
	skip_blanks(&at);
	if (*at != '-')
		return error_set(err, ERR_INVALID, "'-' and a second time are missing, as in 9-17");
	at++;
	skip_blanks(&at);
	r = take_time(&at, &ret->end, err);
	if (r < 0)
		return r;
	if (*at)
		return error_set(err, ERR_INVALID, "'%s' is left over", at);
	if (ret->begin > ret->end)
		return error_set(err, ERR_INVALID,
				 "it ends before it begins: name the other hours and use invert-match");
	return 0;
}

static int parse(const char *at, struct daily *ret, struct error **err)
{
	int r = 0;

	if (isalpha((unsigned char)*at)) {
		r = weekdays_parse(&at, WEEKDAYS_DOTS_OR_DASH, &ret->days, &ret->dash, err);
		skip_blanks(&at);
	}
	return r < 0 ? r : take_span(at, ret, err);
}

int daily_parse(const char *text, struct daily *ret, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(text);
	_cleanup_error_ struct error *why = NULL;
	int r;

	*ret = (struct daily){ .days = WEEKDAYS_ALL };
	r = parse(str_strip(copy), ret, &why);
	return r < 0 ? error_set(err, r, "invalid daily duration '%s' - %s", text, error_message(why)) : 0;
}

bool daily_contains(const struct daily *d, time_t when)
{
	struct tm tm;
	int minute;

	if (!localtime_r(&when, &tm) || !(d->days & 1u << weekdays_of(&tm)))
		return false;
	minute = tm.tm_hour * 60 + tm.tm_min;
	return d->begin <= minute && minute < d->end;
}
