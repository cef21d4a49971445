/* Reads the text of a calendar event. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "schedule/calendar.h"
#include "schedule/weekdays.h"

#define BLANKS " \t"

struct field_rule {
	const char *name;
	int first; /* that a repetition of all values begins with */
	int limit; /* one more than the largest */
};

static const struct field_rule rules[CALENDAR_FIELDS] = {
	[CALENDAR_YEAR] = { "year", 0, 2200 },   [CALENDAR_MONTH] = { "month", 1, 13 },
	[CALENDAR_DAY] = { "day", 1, 32 },       [CALENDAR_HOUR] = { "hour", 0, 24 },
	[CALENDAR_MINUTE] = { "minute", 0, 60 }, [CALENDAR_SECOND] = { "second", 0, 60 },
};

/*
 * The same text may be a date or a time, and is tried as one after the other.  Of all that did not fit, the
 * user is told the one that came farthest.
 */
struct reader {
	const char *farthest;
	struct error *why;
};

/* Keeps the reason unless an earlier one was farther in the text. */
__attribute__((format(printf, 3, 4))) static int refuse(struct reader *rd, const char *at, const char *fmt,
							...)
{
	va_list ap;

	if (at < rd->farthest)
		return ERR_INVALID;
	error_free(rd->why);
	rd->why = NULL;
	rd->farthest = at;
	va_start(ap, fmt);
	_cleanup_free_ char *why = xvasprintf(fmt, ap);
	va_end(ap);
	return error_set(&rd->why, ERR_INVALID, "%s", why);
}

static int take_number(struct reader *rd, const char **at, const struct field_rule *rule, int *ret)
{
	const char *digits = *at, *to = digits;
	int n = 0;

	for (; isdigit((unsigned char)*to) && n < rule->limit; to++)
		n = n * 10 + (*to - '0');
	if (to == digits)
		return ERR_INVALID;
	if (n >= rule->limit)
		return refuse(rd, digits, "%s '%.*s' is not between %d and %d", rule->name,
			      (int)strspn(digits, "0123456789"), digits, rule->first, rule->limit - 1);
	*ret = n;
	*at = to;
	return 0;
}

/* A number that must follow: the end of a range, or a step. */
static int take_second(struct reader *rd, const char **at, const struct field_rule *rule, int *ret)
{
	return isdigit((unsigned char)**at) ? take_number(rd, at, rule, ret)
					    : refuse(rd, *at, "a number is missing after '%.2s'", *at - 2);
}

/* A, A..B, A/N or A..B/N. */
static int take_item(struct reader *rd, const char **at, const struct field_rule *rule,
		     struct calendar_item *ret)
{
	const char *begin = *at;
	struct calendar_item item = { 0 };

	if (take_number(rd, at, rule, &item.first) < 0)
		return ERR_INVALID;
	item.last = item.first;
	if (!strncmp(*at, "..", 2)) {
		*at += 2;
		if (take_second(rd, at, rule, &item.last) < 0)
			return ERR_INVALID;
		if (item.first > item.last)
			return refuse(rd, begin, "'%.*s' ends before it begins", (int)(*at - begin), begin);
		item.step = 1;
	}
	if (**at == '/') {
		if (!item.step)
			item.last = -1;
		*at += 1;
		if (take_second(rd, at, rule, &item.step) < 0)
			return ERR_INVALID;
	}
	*ret = item;
	return 0;
}

/* A star, alone or with a step. */
static int take_star(struct reader *rd, const char **at, const struct field_rule *rule,
		     struct calendar_list *ret)
{
	const char *digits = *at + 2;
	int step;

	*at += 1;
	ret->n = 0;
	if (**at != '/')
		return 0;
	*at += 1;
	if (take_second(rd, at, rule, &step) < 0)
		return ERR_INVALID;
	if (!step)
		return refuse(rd, digits, "a step of 0 leads nowhere");
	ret->items[ret->n++] = (struct calendar_item){ rule->first, -1, step };
	return 0;
}

/* A comma that no item follows is left to the caller. */
static int take_list(struct reader *rd, const char **at, enum calendar_field field, struct calendar_list *ret)
{
	const struct field_rule *rule = &rules[field];
	const char *comma;

	if (**at == '*')
		return take_star(rd, at, rule, ret);
	ret->n = 0;
	if (take_item(rd, at, rule, &ret->items[ret->n]) < 0)
		return ERR_INVALID;
	ret->n++;
	while (**at == ',') {
		comma = *at;
		*at += 1;
		if (ret->n == CALENDAR_ITEMS || take_item(rd, at, rule, &ret->items[ret->n]) < 0) {
			*at = comma;
			break;
		}
		ret->n++;
	}
	return 0;
}

/* A list, and the character behind it. */
static int take_list_and(struct reader *rd, const char **at, enum calendar_field field, char mark,
			 struct calendar_list *ret)
{
	int r = take_list(rd, at, field, ret);

	if (r < 0 || **at != mark)
		return ERR_INVALID;
	*at += 1;
	return 0;
}

/* YEAR-MONTH-DAY or MONTH-DAY.  False, with nothing taken, if *at begins with neither. */
static bool take_date(struct reader *rd, const char **at, struct calendar_list *fields)
{
	struct calendar_list date[3];
	static const enum calendar_field first[] = { CALENDAR_YEAR, CALENDAR_MONTH };

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		const char *to = *at;

		date[0].n = 0;
		if ((first[i] == CALENDAR_YEAR && take_list_and(rd, &to, CALENDAR_YEAR, '-', &date[0]) < 0) ||
		    take_list_and(rd, &to, CALENDAR_MONTH, '-', &date[1]) < 0 ||
		    take_list(rd, &to, CALENDAR_DAY, &date[2]) < 0)
			continue;
		memcpy(&fields[CALENDAR_YEAR], date, sizeof(date));
		*at = to;
		return true;
	}
	return false;
}

/*
 * [HOURS:]MINUTES[:SECONDS].  PVE's quirk: if the first number does not fit as an hour, it is a minute, so
 * that 24:0 is 24 minutes past every hour.
 */
static bool take_time(struct reader *rd, const char **at, struct calendar_list *fields)
{
	static const struct calendar_list zero = { .items = { { 0, 0, 0 } }, .n = 1 };
	struct calendar_list hours, minutes, seconds = zero;
	const char *to = *at, *behind;

	if (take_list_and(rd, &to, CALENDAR_HOUR, ':', &hours) < 0) {
		hours.n = 0;
		to = *at;
	}
	if (take_list(rd, &to, CALENDAR_MINUTE, &minutes) < 0)
		return false;
	behind = to;
	if (*to == ':' && (to++, take_list(rd, &to, CALENDAR_SECOND, &seconds) < 0)) {
		seconds = zero;
		to = behind;
	}
	fields[CALENDAR_HOUR] = hours;
	fields[CALENDAR_MINUTE] = minutes;
	fields[CALENDAR_SECOND] = seconds;
	*at = to;
	return true;
}

/* What a word that stands alone means; the text itself if it is none. */
static const char *long_form(const char *text)
{
	/* clang-format off */
	static const char *const words[][2] = {
		{ "minutely",      "*-*-* *:*:00" },
		{ "hourly",        "*-*-* *:00:00" },
		{ "daily",         "00:00:00" },
		{ "weekly",        "mon 00:00:00" },
		{ "monthly",       "*-*-01 00:00:00" },
		{ "yearly",        "*-01-01 00:00:00" },
		{ "annually",      "*-01-01 00:00:00" },
		{ "quarterly",     "*-01,04,07,10-01 00:00:00" },
		{ "semiannually",  "*-01,07-01 00:00:00" },
		{ "semi-annually", "*-01,07-01 00:00:00" },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(text, words[i][0]))
			return words[i][1];
	return text;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, BLANKS);
}

/* What no part has taken; if one has begun to, its reason says more. */
static int left_over(struct reader *rd, const char *at)
{
	if (rd->why && rd->farthest >= at)
		return ERR_INVALID;
	if (*at == '-' && isalpha((unsigned char)at[1]))
		return refuse(rd, at, "a range of days is written with two dots, as in mon..fri");
	at = skip_blanks(at);
	return refuse(rd, at, *at ? "'%s' is neither a date nor a time" : "a date or a time is missing%s",
		      at);
}

static int read_parts(struct reader *rd, const char *at, struct calendar *ret)
{
	static const struct calendar_list zero = { .items = { { 0, 0, 0 } }, .n = 1 };
	bool any = false;

	if (isalpha((unsigned char)*at)) {
		if (weekdays_parse(&at, WEEKDAYS_DOTS, &ret->days, NULL, &rd->why) < 0)
			return ERR_INVALID;
		any = true;
		at = skip_blanks(at);
	}
	if (take_date(rd, &at, ret->fields)) {
		any = true;
		at = skip_blanks(at);
	}
	for (int i = CALENDAR_HOUR; i <= CALENDAR_SECOND; i++)
		ret->fields[i] = zero;
	any |= take_time(rd, &at, ret->fields);
	if (!*at && any)
		return 0;
	return left_over(rd, at);
}

/* Cuts a trailing UTC with the blanks before it. */
static bool cut_utc(char *text)
{
	size_t len = strlen(text);

	if (!str_suffix(text, "UTC"))
		return false;
	len -= strlen("UTC");
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	return true;
}

int calendar_parse(const char *text, struct calendar *ret, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *at = str_strip(copy);
	struct reader rd = { .farthest = NULL };
	int r;

	*ret = (struct calendar){ 0 };
	if (strlen(at) > CALENDAR_MAX) {
		r = refuse(&rd, at, "it is longer than %d characters", CALENDAR_MAX);
	} else if (!*at) {
		r = refuse(&rd, at, "it is empty");
	} else {
		ret->utc = cut_utc(at);
		r = read_parts(&rd, long_form(at), ret);
	}
	if (r < 0)
		error_set(err, r, "invalid calendar event '%s' - %s", text, error_message(rd.why));
	error_free(rd.why);
	return r;
}
