/* A descriptor as output: complete writes, waits that can be ended, early writeback, parts of other files. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "base/units.h"
#include "stream/output-copy.h"
#include "stream/output.h"

#define CLOSE_MS          1000
#define PIPE_SIZE         (1 << 20)
#define ATOMIC_PIPE_WRITE 4096 /* a pipe that polls as writable takes this much without blocking */
#define WRITEBACK_STEP    (4 * MIB)
#define CACHE_KEPT        (32 * MIB) /* pages further back are most likely on disk */

struct plain {
	struct output base;
	int fd;        /* a duplicate of the caller's */
	int own_fd;    /* our own file description of the same pipe, or -1 */
	int stop_fd;   /* readable once waiting must end */
	bool may_wait; /* pipe or socket: writes must not block */
	bool is_socket;
	bool writeback;
	uint64_t pos;     /* in the file */
	uint64_t started; /* writeback was started up to here */
	uint64_t dropped; /* pages before this offset were dropped from the page cache */
	struct output_copier copier;
};

static int write_error(const struct plain *p, int errnum, struct error **err)
{
	_cleanup_free_ char *done = units_bytes(p->base.bytes, 1);

	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return error_set(err, -errnum,
				 "cannot write the archive: %s, after %s; free some space there "
				 "or choose another storage",
				 strerror(errnum), done);
	case EPIPE:
		return error_set(err, -errnum,
				 "cannot write the archive: the program that reads it ended "
				 "after %s (broken pipe)",
				 done);
	default:
		return error_errno(err, errnum, "cannot write the archive after %s", done);
	}
}

/* 0 when fd takes data again. */
static int wait_writable(const struct plain *p)
{
	struct pollfd fds[2] = {
		{ .fd = p->fd, .events = POLLOUT },
		{ .fd = p->stop_fd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[1].revents)
			return -ECANCELED;
		if (fds[0].revents)
			return 0; /* an error shows in the write */
	}
}

/* One attempt, which output_stop() can end.  Returns bytes or -errno. */
static ssize_t write_some(const struct plain *p, const void *data, size_t len)
{
	ssize_t n;
	int r;

	if (p->may_wait && !p->is_socket && p->own_fd < 0) {
		r = wait_writable(p);
		if (r < 0)
			return r;
		len = len < ATOMIC_PIPE_WRITE ? len : ATOMIC_PIPE_WRITE;
	}
	if (p->is_socket)
		n = send(p->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(p->own_fd >= 0 ? p->own_fd : p->fd, data, len);
	if (n > 0)
		return n;
	if (n == 0)
		return -EIO;
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return wait_writable(p);
	return -errno;
}

/* These are hints: a failure shows in the fsync, or does no harm. */
static void start_writeback(struct plain *p)
{
	if (p->pos - p->started < WRITEBACK_STEP)
		return;
	sync_file_range(p->fd, (off_t)p->started, (off_t)(p->pos - p->started), SYNC_FILE_RANGE_WRITE);
	p->started = p->pos;
	if (p->pos - p->dropped < 2 * CACHE_KEPT)
		return;
	posix_fadvise(p->fd, (off_t)p->dropped, (off_t)(p->pos - CACHE_KEPT - p->dropped),
		      POSIX_FADV_DONTNEED);
	p->dropped = p->pos - CACHE_KEPT;
}

static int plain_write(struct output *o, const void *data, size_t len, struct error **err)
{
	struct plain *p = (struct plain *)o;
	const char *at = data;

	while (len) {
		ssize_t n = write_some(p, at, len);

		if (n < 0)
			return write_error(p, (int)-n, err);
		at += n;
		len -= (size_t)n;
		p->pos += (uint64_t)n;
		atomic_fetch_add_explicit(&o->bytes, (uint64_t)n, memory_order_relaxed);
	}
	if (p->writeback)
		start_writeback(p);
	return 0;
}

/* ---- parts of other files, into a file only ---- */

static bool is_stopped(const struct plain *p)
{
	struct pollfd fd = { .fd = p->stop_fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* Nothing is begun that could not be completed. */
static int check_source(int fd, uint64_t end, struct error **err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot read what is taken over into the archive");
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < end)
		return error_set(err, ERR_CORRUPT,
				 "what is taken over into the archive ends too early: the file has %jd bytes",
				 (intmax_t)st.st_size);
	return 0;
}

static int copy_all(struct plain *p, int fd, uint64_t offset, uint64_t len, struct error **err)
{
	while (len) {
		_cleanup_error_ struct error *reading = NULL;
		ssize_t n;

		if (is_stopped(p))
			return write_error(p, ECANCELED, err);
		n = output_copier_move(&p->copier, fd, offset, len, p->pos, &reading);
		if (n < 0 && !reading)
			return write_error(p, (int)-n, err);
		if (n < 0) {
			error_keep_first(err, &reading);
			return (int)n;
		}
		offset += (uint64_t)n;
		len -= (uint64_t)n;
		p->pos += (uint64_t)n;
		atomic_fetch_add_explicit(&p->base.bytes, (uint64_t)n, memory_order_relaxed);
		if (p->writeback)
			start_writeback(p);
	}
	return 0;
}

/* Trust in the file system, or the server, ends here: what it said it copied must be there. */
static int check_length(const struct plain *p, struct error **err)
{
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		return write_error(p, errno, err);
	if ((uint64_t)st.st_size < p->pos)
		return error_set(
			err, -EIO,
			"cannot write the archive: the file system says that it copied %ju bytes more "
			"than there are in the file",
			(uintmax_t)(p->pos - (uint64_t)st.st_size));
	return 0;
}

static int file_copy(struct output *o, int fd, uint64_t offset, uint64_t len, struct error **err)
{
	struct plain *p = (struct plain *)o;
	int r = check_source(fd, offset + len, err);

	if (r < 0)
		return r;
	r = copy_all(p, fd, offset, len, err);
	/* what is written next goes behind it */
	if (lseek(p->fd, (off_t)p->pos, SEEK_SET) < 0 && r == 0)
		return write_error(p, errno, err);
	return r == 0 ? check_length(p, err) : r;
}

static void file_get_copied(struct output *o, struct output_copied *ret)
{
	output_copier_get(&((struct plain *)o)->copier, ret);
}

/* ---- all kinds ---- */

static int plain_finish(struct output *o, struct error **err)
{
	(void)o;
	(void)err;
	return 0;
}

static void plain_stop(struct output *o)
{
	const uint64_t one = 1;

	if (write(((struct plain *)o)->stop_fd, &one, sizeof(one)) < 0) {
		/* a full counter is readable already, which is enough */
	}
}

/* Closing a file on a network file system writes back, and may hang there. */
static void plain_free(struct output *o)
{
	struct plain *p = (struct plain *)o;

	if (p->own_fd >= 0)
		close(p->own_fd);
	if (p->stop_fd >= 0)
		close(p->stop_fd);
	if (p->fd >= 0)
		bounded_close(p->fd, CLOSE_MS);
	output_copier_clear(&p->copier);
	free(p);
}

static const struct output_ops file_ops = {
	.write = plain_write,
	.copy = file_copy,
	.get_copied = file_get_copied,
	.finish = plain_finish,
	.stop = plain_stop,
	.free = plain_free,
};

static const struct output_ops plain_ops = {
	.write = plain_write,
	.finish = plain_finish,
	.stop = plain_stop,
	.free = plain_free,
};

/*
 * O_NONBLOCK belongs to the open file description, which a pipe on standard output shares with
 * other programs.  Opening the pipe once more gives one of our own.
 */
static void open_pipe(struct plain *p)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", p->fd);

	p->may_wait = true;
	p->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	(void)fcntl(p->fd, F_SETPIPE_SZ, PIPE_SIZE);
}

static void open_file(struct plain *p)
{
	const int flags = fcntl(p->fd, F_GETFL);
	const off_t pos = lseek(p->fd, 0, flags >= 0 && flags & O_APPEND ? SEEK_END : SEEK_CUR);

	p->base.ops = &file_ops;
	p->copier.to = p->fd;
	if (pos < 0)
		return;
	p->writeback = true;
	p->pos = p->started = p->dropped = (uint64_t)pos;
}

static int plain_init(struct plain *p, int fd, struct error **err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot use descriptor %d for the archive", fd);
	/* a thread that hangs in the file system may outlive the caller's descriptor */
	p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (p->fd < 0)
		return error_errno(err, errno, "cannot use descriptor %d for the archive", fd);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->stop_fd < 0)
		return error_errno(err, errno, "creating an eventfd");
	if (S_ISFIFO(st.st_mode))
		open_pipe(p);
	else if (S_ISSOCK(st.st_mode))
		p->may_wait = p->is_socket = true;
	else if (S_ISREG(st.st_mode))
		open_file(p);
	return 0;
}

int output_plain_new(int fd, struct output **ret, struct error **err)
{
	struct plain *p = xcalloc(1, sizeof(*p));
	int r;

	p->base.ops = &plain_ops;
	p->fd = p->own_fd = p->stop_fd = -1;
	r = plain_init(p, fd, err);
	if (r < 0) {
		plain_free(&p->base);
		return r;
	}
	*ret = &p->base;
	return 0;
}
