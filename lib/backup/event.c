#include "backup/event.h"

#include <stdarg.h>

#include "base/cleanup.h"
#include "base/mem.h"

struct listeners {
	const struct observers *observers;
};

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	const struct listeners *l = log->opaque;

	observers_event(l->observers, level, line);
}

/*
 * Passes the text to the observers through a log, which splits it into lines and cleans them for a terminal.
 */
#define DEFINE_EVENT(name, log_line)                                                              \
	void name(const struct observers *observers, const struct log *log, const char *fmt, ...) \
	{                                                                                         \
		struct listeners listeners = { .observers = observers };                          \
		const struct log to_observers = { .line = on_line, .opaque = &listeners };        \
		_cleanup_free_ char *text = NULL;                                                 \
		va_list ap;                                                                       \
                                                                                                  \
		va_start(ap, fmt);                                                                \
		text = xvasprintf(fmt, ap);                                                       \
		va_end(ap);                                                                       \
		log_line(log, "%s", text);                                                        \
		log_line(&to_observers, "%s", text);                                              \
	}

DEFINE_EVENT(event_info, log_info)
DEFINE_EVENT(event_error, log_error)
