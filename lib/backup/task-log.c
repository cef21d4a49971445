#include "backup/task-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"

#define LOG_MAX (64u << 20)
#define COPY_MS 5000

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
		outer->line(outer->opaque, level, line);
	pthread_mutex_unlock(&t->lock);
}

static void on_line(void *opaque, enum log_level level, const char *line)
{
	struct task_log *t = opaque;

	write_line(t, level, line, t->outer);
}

static void on_file_line(void *opaque, enum log_level level, const char *line)
{
	write_line(opaque, level, line, NULL);
}

void task_log_none(struct task_log *t, const struct log *outer)
{
	*t = (struct task_log){ .log = { .line = on_line, .opaque = t },
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

struct copy {
	char *path;
	struct buf text;
};

static void copy_clear(void *opaque)
{
	struct copy *c = opaque;

	buf_clear(&c->text);
	free(c->path);
	free(c);
}

/*
 * Not by way of a temporary file: the journal is closed by now, and half a log is no harm.  But never into
 * what is there: the folder may be somebody else's, and so the link in it.
 */
static int do_copy(void *opaque, struct error **err)
{
	struct copy *c = opaque;
	_cleanup_close_ int fd = io_create_fresh(c->path, 0640);
	int r = fd < 0 ? fd : io_write_all(fd, buf_str(&c->text), c->text.len);

	return r < 0 ? error_errno(err, -r, "cannot write '%s'", c->path) : 0;
}

int task_log_copy(const struct task_log *t, const char *path, struct error **err)
{
	struct copy *c = xcalloc(1, sizeof(*c));
	int r = io_read_file(t->path, LOG_MAX, &c->text, err);

	if (r < 0) {
		copy_clear(c);
		return r;
	}
	c->path = xstrdup(path);
	r = bounded_run(&(struct bounded_call){ .call = do_copy, .clear = copy_clear, .arg = c }, COPY_MS,
			NULL, err);
	if (r == ERR_TIMEOUT)
		error_prefix(err, "cannot write '%s'", path);
	return r;
}

void task_log_clear(struct task_log *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	pthread_mutex_destroy(&t->lock);
}
