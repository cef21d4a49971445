/*
 * The output of a stream of bytes: a descriptor, or a compressor in front of one.
 *
 *	output_plain_new(fd, ...)			// file, block device, pipe, socket
 *	output_filter_new(OUTPUT_LZOP, 0, plain, ...)	// compresses, then writes to plain
 *	output_write(o, data, len, err) ...
 *	output_finish(o, err)
 *
 * One thread uses an output; output_bytes() and output_stop() may be called by any.  Signals must be
 * blocked in the thread that writes, SIGPIPE above all.
 */
#ifndef VZDUMP_STREAM_OUTPUT_H
#define VZDUMP_STREAM_OUTPUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct output;

/* The functions of a kind of output.  None may be NULL. */
struct output_ops {
	/* Takes all of it or fails. */
	int (*write)(struct output *o, const void *data, size_t len, struct error **err);
	/* Flushes all buffers.  Nothing may be written afterwards. */
	int (*finish)(struct output *o, struct error **err);
	/* Ends a wait in write, from another thread. */
	void (*stop)(struct output *o);
	/* Frees, also in the middle of a stream. */
	void (*free)(struct output *o);
};

struct output {
	const struct output_ops *ops;
	atomic_uint_fast64_t bytes; /* written to the descriptor */
};

/*
 * Writes to a duplicate of fd: fd stays the caller's, who may close it at any time.  It is not synced.
 * For a regular file writeback starts early, so that an fsync at the end is short, and pages that are on
 * disk are dropped from the page cache.
 */
int output_plain_new(int fd, struct output **ret, struct error **err);

enum output_filter {
	OUTPUT_GZIP, /* in this process */
	OUTPUT_PIGZ, /* the program, with threads */
	OUTPUT_LZOP, /* the program */
};

/*
 * Compresses into `to`, which it owns from now on, also when it fails.  May start a program, which
 * inherits the signal mask of the calling thread.
 */
int output_filter_new(enum output_filter filter, unsigned threads, struct output *to, struct output **ret,
		      struct error **err);

static inline int output_write(struct output *o, const void *data, size_t len, struct error **err)
{
	return o->ops->write(o, data, len, err);
}

static inline int output_finish(struct output *o, struct error **err)
{
	return o->ops->finish(o, err);
}

/*
 * Ends a wait for a slow reader, now or later, with -ECANCELED.  A thread that hangs in the file system
 * itself is not reached.
 */
static inline void output_stop(struct output *o)
{
	o->ops->stop(o);
}

/* Bytes written to the descriptor so far. */
static inline uint64_t output_bytes(struct output *o)
{
	return atomic_load_explicit(&o->bytes, memory_order_relaxed);
}

static inline void output_free(struct output *o)
{
	if (o)
		o->ops->free(o);
}
DEFINE_CLEANUP(struct output *, output_free)

#endif
