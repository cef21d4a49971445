#include "vma-readmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"

void readmap_line_clear(struct readmap_line *l)
{
	free(l->disk);
	free(l->image);
	free(l->format);
	free(l->group);
	*l = (struct readmap_line){ 0 };
}

/* As QEMU reads it: decimal, 0x... or octal. */
static int parse_bps(const char *text, uint64_t *ret, struct error **err)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno || n > INT64_MAX)
		return error_set(err, ERR_INVALID, "'throttling.bps=%s' is not a number of bytes", text);
	*ret = n;
	return 0;
}

/* Takes one "key=value:" from the beginning; 0: there is none left. */
static int take_option(const char **at, struct readmap_line *l, struct error **err)
{
	const char *colon = strchr(*at, ':'), *rest;
	_cleanup_free_ char *option = colon ? xstrndup(*at, (size_t)(colon - *at)) : NULL;

	if (!option || !strchr(option, '='))
		return 0;
	if (str_prefix(option, "format=", &rest)) {
		free(l->format);
		l->format = xstrdup(rest);
	} else if (str_prefix(option, "throttling.bps=", &rest)) {
		if (parse_bps(rest, &l->bps, err) < 0)
			return ERR_INVALID;
	} else if (str_prefix(option, "throttling.group=", &rest)) {
		free(l->group);
		l->group = xstrdup(rest);
	} else if (!str_prefix(option, "cache=", NULL)) {
		return error_set(err, ERR_INVALID,
				 "'%s' is none of format, throttling.bps, throttling.group and cache",
				 option);
	}
	*at = colon + 1;
	return 1;
}

static int parse_line(const char *line, struct readmap_line *l, struct error **err)
{
	const char *at = line, *equals;
	int r;

	if (str_prefix(line, "skip=", &at)) {
		l->skip = true;
		l->disk = xstrdup(at);
		return 0;
	}
	while ((r = take_option(&at, l, err)) > 0)
		;
	if (r < 0)
		return r;
	equals = strchr(at, '=');
	if ((at[0] != '0' && at[0] != '1') || at[1] != ':' || !equals || !equals[1])
		return error_set(err, ERR_INVALID, "'%s' is not <0|1>:<disk>=<image>", line);
	l->write_zero = at[0] == '1';
	l->disk = xstrndup(at + 2, (size_t)(equals - at - 2));
	l->image = xstrdup(equals + 1);
	if (!l->format)
		l->format = xstrdup("raw");
	return 0;
}

int readmap_parse(const char *line, struct readmap_line *ret, struct error **err)
{
	struct readmap_line l = { 0 };
	int r = parse_line(line, &l, err);

	if (r < 0) {
		readmap_line_clear(&l);
		return error_wrap(err, r, "option --readmap");
	}
	*ret = l;
	return 0;
}

bool readmap_is_raw(const struct readmap_line *l)
{
	return strcmp(l->format, "raw") == 0;
}
