#include "restore/stuck.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

#define PATIENCE_MS 30000 /* a slow disk may need as long for an fsync() */

/* True when the work is done, false after ms (-1: no limit) or on a request to stop (cancel may be NULL). */
static bool wait_done(const struct stuck *s, const struct cancel *cancel, int ms)
{
	struct pollfd p[2] = { { .fd = s->done_fd, .events = POLLIN },
			       { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };

	while (poll(p, 2, ms) < 0 && errno == EINTR)
		;
	return p[0].revents;
}

static void *watch_patience(void *opaque)
{
	const struct stuck *s = opaque;

	if (!wait_done(s, s->cancel, -1) && !wait_done(s, NULL, PATIENCE_MS))
		s->call(s->opaque);
	return NULL;
}

void stuck_watch(struct stuck *s, const struct cancel *cancel, void (*call)(void *opaque), void *opaque)
{
	*s = (struct stuck){ .cancel = cancel, .call = call, .opaque = opaque, .done_fd = -1 };
	if (!cancel || !call)
		return;
	s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->done_fd < 0)
		return;
	if (thread_start(&s->thread, watch_patience, s, NULL) < 0) {
		close(s->done_fd);
		s->done_fd = -1;
	}
}

void stuck_unwatch(struct stuck *s)
{
	const uint64_t one = 1;

	if (s->done_fd < 0)
		return;
	if (write(s->done_fd, &one, sizeof(one)) < 0) {
		/* a full counter is readable already, which is enough */
	}
	pthread_join(s->thread, NULL);
	close(s->done_fd);
	s->done_fd = -1;
}
