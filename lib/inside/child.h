/*
 * Runs what reads data that a guest wrote in a process of its own, which has nothing to lose: it is nobody if
 * this one is root, can open no file, start no program and leave no core, and gets no more than 1 GiB of
 * memory.
 */
#ifndef VZDUMP_INSIDE_CHILD_H
#define VZDUMP_INSIDE_CHILD_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/*
 * Runs fn(x, out, err) in the child, and returns its result and error.  Of the descriptors above standard
 * error it has in and out only.  ERR_CORRUPT: the child has died, of what it read, or needs too much memory.
 */
int inside_child(int (*fn)(void *x, int out, struct error **err), void *x, int in, int out,
		 struct error **err);
/*
 * The same; what fn writes to out is added to *ret.  It gets -EFBIG for what goes beyond INSIDE_ANSWER_MAX.
 * The child is not trusted: it may have been taken over by what it has read.
 */
int inside_child_ask(int (*fn)(void *x, int out, struct error **err), void *x, int in, struct buf *ret,
		     struct error **err);
#define INSIDE_ANSWER_MAX ((size_t)128 << 20)

/* Of an answer: the string at *at, which ends before end, and *at behind it; NULL if it does not end. */
const char *inside_next_string(const char **at, const char *end);

#endif
