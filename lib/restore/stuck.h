/*
 * A request to stop that is not followed, since a thread hangs in write() or fsync() on a file system that
 * does not answer: that thread uses what would have to be freed, and nothing but the end of the process
 * ends it.
 */
#ifndef VZDUMP_RESTORE_STUCK_H
#define VZDUMP_RESTORE_STUCK_H

#include <pthread.h>

#include "base/cancel.h"

struct stuck {
	const struct cancel *cancel;
	void (*call)(void *opaque);
	void *opaque;
	int done_fd; /* -1: nothing is watched */
	pthread_t thread;
};

/*
 * From now on until stuck_unwatch(): half a minute after a request the call is made, from a thread of
 * its own.  call NULL: nothing happens.
 */
void stuck_watch(struct stuck *s, const struct cancel *cancel, void (*call)(void *opaque), void *opaque);
void stuck_unwatch(struct stuck *s);

#endif
