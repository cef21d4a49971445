/*
 * How fast the guest may fill its fleecing images: numbers in, rates out.  It knows no QEMU, no storage, no
 * thread and no clock; limiter.h has these.
 *
 * The images on one storage are a *pool*.  All they may take together is the *limit*; what a pool may take
 * depends on its own storage too, on what must stay free there.  The least of both, less what is taken, is
 * the *room*.  First writes of the guest, to data that is not saved yet, go by a bucket (qemu/throttle.h): a
 * *burst* of about half of the room at any speed, and then a *rate*, a small part of the room per second.
 * When the bucket is used up, it is set anew, by the room that there is then.  So a guest that stays within
 * the limit never waits; as room gets short it gets ever less, and in the end what the archive drains
 * meanwhile. The drain need not be measured.
 *
 * What was set holds by itself while nobody looks, for some seconds: burst and rate together use up the room
 * only then.  Storages that are rarely asked get smaller ones.
 *
 * The rate is never below a floor, even if the limit is exceeded: a write that waits for longer than QEMU's
 * cbw-timeout breaks the snapshot, so the floor follows what waits.
 */
#ifndef VZDUMP_SOURCE_LIMIT_H
#define VZDUMP_SOURCE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qemu/throttle.h"
#include "source/source.h"

/* What is known of a pool at a look. */
struct limit_seen {
	uint64_t used;   /* bytes of its images */
	uint64_t room;   /* bytes that its storage has for more; UINT64_MAX: any */
	uint64_t at_ns;  /* when these were asked for */
	uint64_t copied; /* bytes that the guest's writes have added up to now, as far as is known */
};

struct limit_pool {
	uint64_t age_ns; /* set by the owner: how old a sample of it gets, until that is known */

	/* results */
	struct graph_rate want; /* what should be set now */
	bool change;            /* set it, and call limit_note_set() */

	/* its own */
	struct graph_rate set; /* what was set last; of zeroes: nothing yet */
	uint64_t set_ns;       /* when */
	struct limit_seen seen;
	uint64_t sampled_copied;               /* seen.copied when the newest sample came */
	double level;                          /* of the bucket, bytes, as far as is known */
	uint64_t copied_from, used_from, come; /* since it was set, what has come */
	double inflow;                         /* smoothed, bytes per second */
	struct limit_window {
		double copied; /* bytes */
		uint64_t copied_from, used_from;
		unsigned looks, held; /* at so many looks the bucket was used up */
	} window, before;
	bool bites;
};

struct limit {
	/* set by the owner */
	struct limit_pool *pools;
	size_t n;
	uint64_t bytes;      /* all images together; UINT64_MAX: no limit */
	const char *why;     /* of that: "limit" or "fleecing-limit" */
	uint64_t timeout_ns; /* QEMU's cbw-timeout */

	struct source_slowdown slowdown; /* result */

	/* its own */
	double floor; /* bytes per second */
	double wait;  /* of the writes that ended last, on average, seconds */
	double mean;  /* bytes that wait in QEMU, smoothed */
	double waits; /* the most of it; it forgets slowly */
	struct graph_writes writes;
	uint64_t writes_ns; /* when these were told */
	uint64_t looked_ns; /* 0: never */
	uint64_t window_ns; /* when the window began */
	unsigned calm;      /* windows since it bit */
};

/*
 * Looks at what was seen of each pool, and decides the rates.  The first call is before the instant.  To be
 * called at least every LIMIT_LOOK_NS, or every LIMIT_HURRY_NS if limit_is_near() says so.
 */
void limit_look(struct limit *l, uint64_t now_ns, const struct limit_seen *seen);
/* What was wanted of the pool was set. */
void limit_note_set(struct limit_pool *p, uint64_t now_ns);
/*
 * The guest's writes to all disks with images up to now_ns: while limit_is_near(), some times a second.  So
 * the floor lets what waits go in time.
 */
void limit_note_writes(struct limit *l, uint64_t now_ns, const struct graph_writes *w);
/* Whether the guest uses up what it may, so that it should be looked at more often. */
bool limit_is_near(const struct limit *l);

#define LIMIT_LOOK_NS  (200 * UINT64_C(1000000))
#define LIMIT_HURRY_NS (50 * UINT64_C(1000000))

#endif
