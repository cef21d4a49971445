#include "backup/task-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

#define LOG_MAX (64u << 20)

char *task_log_time(void)
{
	char text[32];
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return xstrdup(text);
}

static void write_line(struct task_log *t, enum log_level level, const char *line, const struct log *outer)
{
	static const char *const names[] = {
		[LOG_LEVEL_DEBUG] = "DEBUG",
		[LOG_LEVEL_INFO] = "INFO",
		[LOG_LEVEL_WARN] = "WARN",
		[LOG_LEVEL_ERROR] = "ERROR",
	};
	_cleanup_free_ char *now = task_log_time();
	_cleanup_free_ char *text = xasprintf("%s %s: %s\n", now, names[level], line);

	pthread_mutex_lock(&t->lock);
	if (t->fd >= 0)
		io_write_all(t->fd, text, strlen(text));
	if (outer && outer->line)
		outer->line(outer, level, line);
	pthread_mutex_unlock(&t->lock);
}

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	struct task_log *t = log->opaque;

	write_line(t, level, line, t->outer);
}

static void on_file_line(const struct log *log, enum log_level level, const char *line)
{
	write_line(log->opaque, level, line, NULL);
}

void task_log_none(struct task_log *t, const struct log *outer)
{
	*t = (struct task_log){ .log = { .line = on_line,
					 .opaque = t,
					 .debug = outer && outer->debug,
					 .guest = outer ? outer->guest : 0 },
				.file = { .line = on_file_line, .opaque = t },
				.outer = outer,
				.fd = -1 };
	pthread_mutex_init(&t->lock, NULL);
}

int task_log_open(struct task_log *t, const struct paths *p, uint32_t vmid, const struct log *outer,
		  struct error **err)
{
	_cleanup_free_ char *dir = paths_get(p, "/var/log/vzdump");
	int r;

	task_log_none(t, outer);
	t->path = xasprintf("%s/qemu-%u.log", dir, vmid);
	r = io_mkdir_p(dir, 0755, err);
	if (r < 0)
		return r;
	t->fd = open(t->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (t->fd < 0)
		return error_errno(err, errno, "unable to create log file '%s'", t->path);
	return 0;
}

int task_log_read(const struct task_log *t, struct buf *ret, struct error **err)
{
	return io_read_file(t->path, LOG_MAX, ret, err);
}

void task_log_clear(struct task_log *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	pthread_mutex_destroy(&t->lock);
}
