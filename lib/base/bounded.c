#include "base/bounded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"

/* Shared by the thread and its caller.  The last of the two to finish frees it. */
struct shared {
	struct bounded_call c;
	int done_fd;          /* eventfd, readable when the call is over */
	pthread_mutex_t lock; /* protects the rest */
	int users;
	int r;
	struct error *err;
};

static void unref(struct shared *s)
{
	bool last;

	pthread_mutex_lock(&s->lock);
	last = --s->users == 0;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	if (s->c.clear)
		s->c.clear(s->c.arg);
	close(s->done_fd);
	error_free(s->err);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void *body(void *opaque)
{
	struct shared *s = opaque;
	const uint64_t one = 1;
	struct error *err = NULL;
	const int r = s->c.call(s->c.arg, &err);

	pthread_mutex_lock(&s->lock);
	s->r = r;
	s->err = err;
	pthread_mutex_unlock(&s->lock);
	if (write(s->done_fd, &one, sizeof(one)) < 0) {
		/* a full counter is readable already */
	}
	unref(s);
	return NULL;
}

static int start_call(struct shared *s)
{
	pthread_t id;
	int r;

	s->users = 2;
	r = thread_start(&id, body, s, NULL);
	if (r == 0)
		pthread_detach(id);
	return r;
}

static int wait_for(const struct shared *s, int timeout_ms, const struct cancel *cancel, struct error **err)
{
	const uint64_t end = units_now_ns() + (uint64_t)timeout_ms * 1000000u;
	struct pollfd p[2] = { { .fd = s->done_fd, .events = POLLIN },
			       { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };

	for (;;) {
		uint64_t now = units_now_ns();
		int left = timeout_ms > 0 ? now < end ? (int)((end - now) / 1000000u) + 1 : 0 : -1;

		if (poll(p, 2, left) < 0 && errno != EINTR)
			return error_errno(err, errno, "waiting for a file system");
		if (p[0].revents)
			return 0;
		if (cancel_requested(cancel))
			return cancel_check(cancel, err);
		if (left == 0)
			return error_set(err, ERR_TIMEOUT, "no answer from the file system within %d s",
					 (timeout_ms + 999) / 1000);
	}
}

int bounded_run(const struct bounded_call *c, int timeout_ms, const struct cancel *cancel, struct error **err)
{
	struct shared *s = xcalloc(1, sizeof(*s));
	int r;

	s->c = *c;
	pthread_mutex_init(&s->lock, NULL);
	s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->done_fd < 0 || start_call(s) < 0) {
		/* a call without a limit is better than no call */
		s->users = 1;
		s->r = c->call(c->arg, &s->err);
		r = 0;
	} else {
		r = wait_for(s, timeout_ms, cancel, err);
	}
	if (r == 0) {
		pthread_mutex_lock(&s->lock);
		r = s->r;
		error_keep_first(err, &s->err);
		pthread_mutex_unlock(&s->lock);
		if (r >= 0 && c->take)
			c->take(c->arg, c->ret);
	}
	unref(s);
	return r;
}

static int do_reach(void *arg, struct error **err)
{
	struct statvfs fs;

	(void)err;
	(void)statvfs(arg, &fs); /* any answer will do, even an error */
	return 0;
}

int bounded_reach(const char *path, int timeout_ms, const struct cancel *cancel, struct error **err)
{
	const struct bounded_call c = { .call = do_reach, .clear = free, .arg = xstrdup(path) };
	int r = bounded_run(&c, timeout_ms, cancel, err);

	return r == ERR_TIMEOUT ? error_wrap(err, r, "'%s'", path) : r;
}

static int do_unlink(void *arg, struct error **err)
{
	const char *path = arg;

	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove '%s'", path);
	return 0;
}

int bounded_unlink(const char *path, int timeout_ms, struct error **err)
{
	const struct bounded_call c = { .call = do_unlink, .clear = free, .arg = xstrdup(path) };
	int r = bounded_run(&c, timeout_ms, NULL, err);

	return r == ERR_TIMEOUT ? error_wrap(err, r, "cannot remove '%s'", path) : r;
}

static int do_fsync(void *arg, struct error **err)
{
	return fsync(*(const int *)arg) < 0 ? error_errno(err, errno, "fsync") : 0;
}

static void close_and_free(void *arg)
{
	close(*(const int *)arg);
	free(arg);
}

int bounded_fsync(int fd, const struct cancel *cancel, struct error **err)
{
	struct bounded_call c = { .call = do_fsync, .clear = close_and_free };
	/* the caller may close its descriptor while the thread hangs */
	const int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (own < 0)
		return error_errno(err, errno, "fsync");
	c.arg = xmalloc(sizeof(own));
	*(int *)c.arg = own;
	return bounded_run(&c, 0, cancel, err);
}

static int do_close(void *arg, struct error **err)
{
	(void)err;
	close(*(const int *)arg);
	return 0;
}

void bounded_close(int fd, int timeout_ms)
{
	struct bounded_call c = { .call = do_close, .clear = free, .arg = xmalloc(sizeof(fd)) };

	*(int *)c.arg = fd;
	bounded_run(&c, timeout_ms, NULL, NULL);
}
