#include "output.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#include "signals.h"

#define PATIENCE_MS 1000

/* Set once a stream has accepted nothing for a second after a signal: no output is waited for then. */
static atomic_bool is_stuck;

bool output_ready(FILE *out)
{
	const struct cancel *stop = signals_cancel();
	struct pollfd p[2] = { { .fd = fileno(out), .events = POLLOUT },
			       { .fd = stop->fd, .events = POLLIN } };

	for (;;) {
		const bool stopped = cancel_requested(stop);
		int ready;

		if (stopped)
			p[1].fd = -1; /* it stays readable */
		ready = poll(p, 2, !stopped ? -1 : atomic_load(&is_stuck) ? 0 : PATIENCE_MS);
		if (ready > 0 && p[0].revents)
			return true;
		if (ready == 0 && stopped) {
			atomic_store(&is_stuck, true);
			return false;
		}
	}
}

/* A pipe that is ready takes PIPE_BUF bytes at once. */
bool output_write(FILE *out, const char *text)
{
	for (size_t left = strlen(text); left;) {
		const size_t n = left < PIPE_BUF ? left : PIPE_BUF;

		if (!output_ready(out) || fwrite(text, 1, n, out) != n || fflush(out) != 0)
			return false;
		text += n;
		left -= n;
	}
	return true;
}
