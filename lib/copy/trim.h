/*
 * Which clusters can be TRIMmed, so that a fleecing image shrinks and later guest writes there cost
 * nothing.  Some storages free space only in units of several clusters, *granules*: such a unit is
 * TRIMmed once all of it is done, since a cluster of it that is not done may still be read.
 *
 * Sends nothing itself.  Not thread safe.
 */
#ifndef VZDUMP_COPY_TRIM_H
#define VZDUMP_COPY_TRIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "copy/cover.h"
#include "copy/run.h"

/* TRIMs that are in flight at the same time. */
#define TRIMS_AT_ONCE 4u

struct trims {
	bool wanted;
	uint32_t granule;  /* clusters, at least 1 */
	struct runs added; /* in the order in which they came */
	struct runs list;  /* sorted; sent before those that were added later */
	unsigned in_flight;
	bool first; /* see trims_go_first() */
};

/* granularity: bytes that a TRIM must cover to free anything; up to 64 KiB, also 0: one cluster. */
void trims_init(struct trims *t, uint64_t granularity);
void trims_clear(struct trims *t);

/* First cluster of the granule that holds `cluster`; *ret_end follows its last, within the disk. */
uint32_t trims_granule(const struct trims *t, const struct cover *c, uint32_t cluster, uint32_t *ret_end);

/* These clusters are done: puts on the list what they complete. */
void trims_add(struct trims *t, struct cover *c, struct run run);
/*
 * What was added so far goes before everything else that is sent to the source: t->first is true until the
 * last of it has ended.  Nothing is in flight yet.
 */
void trims_go_first(struct trims *t);

/*
 * The next TRIMs: in order of their place and neighbours joined, as far as they were added at the same time.
 * They are in flight from now on.  Returns how many; none while older ones are in flight.
 */
unsigned trims_next(struct trims *t, struct run ret[TRIMS_AT_ONCE]);
/* One of them has ended, well or not: a TRIM that fails costs space, nothing else. */
void trims_end(struct trims *t);

/* A line of text for debugging. */
void trims_describe(const struct trims *t, struct buf *b);

#endif
