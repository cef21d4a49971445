/*
 * A private NBD server on a unix socket, for one connection: what its client writes goes to its owner.  It
 * speaks fixed newstyle and simple replies, and takes every export name.  It answers a write once the owner
 * has all of the data.  Reads fail; flushes and TRIMs do nothing.  Protocol: NetworkBlockDevice/nbd,
 * doc/proto.md.
 *
 * The data is received straight into memory of the owner, who is asked for it before each piece.
 *
 * Threads: the functions below from one thread; the owner's functions are called from the sink's own thread,
 * which has all signals blocked.
 */
#ifndef VZDUMP_COPY_SINK_H
#define VZDUMP_COPY_SINK_H

#include <stdint.h>

#include "base/error.h"

/* Memory of the owner for a piece of data. */
struct sink_buffer {
	void *data;      /* NULL: nobody needs this piece */
	uint32_t length; /* bytes, at least 1 */
	void *owner;     /* the owner's, as is: */
	unsigned slot;
};

struct sink_ops {
	/*
	 * Data of [offset, offset + length) is about to arrive: where does the beginning of it go, and how
	 * much?  May wait.  A negative result: nowhere, and the client gets an error (EIO).
	 */
	int (*get)(void *opaque, uint64_t offset, uint32_t length, struct sink_buffer *ret);
	/* All of the buffer's data has arrived.  Not called for those without memory. */
	void (*put)(void *opaque, uint64_t offset, const struct sink_buffer *b);
	/* The connection ended before all of it had arrived. */
	void (*drop)(void *opaque, const struct sink_buffer *b);
	/* [offset, offset + length) is zero.  May wait.  A negative result: the client gets an error. */
	int (*zero)(void *opaque, uint64_t offset, uint32_t length);
};

struct sink_options {
	uint64_t size; /* bytes of the export */
	/* Writes must begin and end at multiples of this, or at the end of the export. */
	uint32_t align;
	const struct sink_ops *ops;
	void *opaque;
};

struct sink;

/*
 * Listens on `path`, a new socket (mode 0600), and starts the thread.  ERR_INVALID when the path is too long
 * for a socket, -errno.
 */
int sink_new(const char *path, const struct sink_options *o, struct sink **ret, struct error **err);
/*
 * Ends the connection and the thread, and removes the socket; waits for an owner's function that runs.  NULL
 * is fine.
 */
void sink_free(struct sink *s);

#endif
