/*
 * A request to stop, made by a signal handler or another thread, which ends every long wait.
 * cancel_request() is async-signal-safe.  The descriptor becomes readable and stays readable.
 *
 * Requests are counted: the first one does not interrupt the cleaning up that it causes, but a further one
 * may end a step of it that could take for ever, such as a hook script.
 */
#ifndef VZDUMP_BASE_CANCEL_H
#define VZDUMP_BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

struct cancel {
	atomic_uint requested; /* how often */
	int fd;                /* eventfd; poll it together with other descriptors */
};

int cancel_init(struct cancel *c, struct error **err);
void cancel_clear(struct cancel *c);
void cancel_request(struct cancel *c);
/* c may be NULL: never requested. */
bool cancel_requested(const struct cancel *c);
/* The number of requests so far; 0 for NULL. */
unsigned cancel_count(const struct cancel *c);
/* 0, or ERR_CANCELED with PVE's words "interrupted by signal". */
int cancel_check(const struct cancel *c, struct error **err);
/* Sleeps up to ms milliseconds; returns early with ERR_CANCELED when a stop is requested. */
int cancel_sleep(const struct cancel *c, int ms, struct error **err);

#endif
