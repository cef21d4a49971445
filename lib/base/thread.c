#include "base/thread.h"

#include <signal.h>

int thread_start(pthread_t *ret, void *(*body)(void *arg), void *arg, struct error **err)
{
	sigset_t all, before;
	int e;

	/* a thread inherits the mask of the one that starts it */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(ret, NULL, body, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e ? error_errno(err, e, "cannot start a thread") : 0;
}
