/*
 * Moves parts of one file into another by the cheapest way that works, for outputs to a file.  It tries in
 * this order, and remembers what a file system cannot do:
 *
 * 1. sharing blocks (FICLONERANGE), which costs neither time nor space;
 * 2. copying in the kernel or by the server (copy_file_range());
 * 3. reading and writing, which also finds the cause when nothing works.
 */
#ifndef VZDUMP_STREAM_OUTPUT_COPY_H
#define VZDUMP_STREAM_OUTPUT_COPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "stream/output.h"

/* All zero but `to` at first; freed by output_copier_clear(). */
struct output_copier {
	int to;           /* the file that is written; borrowed */
	bool never_share; /* the file system cannot share */
	bool never_copy;  /* nor can the kernel copy */
	/* Ranges that are multiples of no more than this many bytes are refused; 0: none has been. */
	uint64_t refused;
	void *buffer; /* for reading and writing; NULL until it is needed */
	/* What output_get_copied() reports; any thread may read them. */
	atomic_uint_fast64_t shared, copied, written;
};

void output_copier_clear(struct output_copier *c);

/*
 * Moves the beginning of a range of `from`, len bytes (not 0) at offset, to the position pos of the file: at
 * most some MiB, so that the caller can stop in between.  pos is at the end of that file, or before it.  The
 * positions of both descriptors stay or change, as it happens.
 *
 * Returns how many bytes were moved, at least 1.  If reading failed: a negative code and *err, which must not
 * be a NULL pointer; ERR_CORRUPT if `from` ends there.  If writing failed: -errno, and *err stays empty.
 */
ssize_t output_copier_move(struct output_copier *c, int from, uint64_t offset, uint64_t len, uint64_t pos,
			   struct error **err);

void output_copier_get(struct output_copier *c, struct output_copied *ret);

#endif
