/*
 * A limit in bytes per second that several threads share.  Two ways to use it:
 *
 *	pace_init(&pace, 10 * MIB);			// not exceeded over the whole time
 *	r = pace_take(&pace, len, cancel, err);		// waits before len bytes are written
 *
 *	pace_init_burst(&pace, 10 * MIB, 100000000);	// unused time expires after 100 ms
 *	if (pace_ready(&pace, now_ns))			// never waits: for an event loop
 *		... pace_charge(&pace, len, now_ns);
 *
 * Any thread may call any function but the two that initialize a pace.
 */
#ifndef VZDUMP_BASE_PACE_H
#define VZDUMP_BASE_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

struct pace {
	uint64_t rate;          /* bytes per second; 0: no limit */
	uint64_t burst_ns;      /* how much unused time is kept */
	_Atomic uint64_t at_ns; /* monotonic: when everything charged so far is paid for */
};

/* The time begins now, and unused time is kept for ever. */
void pace_init(struct pace *p, uint64_t bytes_per_s);
/* Unused time is kept for burst_ns nanoseconds; that much may be used at once at the beginning. */
void pace_init_burst(struct pace *p, uint64_t bytes_per_s, uint64_t burst_ns);

/* Whether more bytes may be taken at now_ns (units_now_ns()). */
bool pace_ready(const struct pace *p, uint64_t now_ns);
/* Charges the bytes at now_ns; to be called after pace_ready(), which is false until they are paid for. */
void pace_charge(struct pace *p, uint64_t bytes, uint64_t now_ns);

/* Charges the bytes and waits until they are paid for.  ERR_CANCELED; cancel may be NULL. */
int pace_take(struct pace *p, uint64_t bytes, const struct cancel *cancel, struct error **err);

#endif
