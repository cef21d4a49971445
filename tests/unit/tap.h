/* Test Anything Protocol for unit tests: ok() per fact, done_testing() as the exit status. */
#ifndef VZDUMP_TESTS_TAP_H
#define VZDUMP_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed;

/* ok(good, fmt, ...) returns good, which is evaluated first: the text may use what it sets. */
#define ok(good, ...)                          \
	__extension__({                        \
		const bool tap_good = (good);  \
		tap_ok(tap_good, __VA_ARGS__); \
	})

__attribute__((format(printf, 2, 3), unused)) static bool tap_ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	if (!good)
		tap_failed++;
	return good;
}

__attribute__((format(printf, 1, 2), unused)) static void diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* Frees got. */
__attribute__((unused)) static void is_text(char *got, const char *want, const char *what)
{
	if (!ok(!strcmp(got, want), "%s is '%s'", what, want))
		diag("got '%s'", got);
	free(got);
}

__attribute__((unused)) static int done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
