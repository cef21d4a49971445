/*
 * Which parts of a fleecing image are TRIMmed once more, and when.
 *
 * A write of the guest to a cluster that nobody has saved yet may wait at the image's limit (qemu/throttle.h)
 * while that cluster is read and TRIMmed.  It goes on later, and the image keeps what it copies, which nobody
 * needs.  So what was TRIMmed is TRIMmed in the image again, a while later: after half a second, and for
 * writes that wait longer after 5 and 50 seconds.  Neighbours are joined, so these are few requests, which
 * find little to do.
 *
 * Sends nothing itself, knows no clock.  Not thread safe.
 */
#ifndef VZDUMP_COPY_RETRIM_H
#define VZDUMP_COPY_RETRIM_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/run.h"

#define RETRIM_TIMES 3

struct retrim {
	struct retrim_step {
		struct runs added; /* since `since_ns` */
		struct runs list;  /* sorted, to be sent now */
		uint64_t since_ns; /* 0: nothing was added */
	} steps[RETRIM_TIMES];
	bool in_flight;
};

/* One that is all zero is empty. */
void retrim_clear(struct retrim *r);
/* These clusters are TRIMmed now. */
void retrim_add(struct retrim *r, struct run run, uint64_t now_ns);
/* The next run to be TRIMmed again now, in flight from now on; false: none. */
bool retrim_next(struct retrim *r, uint64_t now_ns, struct run *ret);
/* It has ended. */
void retrim_end(struct retrim *r);

#endif
