#include "show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

static void show_line(const char *line, size_t len)
{
	_cleanup_free_ char *text = xmalloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = line[i] ? line[i] : '\177';
	text[len] = '\0';
	fputs(text_clean(text), stdout);
}

void show_bytes(const void *data, size_t len)
{
	const char *at = data, *end = at + len;

	if (!isatty(STDOUT_FILENO)) {
		fwrite(data, 1, len, stdout);
		return;
	}
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		show_line(at, (size_t)((newline ? newline : end) - at));
		if (newline)
			putchar('\n');
		at = newline ? newline + 1 : end;
	}
}

void show(const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	show_bytes(text, strlen(text));
}
