#include "backup/event.h"

#include <stdarg.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define DEFINE_EVENT(name, log_line)                                                    \
	void name(const struct host *host, const struct log *log, const char *fmt, ...) \
	{                                                                               \
		_cleanup_free_ char *text = NULL;                                       \
		va_list ap;                                                             \
                                                                                        \
		va_start(ap, fmt);                                                      \
		text = xvasprintf(fmt, ap);                                             \
		va_end(ap);                                                             \
		log_line(log, "%s", text);                                              \
		log_line(host->syslog, "%s", text);                                     \
	}

DEFINE_EVENT(event_info, log_info)
DEFINE_EVENT(event_error, log_error)
