#include "system-log.h"

#include <endian.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
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

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_INFO] = { "INFO", LOG_INFO },
	[LOG_LEVEL_WARN] = { "WARN", LOG_WARNING },
	[LOG_LEVEL_ERROR] = { "ERROR", LOG_ERR },
};

/* RFC 3164, as syslog(3) writes it. */
static void add_syslog(struct buf *b, const struct event *e)
{
	_cleanup_free_ char *time = timestamp();

	buf_addf(b, "<%d>%s vzdump[%d]: %s: %s", LOG_DAEMON | levels[e->level].priority, time, (int)getpid(),
		 levels[e->level].name, e->line);
}

/* A value with a newline needs a longer form: its length, 64 bits little-endian, stands before it. */
static void add_field(struct buf *b, const char *name, const char *value)
{
	const uint64_t len = htole64(strlen(value));

	if (!strchr(value, '\n')) {
		buf_addf(b, "%s=%s\n", name, value);
		return;
	}
	buf_addf(b, "%s\n", name);
	buf_add(b, &len, sizeof(len));
	buf_addf(b, "%s\n", value);
}

static void add_journal(struct buf *b, const struct system_log *s, const struct event *e)
{
	buf_addf(b, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=vzdump\nSYSLOG_PID=%d\n",
		 levels[e->level].priority, LOG_FAC(LOG_DAEMON), (int)getpid());
	buf_addf(b, "MESSAGE=%s: %s\n", levels[e->level].name, e->line);
	if (e->vmid)
		buf_addf(b, "VMID=%u\n", e->vmid);
	if (s->job)
		add_field(b, "JOB", s->job);
	if (e->archive)
		add_field(b, "ARCHIVE", e->archive);
}

static void on_event(void *opaque, const struct event *e)
{
	const struct system_log *s = opaque;
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (s->fd < 0)
		return;
	if (s->is_journal)
		add_journal(&b, s, e);
	else
		add_syslog(&b, e);
	send(s->fd, buf_str(&b), b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void system_log_open(struct system_log *s, const struct paths *p)
{
	_cleanup_free_ char *journal = paths_get(p, "/run/systemd/journal/socket");
	_cleanup_free_ char *syslog = paths_get(p, "/dev/log");

	*s = (struct system_log){ .fd = unix_socket_connect(journal, SOCK_DGRAM, NULL) };
	s->is_journal = s->fd >= 0;
	if (s->fd < 0)
		s->fd = unix_socket_connect(syslog, SOCK_DGRAM, NULL);
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
