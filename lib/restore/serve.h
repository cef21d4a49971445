/*
 * Serves the disks of an archive over NBD on a unix socket: nbdkit with our plugin, as a child, or as a
 * daemon of its own.
 *
 *	serve_start(&s, &o, err)		// it answers when this returns
 *	nbd_uri(s.socket, "drive-scsi0")	// qemu/nbd-uri.h
 *	serve_stop(&s)
 */
#ifndef VZDUMP_RESTORE_SERVE_H
#define VZDUMP_RESTORE_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/error.h"

/* All borrowed. */
struct serve_options {
	const char *archive; /* path */
	const char *socket;  /* path; the socket is made, and must not be in use */
	const char *disk;    /* the default export, or NULL */
	bool detach;         /* it outlives this process, as a guest reads from it; makes <socket>.pid */
	/* > 0: the reading end of a pipe; nbdkit ends when no process has the other end and no client
	 * is connected (nbdkit-exitwhen-filter) */
	int alive_fd;
	const char *log; /* file for nbdkit's messages (detached: until it serves); NULL: standard error */
	const struct cancel *cancel; /* may be NULL */
};

struct serve {
	pid_t child;    /* 0: none */
	pid_t detached; /* 0: none */
	char *socket;
};

/* Our plugin, as nbdkit takes it: its path, or "vma" for the installed one.  Caller frees. */
char *serve_plugin(void);

/*
 * Starts nbdkit and waits until it serves, for half a minute at most.  ERR_INVALID: the socket's path is too
 * long; -EEXIST: the socket is in use; ERR_NOT_FOUND: there is no nbdkit; ERR_PEER: nbdkit ended; the error
 * has its last message if there is a log; ERR_TIMEOUT; ERR_CANCELED.  After an error nothing runs.
 */
int serve_start(struct serve *s, const struct serve_options *o, struct error **err);
/* Waits until a server that is a child ends by itself (ERR_PEER), or for a request to stop (0). */
int serve_wait(struct serve *s, const struct cancel *cancel, struct error **err);
/* Ends the server and removes the socket; harmless if it never ran. */
void serve_stop(struct serve *s);
/* Forgets a detached server, which keeps running. */
void serve_leave(struct serve *s);

#endif
