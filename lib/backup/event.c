#include "backup/event.h"

#include <stdarg.h>

#include "base/cleanup.h"
#include "base/mem.h"

struct listeners {
	const struct observers *observers;
	const char *archive;
};

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	const struct listeners *l = log->opaque;

	observers_event(
		l->observers,
		&(struct event){ .level = level, .line = line, .vmid = log->guest, .archive = l->archive });
}

/*
 * Passes the text to the observers through a log, which splits it into lines and cleans them for a terminal.
 */
static void say(const struct observers *observers, const struct log *log, enum log_level level,
		const char *archive, const char *text)
{
	struct listeners listeners = { .observers = observers, .archive = archive };
	const struct log to_observers = { .line = on_line,
					  .opaque = &listeners,
					  .guest = log ? log->guest : 0 };
	const struct log *const logs[] = { log, &to_observers };

	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		if (level == LOG_LEVEL_ERROR)
			log_error(logs[i], "%s", text);
		else
			log_info(logs[i], "%s", text);
	}
}

#define FORMAT(text)                          \
	do {                                  \
		va_list ap;                   \
                                              \
		va_start(ap, fmt);            \
		(text) = xvasprintf(fmt, ap); \
		va_end(ap);                   \
	} while (0)

void event_info(const struct observers *observers, const struct log *log, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;

	FORMAT(text);
	say(observers, log, LOG_LEVEL_INFO, NULL, text);
}

void event_error(const struct observers *observers, const struct log *log, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;

	FORMAT(text);
	say(observers, log, LOG_LEVEL_ERROR, NULL, text);
}

void event_archive(const struct observers *observers, const struct log *log, const char *archive,
		   const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;

	FORMAT(text);
	say(observers, log, LOG_LEVEL_INFO, archive, text);
}
