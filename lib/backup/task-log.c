#include "backup/task-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
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

static void on_line(void *opaque, enum log_level level, const char *line)
{
	static const char *const names[] = {
		[LOG_LEVEL_INFO] = "INFO", [LOG_LEVEL_WARN] = "WARN", [LOG_LEVEL_ERROR] = "ERROR",
	};
	struct task_log *t = opaque;
	_cleanup_free_ char *now = task_log_time();
	_cleanup_free_ char *text = xasprintf("%s %s: %s\n", now, names[level], line);

	pthread_mutex_lock(&t->lock);
	if (t->fd >= 0)
		io_write_all(t->fd, text, strlen(text));
	if (t->outer && t->outer->line)
		t->outer->line(t->outer->opaque, level, line);
	pthread_mutex_unlock(&t->lock);
}

int task_log_open(struct task_log *t, const struct paths *p, uint32_t vmid,
		  const struct log *outer, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(p, "/var/log/vzdump");
	int r;

	*t = (struct task_log){ .log = { on_line, t }, .outer = outer, .fd = -1 };
	pthread_mutex_init(&t->lock, NULL);
	t->path = xasprintf("%s/qemu-%u.log", dir, vmid);
	r = io_mkdir_p(dir, 0755, err);
	if (r < 0)
		return r;
	t->fd = open(t->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (t->fd < 0)
		return error_errno(err, errno, "unable to create log file '%s'", t->path);
	return 0;
}

/*
 * Not by way of a temporary file: the journal is closed by now, and half a log is no harm.  But never into
 * what is there: the folder may be somebody else's, and so the link in it.
 */
int task_log_copy(const struct task_log *t, const char *path, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_close_ int fd = -1;
	int r = io_read_file(t->path, LOG_MAX, &text, err);

	if (r < 0)
		return r;
	fd = io_create_fresh(path, 0640);
	r = fd < 0 ? fd : io_write_all(fd, buf_str(&text), text.len);
	return r < 0 ? error_errno(err, -r, "cannot write '%s'", path) : 0;
}

void task_log_clear(struct task_log *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	pthread_mutex_destroy(&t->lock);
}
