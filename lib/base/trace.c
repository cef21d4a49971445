#include "base/trace.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"

unsigned trace_enabled_;

static const char *const topic_names[TRACE_TOPICS] = {
	[TRACE_QMP] = "qmp",
	[TRACE_COPY] = "copy",
	[TRACE_JOURNAL] = "journal",
	[TRACE_DEBUG] = "debug",
};

static int enable_topic(const char *name, struct error **err)
{
	_cleanup_buf_ struct buf all = BUF_INIT;

	for (unsigned i = 0; i < TRACE_TOPICS; i++) {
		if (!strcmp(name, topic_names[i])) {
			trace_enabled_ |= 1u << i;
			return 0;
		}
		buf_addf(&all, "%s%s", i ? ", " : "", topic_names[i]);
	}
	return error_set(err, ERR_INVALID, "VZDUMP_TRACE: '%s' is none of %s", name, buf_str(&all));
}

int trace_enable(const char *topics, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(topics ? topics : "");
	char *rest = copy, *name;
	int r = 0;

	while (r == 0 && (name = strsep(&rest, ",")) != NULL)
		if (*name)
			r = enable_topic(name, err);
	return r;
}

/* Takes ownership of text. */
static void trace_line(enum trace_topic topic, char *text)
{
	_cleanup_free_ char *owned = text, *line = NULL;
	struct timespec now;
	char date[32];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	line = xasprintf("%s.%06ld %s: %s\n", date, now.tv_nsec / 1000, topic_names[topic],
			 text_clean(owned));
	/* one write, so that the lines of several threads do not mix */
	io_write_all(STDERR_FILENO, line, strlen(line));
}

void trace_write(enum trace_topic topic, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	trace_line(topic, text);
}

void trace_write_bytes(enum trace_topic topic, const char *name, char sign, const char *data, size_t len)
{
	while (len && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	if (len > TRACE_LINE_MAX)
		trace_write(topic, "%s %c %.*s... (%zu bytes)", name, sign, TRACE_LINE_MAX, data, len);
	else
		trace_write(topic, "%s %c %.*s", name, sign, (int)len, data);
}
