#include "qemu/nbd.h"

#include <errno.h>
#include <poll.h>

#include "base/units.h"

#define NS_PER_MS  UINT64_C(1000000)
#define GOODBYE_MS 1000

static int nbd_failed(struct error **err)
{
	const char *text = nbd_get_error();

	return error_set(err, ERR_PEER, "%s", text ? text : "the NBD server closed the connection");
}

/* Milliseconds until end; -1 (no limit) if end is 0. */
static int left_ms(uint64_t end)
{
	uint64_t now = units_now_ns();

	if (!end)
		return -1;
	return now < end ? (int)((end - now) / NS_PER_MS) + 1 : 0;
}

/* Waits until the socket is ready, and lets libnbd go on. */
static int wait_once(struct nbd_handle *h, uint64_t end, const struct cancel *cancel, struct error **err)
{
	const unsigned direction = nbd_aio_get_direction(h);
	struct pollfd p[2] = { { .fd = nbd_aio_get_fd(h) },
			       { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };
	int left = left_ms(end), ready;

	if (cancel_requested(cancel))
		return cancel_check(cancel, err);
	if (p[0].fd < 0)
		return nbd_failed(err);
	if (left == 0)
		return error_set(err, ERR_TIMEOUT, "the NBD server does not answer");
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		p[0].events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		p[0].events |= POLLOUT;
	ready = poll(p, 2, left);
	if (ready < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting for the NBD server");
	if (ready <= 0)
		return 0;
	if (direction & LIBNBD_AIO_DIRECTION_READ && p[0].revents & (POLLIN | POLLHUP | POLLERR))
		return nbd_aio_notify_read(h) < 0 ? nbd_failed(err) : 0;
	if (p[0].revents)
		return nbd_aio_notify_write(h) < 0 ? nbd_failed(err) : 0;
	return 0;
}

static int wait_connected(struct nbd_handle *h, int timeout_ms, const struct cancel *cancel,
			  struct error **err)
{
	const uint64_t end = units_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	int r = 0;

	while (r == 0 && nbd_aio_is_connecting(h) == 1)
		r = wait_once(h, end, cancel, err);
	if (r == 0 && nbd_aio_is_ready(h) != 1 && nbd_aio_is_negotiating(h) != 1)
		r = nbd_failed(err);
	return r;
}

int nbd_client_connect_unix(struct nbd_handle *h, const char *socket, int timeout_ms,
			    const struct cancel *cancel, struct error **err)
{
	if (nbd_aio_connect_unix(h, socket) < 0)
		return nbd_failed(err);
	return wait_connected(h, timeout_ms, cancel, err);
}

int nbd_client_connect_uri(struct nbd_handle *h, const char *uri, int timeout_ms, const struct cancel *cancel,
			   struct error **err)
{
	if (nbd_aio_connect_uri(h, uri) < 0)
		return nbd_failed(err);
	return wait_connected(h, timeout_ms, cancel, err);
}

int nbd_client_finish(struct nbd_handle *h, int64_t cookie, const struct cancel *cancel, struct error **err)
{
	int r = 0, done = 0;

	if (cookie < 0)
		return nbd_failed(err);
	while (r == 0 && (done = nbd_aio_command_completed(h, (uint64_t)cookie)) == 0)
		r = wait_once(h, 0, cancel, err);
	return r == 0 && done < 0 ? nbd_failed(err) : r;
}

void nbd_client_close(struct nbd_handle *h)
{
	const uint64_t end = units_now_ns() + GOODBYE_MS * NS_PER_MS;

	if (!h)
		return;
	if (nbd_aio_is_ready(h) == 1 && nbd_aio_disconnect(h, 0) == 0) {
		while (nbd_aio_is_closed(h) != 1 && nbd_aio_is_dead(h) != 1 &&
		       wait_once(h, end, NULL, NULL) == 0)
			;
	}
	nbd_close(h);
}
