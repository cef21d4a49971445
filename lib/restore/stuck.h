/*
 * Detects a request to stop that cannot be followed, because a thread hangs in write() or fsync() on a file
 * system that does not answer.  That thread uses memory that would have to be freed, and only the end of the
 * process ends it.
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
 * Until stuck_unwatch(): half a minute after a request to stop, call(opaque) is called once, from a thread of
 * its own.  Nothing is watched if cancel or call is NULL, or if no thread can be started.
 */
void stuck_watch(struct stuck *s, const struct cancel *cancel, void (*call)(void *opaque), void *opaque);
/* Waits for a call in progress.  Must be called once for each stuck_watch(). */
void stuck_unwatch(struct stuck *s);

#endif
