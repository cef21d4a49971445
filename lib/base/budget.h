/*
 * The share of the host's resources that a backup may use.  The caller that runs backups makes a budget and
 * passes it to the copy and to the writer.  Guests that are backed up at the same time share one.
 *
 *	struct budget b;
 *
 *	budget_init(&b, &(struct budget_limits){ .bytes_per_s = 10 * MIB, .workers = 16, .threads = 1 });
 *
 * Once a budget is initialized, any thread may call any function; the members threads and extents do not
 * change.  A budget must outlive everything that uses it.  It owns nothing, so there is nothing to free.
 */
#ifndef VZDUMP_BASE_BUDGET_H
#define VZDUMP_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/pace.h"

struct budget_limits {
	uint64_t bytes_per_s; /* read from disks; 0: no limit */
	unsigned workers;     /* read requests in flight; 0 counts as 1 */
	unsigned threads; /* compressing threads of an archive; each compression gives 0 its own meaning */
	unsigned extents; /* buffers of an archive (3.7 MiB each); 0: as many as its threads need */
};

struct budget {
	struct pace pace; /* limits the bytes read from disks: pace_ready(), pace_charge() */
	unsigned max_workers;
	atomic_uint workers; /* taken at the moment */
	unsigned threads, extents;
};

void budget_init(struct budget *b, const struct budget_limits *limits);

/* Takes one of the workers, for one read request; false if all are taken. */
bool budget_take_worker(struct budget *b);
/*
 * Gives a worker back.  This wakes no thread: copy_run() checks at least every 10 ms whether a worker is
 * free.
 */
void budget_give_worker(struct budget *b);

#endif
