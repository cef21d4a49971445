/*
 * How fast the guest may fill its fleecing images: numbers in, rates out.  It knows no QEMU, no storage, no
 * thread and no clock; limiter.h has these.
 *
 * The images on one storage are a *pool*.  All they may take together is the *limit*; what a pool may take
 * depends on its own storage too, on what must stay free there.  The least of both, less what is taken, is
 * the *room*.  First writes of the guest, to data that is not saved yet, are held to a *rate* that is a part
 * of the room per second, so it falls smoothly as room gets short.  Meanwhile the archive drains the images,
 * and the rate settles at what it drains, with a little room left.  So the drain need not be measured.
 *
 * A rate that was set stands by itself while nobody looks: it uses up the room only within `HORIZON` and
 * three times the age of the newest sample of what is taken.  Storages that are rarely asked get smaller
 * rates.
 *
 * A pool's rate is never below its floor, even if the limit is exceeded: a write that waits for longer than
 * QEMU's cbw-timeout breaks the snapshot.
 */
#ifndef VZDUMP_SOURCE_LIMIT_H
#define VZDUMP_SOURCE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

/* What is known of a pool at a look. */
struct limit_seen {
	uint64_t used;   /* bytes of its images */
	uint64_t room;   /* bytes that its storage has for more; UINT64_MAX: any */
	uint64_t at_ns;  /* when these were asked for */
	uint64_t copied; /* bytes that the guest's writes have added up to now, as far as is known */
};

struct limit_pool {
	/* set by the owner */
	uint64_t floor;  /* bytes per second */
	uint64_t age_ns; /* how old a sample of it gets, until that is known */

	/* results */
	uint64_t rate; /* bytes per second that should be set now */
	bool change;   /* it is not what was set: set it, and call limit_note_set() */

	/* its own */
	uint64_t set;    /* what was set last; 0: nothing yet */
	uint64_t set_ns; /* when */
	struct limit_seen seen;
	double inflow; /* smoothed, bytes per second */
	struct {
		double allowed, copied; /* bytes */
		uint64_t copied_from, used_from;
	} window, before;
	bool bites;
};

struct limit {
	/* set by the owner */
	struct limit_pool *pools;
	size_t n;
	uint64_t bytes;  /* all images together; UINT64_MAX: no limit */
	const char *why; /* of that: "limit" or "fleecing-limit" */

	struct source_slowdown slowdown; /* result */

	/* its own */
	uint64_t looked_ns; /* 0: never */
	uint64_t window_ns; /* when the window began */
	unsigned calm;      /* windows since it bit */
};

/*
 * Looks at what was seen of each pool, and decides the rates.  The first call is before the instant.  To be
 * called at least every LIMIT_LOOK_NS, or every LIMIT_HURRY_NS if limit_is_near() says so.
 */
void limit_look(struct limit *l, uint64_t now_ns, const struct limit_seen *seen);
/* The pool's rate was set. */
void limit_note_set(struct limit_pool *p, uint64_t now_ns);
/* Whether room is so short that it should be looked at more often. */
bool limit_is_near(const struct limit *l);

#define LIMIT_LOOK_NS  (200 * UINT64_C(1000000))
#define LIMIT_HURRY_NS (50 * UINT64_C(1000000))

#endif
