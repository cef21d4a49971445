/*
 * Takes what QEMU writes to a pair of sockets, at once and in a thread of its own: QEMU waits for its reader,
 * and so would whoever waits for QEMU.
 */
#ifndef VZDUMP_BOOT_DRAIN_H
#define VZDUMP_BOOT_DRAIN_H

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

struct boot_drain {
	int fd;    /* our end; -1: none */
	bool runs; /* the thread */
	pthread_t thread;
	pthread_mutex_t lock;
	struct buf pending; /* under the lock; what is more than BOOT_DRAIN_MAX is dropped */
};
#define BOOT_DRAIN_MAX ((size_t)4 * 1024 * 1024)
#define BOOT_DRAIN_INIT                                     \
	{                                                   \
		.fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER \
	}

/* *ret_qemus is the end for QEMU, which the caller closes.  The caller ends *d, also after an error. */
int boot_drain_start(struct boot_drain *d, int *ret_qemus, struct error **err);
/* Appends what has come to out. */
void boot_drain_take(struct boot_drain *d, struct buf *out);
/* Harmless if it was never started. */
void boot_drain_end(struct boot_drain *d);

#endif
