#include "base/log.h"

#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

__attribute__((format(printf, 3, 0))) static void emit(const struct log *log, enum log_level level,
						       const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *line;

	if (!log || !log->line || (level == LOG_LEVEL_DEBUG && !log->debug))
		return;
	text = xvasprintf(fmt, ap);
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t len = strlen(line);

		/* tools of other systems end their lines with CR LF */
		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (*line)
			log->line(log, level, text_clean(line));
	}
}

#define DEFINE_LOG(name, level)                                \
	void name(const struct log *log, const char *fmt, ...) \
	{                                                      \
		va_list ap;                                    \
                                                               \
		va_start(ap, fmt);                             \
		emit(log, level, fmt, ap);                     \
		va_end(ap);                                    \
	}

DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_error, LOG_LEVEL_ERROR)

struct log log_for_guest(const struct log *log, uint32_t vmid)
{
	struct log ret = log ? *log : (struct log){ 0 };

	ret.guest = vmid;
	return ret;
}
