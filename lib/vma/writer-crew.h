/*
 * The writer's threads.  One may hang in write(2) on a file system that does not answer, and then only the
 * end of the process ends it.  So the crew can be left to itself: its last thread then cleans up.
 */
#ifndef VZDUMP_VMA_WRITER_CREW_H
#define VZDUMP_VMA_WRITER_CREW_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

struct crew;

struct crew_member {
	struct crew *crew;
	pthread_t id;
	char name[16];
	void (*body)(void *arg);
	void *arg;
};

struct crew {
	struct crew_member *members; /* room for max */
	unsigned n, max;             /* n: started */
	int ionice;                  /* of all; -1 leaves it, else PVE's 0..8 */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t ended; /* signaled when a thread has ended */
	unsigned running;
	void (*on_last)(void *arg); /* set once the crew is left to itself */
	void *on_last_arg;
};

void crew_init(struct crew *c, unsigned max, int ionice);
/* No thread may be left. */
void crew_clear(struct crew *c);

/*
 * Starts a thread with that name, of 15 bytes at most, that calls body(arg).  All signals are blocked in
 * it.
 */
int crew_start(struct crew *c, const char *name, void (*body)(void *arg), void *arg, struct error **err);

/* Waits for at most ms milliseconds, less than a second.  True: all have ended. */
bool crew_wait(struct crew *c, int ms);

/*
 * The threads must have been asked to end, which they do at once unless one hangs.  True: all are joined.
 * False: they are left to themselves; the last one calls on_last(arg), and the caller must not touch the
 * crew any more.
 */
bool crew_join(struct crew *c, void (*on_last)(void *arg), void *arg);

#endif
