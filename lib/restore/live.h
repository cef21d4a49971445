/*
 * A live restore: the guest starts at once and runs on overlays over the served archive, while QEMU fills
 * its new volumes (qemu/mirror.h).
 *
 *	live_restore_new(&parts, &live, err)		// before anything is made
 *	... the volumes are made ...
 *	live_restore_run(live, bwlimit, err)
 *	live_restore_free(live)
 *
 * Like any restore it is undone by the journal until the vCPUs run for the first time; after that everything
 * is kept, because the guest has written.  If this process ends early from then on, a shell script that it
 * leaves (finish-script.c) copies the rest to the volumes once the guest is shut down.  One thread.
 */
#ifndef VZDUMP_RESTORE_LIVE_H
#define VZDUMP_RESTORE_LIVE_H

#include "restore/context.h"
#include "restore/plan.h"
#include "restore/replaced.h"
#include "restore/targets.h"
#include "restore/volumes.h"

struct live_restore;

/* The parts of a restore that it works with; borrowed, and used until live_restore_free(). */
struct live_parts {
	struct restore_context *context;
	const struct plan *plan;
	struct volumes *volumes;
	struct targets *targets; /* for the disks that must be filled before the start */
	struct replaced *replaced;
};

/*
 * Opens the archive for reading at any place, and marks the volumes that will be filled while the guest
 * runs.  ERR_INVALID if a live restore is not possible: single disks, standard input, no suitable disk; or an
 * error of vma_random_open(), such as an archive without an index.
 */
int live_restore_new(const struct live_parts *parts, struct live_restore **ret, struct error **err);

/*
 * Starts the guest and returns when it is on its own volumes.  bwlimit: bytes per second for all disks
 * together, 0: no limit.  Errors before the guest runs leave everything in the journal.  After that the
 * journal is gone, and the log says what is missing and how to finish.
 */
int live_restore_run(struct live_restore *l, uint64_t bwlimit, struct error **err);

/*
 * Ends the archive's server unless a guest that runs still needs it.  If the guest was started but did not
 * run yet, its QEMU must have ended (the journal is undone).  NULL is fine.
 */
void live_restore_free(struct live_restore *l);

#endif
