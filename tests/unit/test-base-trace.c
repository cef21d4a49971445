/* lib/base/trace.h: what is asked for is written, harmless, with its time, and no more than is useful. */
#include <regex.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/trace.h"
#include "tap.h"

static int n_evaluated;

static const char *evaluated(const char *text)
{
	n_evaluated++;
	return text;
}

/* What `write_lines` writes to standard error, in a buffer that the next call uses again. */
static const char *captured(void (*write_lines)(void))
{
	static char text[65536];
	const int before = dup(STDERR_FILENO);
	ssize_t n;
	int fds[2];

	if (before < 0 || pipe(fds) < 0)
		return "no pipe";
	dup2(fds[1], STDERR_FILENO);
	write_lines();
	dup2(before, STDERR_FILENO);
	close(before);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t re;
	bool good;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	good = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return good;
}

static void write_two(void)
{
	trace(TRACE_COPY, "cluster %s", evaluated("7"));
	trace(TRACE_QMP, "%s", evaluated("\033[2Jx\ny"));
}

static void write_line_end(void)
{
	trace_write_bytes(TRACE_QMP, "100.qmp", '>', "{\"id\":1}\r\nrest", 10);
}

static void write_long(void)
{
	_cleanup_free_ char *data = xmalloc(9000);

	memset(data, 'x', 9000);
	trace_write_bytes(TRACE_QMP, "100.qmp", '<', data, 9000);
}

#define TIME "^20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6} "

int main(void)
{
	struct error *err = NULL;
	const char *text;

	ok(!*captured(write_two) && !n_evaluated, "nothing is written unless it is asked for, or computed");
	ok(trace_enable(NULL, &err) == 0 && trace_enable("", &err) == 0 && !trace_is_on(TRACE_QMP),
	   "no topics");
	ok(trace_enable("journal,qpm", &err) == ERR_INVALID &&
		   strstr(error_message(err), "'qpm' is none of qmp, copy, journal, debug"),
	   "a topic that there is not is named, and those that there are");
	error_free(TAKE_PTR(err));
	ok(trace_enable("qmp,debug", &err) == 0 && trace_is_on(TRACE_DEBUG) && !trace_is_on(TRACE_COPY),
	   "topics are turned on");
	text = captured(write_two);
	if (!ok(matches(text, TIME "qmp: \\?\\[2Jx y\n$") && n_evaluated == 1,
		"a line has its time and topic and is harmless to a terminal"))
		diag("%s", text);
	ok(matches(captured(write_line_end), TIME "qmp: 100\\.qmp > \\{\"id\":1\\}\n$"),
	   "bytes are written without their line's end, and no further");
	text = captured(write_long);
	ok(strlen(text) < TRACE_LINE_MAX + 100 && matches(text, "xxx\\.\\.\\. \\(9000 bytes\\)\n$"),
	   "what is long is cut, and its length is said");
	return done_testing();
}
