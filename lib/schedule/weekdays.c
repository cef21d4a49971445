#include "schedule/weekdays.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SHORT_NAME 3

static const char *const names[] = { "monday", "tuesday",  "wednesday", "thursday",
				     "friday", "saturday", "sunday" };

/* By its length: a short name or a whole one. */
static int find_day(const char *word, size_t len)
{
	for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
		if ((len == SHORT_NAME || len == strlen(names[i])) && !strncasecmp(word, names[i], len))
			return i;
	return -1;
}

static int take_day(const char **at, int *ret, struct error **err)
{
	size_t len = 0;

	while (isalpha((unsigned char)(*at)[len]))
		len++;
	*ret = find_day(*at, len);
	if (*ret < 0)
		return error_set(err, ERR_INVALID, "'%.*s' is not a day of the week, such as mon or monday",
				 (int)(len ? len : strlen(*at)), *at);
	*at += len;
	return 0;
}

/* Takes what stands between the two days of a range; false if there is none. */
static bool take_range(const char **at, enum weekdays_range range, bool *dash)
{
	if (!strncmp(*at, "..", 2)) {
		*at += 2;
		return true;
	}
	if (range != WEEKDAYS_DOTS_OR_DASH || **at != '-' || !isalpha((unsigned char)(*at)[1]))
		return false;
	*dash = true;
	*at += 1;
	return true;
}

static int take_item(const char **at, enum weekdays_range range, unsigned *days, bool *dash,
		     struct error **err)
{
	const int n = (int)ARRAY_SIZE(names);
	int first, last;
	int r = take_day(at, &first, err);

	last = first;
	if (r == 0 && take_range(at, range, dash))
		r = take_day(at, &last, err);
	if (r < 0)
		return r;
	for (int i = 0; i <= (last - first + n) % n; i++)
		*days |= 1u << ((first + i) % n);
	return 0;
}

int weekdays_parse(const char **at, enum weekdays_range range, unsigned *ret, bool *ret_dash,
		   struct error **err)
{
	bool dash = false;
	int r;

	*ret = 0;
	for (;;) {
		r = take_item(at, range, ret, &dash, err);
		if (r < 0 || **at != ',')
			break;
		*at += 1;
	}
	if (ret_dash)
		*ret_dash = dash;
	return r;
}

int weekdays_of(const struct tm *tm)
{
	return (tm->tm_wday + 6) % 7;
}
