#include "storage/archive-name.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "config/schema.h"

void archive_name_clear(struct archive_name *a)
{
	free(a->filename);
	free(a->stem);
	*a = (struct archive_name){ 0 };
}

char *archive_stem(const char *type, uint32_t vmid, time_t when)
{
	struct tm tm;
	char stamp[32];

	localtime_r(&when, &tm);
	strftime(stamp, sizeof(stamp), "%Y_%m_%d-%H_%M_%S", &tm);
	return xasprintf("vzdump-%s-%" PRIu32 "-%s", type, vmid, stamp);
}

static const struct extension {
	const char *suffix;
	const char *format;
	const char *compression;
} extensions[] = {
	{ ".vma.zst", "vma", "zst" }, { ".vma.lzo", "vma", "lzo" }, { ".vma.gz", "vma", "gz" },
	{ ".vma.bz2", "vma", "bz2" }, { ".vma", "vma", "" },        { ".tar.zst", "tar", "zst" },
	{ ".tar.lzo", "tar", "lzo" }, { ".tar.gz", "tar", "gz" },   { ".tar.bz2", "tar", "bz2" },
	{ ".tar", "tar", "" },        { ".tgz", "tar", "gz" },
};

static const struct extension *find_extension(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++)
		if (str_suffix(name, extensions[i].suffix))
			return &extensions[i];
	return NULL;
}

bool archive_name_has_extension(const char *name)
{
	return find_extension(name) != NULL;
}

static const char *find_type(const char *name, const char **ret_rest)
{
	static const char *const types[] = { "qemu", "lxc", "openvz" };
	const char *rest;

	if (!str_prefix(name, "vzdump-", &rest))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_prefix(rest, types[i], ret_rest) && **ret_rest == '-') {
			++*ret_rest;
			return types[i];
		}
	return NULL;
}

/* True if text has the shape of pattern, in which 0 stands for any digit. */
static bool has_shape(const char *text, const char *pattern)
{
	for (; *pattern; text++, pattern++) {
		bool digit = *text >= '0' && *text <= '9';

		if (*pattern == '0' ? !digit : *text != *pattern)
			return false;
	}
	return !*text;
}

/* Value of the first `digits` characters, which are digits. */
static int leading_number(const char *text, int digits)
{
	int n = 0;

	for (int i = 0; i < digits; i++)
		n = n * 10 + (text[i] - '0');
	return n;
}

/*
 * When summer time ends, one hour comes twice.  As in PVE, the first of the two is meant: no archive then
 * seems to come from the future.
 */
static time_t first_of_two(struct tm tm, time_t when)
{
	struct tm again = tm;
	time_t summer;

	again.tm_isdst = 1;
	summer = mktime(&again);
	return summer < when && again.tm_isdst == 1 && again.tm_hour == tm.tm_hour &&
			       again.tm_min == tm.tm_min && again.tm_sec == tm.tm_sec
		       ? summer
		       : when;
}

/* "2026_11_22-20_15_00", local.  False for a date that does not exist. */
static bool parse_stamp(const char *text, time_t *ret)
{
	struct tm tm = { .tm_isdst = -1 };
	struct tm check;
	time_t when;

	if (!has_shape(text, "0000_00_00-00_00_00"))
		return false;
	tm.tm_year = leading_number(text, 4) - 1900;
	tm.tm_mon = leading_number(text + 5, 2) - 1;
	tm.tm_mday = leading_number(text + 8, 2);
	tm.tm_hour = leading_number(text + 11, 2);
	tm.tm_min = leading_number(text + 14, 2);
	tm.tm_sec = leading_number(text + 17, 2);
	if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	check = tm;
	when = first_of_two(tm, mktime(&check));
	/* summer time may skip an hour, but never a day */
	if (check.tm_year != tm.tm_year || check.tm_mon != tm.tm_mon || check.tm_mday != tm.tm_mday)
		return false;
	*ret = when;
	return true;
}

/* rest: "<vmid>-..." without extension.  The guest's id is taken from renamed archives too. */
static void parse_rest(const char *rest, struct archive_name *a)
{
	size_t digits = strspn(rest, "0123456789");
	_cleanup_free_ char *vmid = xstrndup(rest, digits);

	if (rest[digits] != '-')
		return;
	a->vmid = vmid_parse(vmid);
	a->standard = a->vmid && parse_stamp(rest + digits + 1, &a->ctime);
}

int archive_name_parse(const char *path, struct archive_name *ret, struct error **err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const struct extension *ext = find_extension(name);
	const char *rest = NULL;
	const char *type = find_type(name, &rest);
	_cleanup_free_ char *stem = NULL;

	*ret = (struct archive_name){ 0 };
	if (!ext || !type || strlen(rest) <= strlen(ext->suffix))
		return error_set(err, ERR_INVALID, "couldn't determine archive info from '%s'", path);
	stem = xstrndup(name, strlen(name) - strlen(ext->suffix));
	snprintf(ret->type, sizeof(ret->type), "%s", type);
	snprintf(ret->format, sizeof(ret->format), "%s", ext->format);
	snprintf(ret->compression, sizeof(ret->compression), "%s", ext->compression);
	ret->filename = xstrdup(name);
	parse_rest(stem + (rest - name), ret);
	if (ret->standard)
		ret->stem = TAKE_PTR(stem);
	return 0;
}

static uint32_t find_vmid(const char *name)
{
	for (const char *at = strchr(name, '-'); at; at = strchr(at + 1, '-')) {
		const size_t len = strspn(at + 1, "0123456789");

		if (len >= 3 && len <= 9 && at[1] != '0' && at[1 + len] == '-')
			return (uint32_t)strtoul(at + 1, NULL, 10);
	}
	return 0;
}

int archive_name_parse_any(const char *path, struct archive_name *ret, struct error **err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const struct extension *ext = find_extension(name);
	int r = archive_name_parse(path, ret, ext ? NULL : err);

	if (r == 0 || !ext)
		return r;
	*ret = (struct archive_name){ .filename = xstrdup(name), .vmid = find_vmid(name) };
	snprintf(ret->format, sizeof(ret->format), "%s", ext->format);
	snprintf(ret->compression, sizeof(ret->compression), "%s", ext->compression);
	return 0;
}
