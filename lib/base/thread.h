/*
 * Starting threads.  They run with every signal blocked, so that a signal reaches the main thread, which
 * handles it (cli/signals.h).
 */
#ifndef VZDUMP_BASE_THREAD_H
#define VZDUMP_BASE_THREAD_H

#include <pthread.h>

#include "base/error.h"

/*
 * Starts body(arg) in a new thread and stores its id in *ret for pthread_join().  Returns 0 or -errno; then
 * no thread was started.
 */
int thread_start(pthread_t *ret, void *(*body)(void *arg), void *arg, struct error **err);

#endif
