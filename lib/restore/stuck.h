/*
 * A request to stop that cannot be followed, because a thread hangs in write() or fsync() on a file system
 * that does not answer.  That thread uses what would have to be freed, and only the end of the process
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
	int done_fd; /* eventfd that ends the thread; -1: nothing is watched */
	pthread_t thread;
};

/*
 * From now on until stuck_unwatch(): half a minute after a request to stop, call(opaque) is made, once, from
 * a thread of its own.  Nothing is watched if cancel or call is NULL, or if there can be no thread.
 */
void stuck_watch(struct stuck *s, const struct cancel *cancel, void (*call)(void *opaque), void *opaque);
/* Returns after a call that is being made.  Once for each stuck_watch(). */
void stuck_unwatch(struct stuck *s);

#endif
