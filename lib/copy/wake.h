/* Waking the thread that polls an eventfd, from any thread. */
#ifndef VZDUMP_COPY_WAKE_H
#define VZDUMP_COPY_WAKE_H

#include <stdint.h>
#include <unistd.h>

static inline void wake_up(int event_fd)
{
	const uint64_t one = 1;

	if (write(event_fd, &one, sizeof(one)) < 0) {
		/* full means readable already */
	}
}

#endif
