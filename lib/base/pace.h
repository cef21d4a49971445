/*
 * A rate that is not exceeded over the whole time, by several threads together.
 *
 *	struct pace pace;
 *	pace_init(&pace, 10 * MIB);
 *	r = pace_take(&pace, len, cancel, err);		// before len bytes are written
 */
#ifndef VZDUMP_BASE_PACE_H
#define VZDUMP_BASE_PACE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

struct pace {
	uint64_t rate; /* bytes per second; 0: none */
	uint64_t begin_ns;
	_Atomic uint64_t taken;
};

/* The time begins now. */
void pace_init(struct pace *p, uint64_t bytes_per_s);
/* Waits until as many bytes may have gone.  ERR_CANCELED; cancel may be NULL.  From any thread. */
int pace_take(struct pace *p, uint64_t bytes, const struct cancel *cancel, struct error **err);

#endif
