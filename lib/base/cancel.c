#include "base/cancel.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int cancel_init(struct cancel *c, struct error **err)
{
	atomic_store(&c->requested, 0);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd < 0)
		return error_errno(err, errno, "creating an eventfd");
	return 0;
}

void cancel_clear(struct cancel *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void cancel_request(struct cancel *c)
{
	const uint64_t one = 1;
	int saved = errno;

	atomic_fetch_add(&c->requested, 1);
	if (write(c->fd, &one, sizeof(one)) < 0) {
		/* a full counter is readable already, which is enough */
	}
	errno = saved;
}

unsigned cancel_count(const struct cancel *c)
{
	return c ? atomic_load(&c->requested) : 0;
}

bool cancel_requested(const struct cancel *c)
{
	return cancel_count(c) > 0;
}

int cancel_check(const struct cancel *c, struct error **err)
{
	if (cancel_requested(c))
		return error_set(err, ERR_CANCELED, "interrupted by signal");
	return 0;
}

int cancel_sleep(const struct cancel *c, int ms, struct error **err)
{
	struct pollfd p = { .fd = c ? c->fd : -1, .events = POLLIN };

	if (poll(&p, 1, ms) < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting");
	return cancel_check(c, err);
}
