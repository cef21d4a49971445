/* Condition variables with timed waits, on which changes of the wall clock have no effect. */
#ifndef VZDUMP_VMA_COND_H
#define VZDUMP_VMA_COND_H

#include <pthread.h>
#include <time.h>

static inline void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

/* Waits for at most ms milliseconds, less than a second; c comes from cond_init(). */
static inline void cond_wait_ms(pthread_cond_t *c, pthread_mutex_t *lock, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(c, lock, &until);
}

#endif
