#include "system-log.h"

#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/unix-socket.h"

/* The time in the format of RFC 3164, in English whatever the locale. */
static char *timestamp(void)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	return xasprintf("%.3s %2d %02d:%02d:%02d", months + tm.tm_mon * 3, tm.tm_mday, tm.tm_hour, tm.tm_min,
			 tm.tm_sec);
}

static void on_event(void *opaque, enum log_level level, const char *line)
{
	static const struct {
		const char *name;
		int priority;
	} levels[] = {
		[LOG_LEVEL_INFO] = { "INFO", LOG_INFO },
		[LOG_LEVEL_WARN] = { "WARN", LOG_WARNING },
		[LOG_LEVEL_ERROR] = { "ERROR", LOG_ERR },
	};
	const struct system_log *s = opaque;
	_cleanup_free_ char *time = timestamp();
	_cleanup_free_ char *text =
		xasprintf("<%d>%s vzdump[%d]: %s: %s", LOG_DAEMON | levels[level].priority, time,
			  (int)getpid(), levels[level].name, line);

	if (s->fd >= 0)
		send(s->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void system_log_open(struct system_log *s, const struct paths *p)
{
	_cleanup_free_ char *path = paths_get(p, "/dev/log");

	*s = (struct system_log){ .fd = -1 };
	s->fd = unix_socket_connect(path, SOCK_DGRAM, NULL);
}

void system_log_close(struct system_log *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

struct observer system_log_observer(struct system_log *s)
{
	return (struct observer){ .event = on_event, .opaque = s };
}
