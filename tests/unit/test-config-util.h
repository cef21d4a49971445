/* What the tests of lib/config and lib/storage share. */
#ifndef VZDUMP_TESTS_CONFIG_UTIL_H
#define VZDUMP_TESTS_CONFIG_UTIL_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "tap.h"

__attribute__((unused)) static bool same(const char *got, const char *want, const char *name)
{
	bool good = got && want ? strcmp(got, want) == 0 : got == want;

	ok(good, "%s", name);
	if (!good)
		diag("got  '%s'\n# want '%s'", got ? got : "(null)", want ? want : "(null)");
	return good;
}

/* r failed and the message holds part; frees *err. */
__attribute__((unused)) static void fails(int r, struct error **err, const char *part, const char *name)
{
	bool good = r < 0 && *err && strstr((*err)->message, part) && !strchr((*err)->message, '\n');

	ok(good, "%s", name);
	if (!good)
		diag("result %d, message '%s', wanted '%s' in it", r, *err ? (*err)->message : "(none)",
		     part);
	error_free(*err);
	*err = NULL;
}

/* r is no failure; shows and frees *err otherwise. */
__attribute__((unused)) static bool works(int r, struct error **err, const char *name)
{
	bool good = ok(r >= 0 && !*err, "%s", name);

	if (!good)
		diag("result %d, message '%s'", r, error_message(*err));
	error_free(*err);
	*err = NULL;
	return good;
}

/* Log lines into a buffer: "W text\n". */
__attribute__((unused)) static void collect_line(const struct log *log, enum log_level level,
						 const char *line)
{
	buf_addf(log->opaque, "%c %s\n", "DIWE"[level], line);
}

#define LOG_INTO(b) ((struct log){ .line = collect_line, .opaque = &(b) })

#endif
