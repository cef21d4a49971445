#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"

char *units_bytes(uint64_t bytes, int decimals)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1024 && unit < ARRAY_SIZE(names) - 1) {
		value /= 1024;
		unit++;
	}
	return xasprintf("%.*f %s", decimals, value, names[unit]);
}

char *units_human_bytes(uint64_t bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	_cleanup_free_ char *text = NULL;
	double value = (double)bytes;
	unsigned unit = 0;
	size_t len;

	for (uint64_t rest = bytes; rest >= 1024 && unit < ARRAY_SIZE(names) - 1; rest /= 1024) {
		value /= 1024;
		unit++;
	}
	/* half a digit goes up, where printf() rounds to even */
	text = xasprintf("%.3f", round(value * 1000) / 1000);
	for (len = strlen(text); text[len - 1] == '0'; len--)
		;
	if (text[len - 1] == '.')
		len--;
	return xasprintf("%.*s %s", (int)len, text, names[unit]);
}

char *units_archive_size(uint64_t bytes)
{
	if (bytes < MIB)
		return xasprintf("%luKB", (unsigned long)(bytes / KIB));
	if (bytes < GIB)
		return xasprintf("%luMB", (unsigned long)(bytes / MIB));
	if (bytes < 1024 * GIB)
		return xasprintf("%.2fGB", (double)bytes / (double)GIB);
	return xasprintf("%.2fTB", (double)bytes / (double)(1024 * GIB));
}

struct unit_of_time {
	const char *name;
	uint64_t seconds;
};

static const struct unit_of_time units_of_time[] = {
	{ "y", 31557600 }, { "M", 2630016 }, { "w", 7 * 24 * 3600 }, { "d", 24 * 3600 }, { "h", 3600 },
	{ "m", 60 },       { "s", 1 },
};

/* From the largest unit on that is given. */
static char *time_text(uint64_t seconds, size_t largest)
{
	char text[96] = "";
	size_t len = 0;

	for (size_t i = largest; i < ARRAY_SIZE(units_of_time); i++) {
		const struct unit_of_time *unit = &units_of_time[i];
		uint64_t n = seconds / unit->seconds;

		if (!n)
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lu%s", len ? " " : "",
					(unsigned long)n, unit->name);
		seconds %= unit->seconds;
	}
	return xstrdup(len ? text : "0s");
}

char *units_duration(uint64_t seconds)
{
	return time_text(seconds, 2);
}

char *units_timespan(uint64_t seconds)
{
	return time_text(seconds, 0);
}

char *units_hms(uint64_t seconds)
{
	return xasprintf("%02lu:%02lu:%02lu", (unsigned long)(seconds / 3600),
			 (unsigned long)(seconds / 60 % 60), (unsigned long)(seconds % 60));
}

char *units_disk_size(uint64_t bytes)
{
	static const char suffixes[] = "KMGT";
	uint64_t value = bytes;
	int suffix = -1;

	while (value && value % 1024 == 0 && suffix < 3) {
		value /= 1024;
		suffix++;
	}
	if (suffix < 0)
		return xasprintf("%lu", (unsigned long)bytes);
	return xasprintf("%lu%c", (unsigned long)value, suffixes[suffix]);
}

int units_parse_u64(const char *s, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
		    struct error **err)
{
	char *end;
	unsigned long long value;

	if (*s < '0' || *s > '9')
		return error_set(err, ERR_INVALID, "%s: value '%s' is not a whole number", what, s);
	errno = 0;
	value = strtoull(s, &end, 10);
	if (*end)
		return error_set(err, ERR_INVALID, "%s: value '%s' is not a whole number", what, s);
	if (errno || value < min || value > max)
		return error_set(err, ERR_INVALID, "%s: value '%s' is not within %lu and %lu", what, s,
				 (unsigned long)min, (unsigned long)max);
	*ret = value;
	return 0;
}

bool units_parse_disk_size(const char *s, uint64_t *ret_bytes)
{
	static const char suffixes[] = "KMGT";
	const char *at;
	char *end;
	double value, scale = 1;

	if (*s < '0' || *s > '9')
		return false;
	/* a plain number stays exact; a double would not */
	if (!s[strspn(s, "0123456789")]) {
		errno = 0;
		*ret_bytes = strtoull(s, NULL, 10);
		return errno == 0;
	}
	if (s[strspn(s, "0123456789.KMGT")])
		return false;
	value = strtod(s, &end);
	if (end == s)
		return false;
	if (*end) {
		at = strchr(suffixes, *end);
		if (!at || end[1])
			return false;
		scale = pow(1024, (double)(at - suffixes + 1));
	}
	value *= scale;
	if (value >= 9.2e18)
		return false;
	*ret_bytes = (uint64_t)value;
	return true;
}

bool units_parse_percent(const char *s, unsigned *ret)
{
	const size_t digits = strspn(s, "0123456789");

	if (!digits || strcmp(s + digits, "%") != 0)
		return false;
	*ret = 0;
	for (size_t i = 0; i < digits && *ret <= 1000; i++)
		*ret = *ret * 10 + (unsigned)(s[i] - '0');
	return *ret <= 1000;
}

bool units_parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "1", "on", "yes", "true" };
	static const char *const no[] = { "0", "off", "no", "false" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcasecmp(s, yes[i])) {
			*ret = true;
			return true;
		}
		if (!strcasecmp(s, no[i])) {
			*ret = false;
			return true;
		}
	}
	return false;
}

uint64_t units_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
