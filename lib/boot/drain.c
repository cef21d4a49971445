#include "boot/drain.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"

static void keep(struct boot_drain *d, const char *data, size_t len)
{
	pthread_mutex_lock(&d->lock);
	if (d->pending.len + len <= BOOT_DRAIN_MAX)
		buf_add(&d->pending, data, len);
	pthread_mutex_unlock(&d->lock);
}

/* Ends when QEMU has ended, or at boot_drain_end(). */
static void *drain(void *arg)
{
	struct boot_drain *d = arg;
	char data[16384];
	ssize_t n;

	for (;;) {
		n = read(d->fd, data, sizeof(data));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		keep(d, data, (size_t)n);
	}
}

int boot_drain_start(struct boot_drain *d, int *ret_qemus, struct error **err)
{
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_errno(err, errno, "cannot make a pair of sockets");
	d->fd = fds[0];
	*ret_qemus = fds[1];
	r = thread_start(&d->thread, drain, d, err);
	d->runs = r == 0;
	return r;
}

void boot_drain_take(struct boot_drain *d, struct buf *out)
{
	pthread_mutex_lock(&d->lock);
	buf_add(out, buf_str(&d->pending), d->pending.len);
	buf_reset(&d->pending);
	pthread_mutex_unlock(&d->lock);
}

void boot_drain_end(struct boot_drain *d)
{
	if (d->fd >= 0)
		shutdown(d->fd, SHUT_RDWR);
	if (d->runs)
		pthread_join(d->thread, NULL);
	if (d->fd >= 0)
		close(d->fd);
	buf_clear(&d->pending);
	d->fd = -1;
	d->runs = false;
}
