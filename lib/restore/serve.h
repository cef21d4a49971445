/*
 * Serving the disks of an archive over NBD on a unix socket: nbdkit with our plugin, as a child, or as a
 * daemon of its own.
 *
 *	serve_start(&s, &o, err)		// answers when this returns
 *	serve_uri(&s, "drive-scsi0")
 *	serve_stop(&s)
 */
#ifndef VZDUMP_RESTORE_SERVE_H
#define VZDUMP_RESTORE_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/error.h"

struct serve_options {
	const char *archive;
	const char *socket; /* path; made, must not exist */
	const char *disk;   /* the default export, or NULL */
	bool detach;        /* lives on when this process ends: a guest reads from it; <socket>.pid is made */
	/* > 0: the reading end of a pipe; nbdkit ends when nobody has the other end nor a connection
	 * any more (nbdkit-exitwhen-filter) */
	int alive_fd;
	const char *log; /* file for what nbdkit says (detached: until it serves); NULL: standard error */
	const struct cancel *cancel; /* may be NULL */
};

struct serve {
	pid_t child;    /* 0: none */
	pid_t detached; /* 0: none */
	char *socket;
};

int serve_start(struct serve *s, const struct serve_options *o, struct error **err);
/* Returns when the server has ended by itself (ERR_PEER) or on a cancel (0). */
int serve_wait(struct serve *s, const struct cancel *cancel, struct error **err);
/* Ends the server and removes the socket; harmless if it never ran. */
void serve_stop(struct serve *s);
/* Forgets one that is detached; it goes on. */
void serve_leave(struct serve *s);
/* "nbd+unix:///drive-scsi0?socket=/run/x.sock".  Caller frees. */
char *serve_uri(const char *socket, const char *disk);

#endif
