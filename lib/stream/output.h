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

/* How parts of another file came into the output, in bytes. */
struct output_copied {
	uint64_t shared;  /* the file system shares them (FICLONERANGE) */
	uint64_t copied;  /* the kernel or the server copied or shared them (copy_file_range()) */
	uint64_t written; /* they were read and written */
};

/* The functions of a kind of output.  None may be NULL unless it says so. */
struct output_ops {
	/* Takes all of it or fails. */
	int (*write)(struct output *o, const void *data, size_t len, struct error **err);
	/* See output_copy() and output_get_copied().  NULL: such an output cannot do that. */
	int (*copy)(struct output *o, int fd, uint64_t offset, uint64_t len, struct error **err);
	void (*get_copied)(struct output *o, struct output_copied *ret);
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

/*
 * Appends len bytes of the file fd from offset on, without moving data where that can be avoided: shares
 * blocks, else lets the kernel or the server copy, else reads and writes.  Sharing needs offset, len and
 * the position in the output to be multiples of the file system's block.  Only for an output to a regular
 * file. fd stays the caller's, whose position in it does not change.  A failing read is told apart:
 * ERR_CORRUPT if fd ends before offset + len, and the message of an error says whether reading or writing
 * failed.
 */
static inline int output_copy(struct output *o, int fd, uint64_t offset, uint64_t len, struct error **err)
{
	return o->ops->copy(o, fd, offset, len, err);
}

/* What output_copy() has done so far; any thread.  All zero for an output that cannot do it. */
static inline void output_get_copied(struct output *o, struct output_copied *ret)
{
	*ret = (struct output_copied){ 0 };
	if (o->ops->get_copied)
		o->ops->get_copied(o, ret);
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
