/*
 * Runs what reads data that a guest wrote in a process of its own, which has nothing to lose: it is nobody if
 * this one is root, and can open no file, start no program and leave no core.
 */
#ifndef VZDUMP_INSIDE_CHILD_H
#define VZDUMP_INSIDE_CHILD_H

#include "base/error.h"

/*
 * Runs fn(x, out, err) in the child, and returns its result and error.  Of the descriptors above standard
 * error it has in and out only.  ERR_CORRUPT: the child has died, of what it read.
 */
int inside_child(int (*fn)(void *x, int out, struct error **err), void *x, int in, int out,
		 struct error **err);

#endif
