/*
 * The copy engine: brings every cluster of every disk into the archive exactly once, whichever way
 * it comes first.
 *
 *	snapshot ──NBD──▶ nbd-source ─┐
 *	                              ├─▶ cover (first come, first kept) ─▶ fill ─▶ extents ─▶ vma_writer
 *	old data pushed ───▶ sink ────┘
 *
 * copy.c is the loop: it decides which disk's turn it is, and keeps as many requests in flight over all disks
 * as the budget allows.  disk.c sends what one disk's queue wants, and takes the answers.  Order: clusters
 * the guest has rewritten since the start first (*drain first*, since they are what fills a fleecing image),
 * then all disks in turn from their beginning.  Clusters that were read are TRIMmed, so that a fleecing image
 * shrinks and later guest writes there cost nothing.
 *
 *	cover	what has become of each cluster of one disk	map: a bit per cluster
 *	queue	what one disk wants next, pure			trim: which TRIMs; run: lists of clusters
 *	nbd-source	requests to QEMU and its answers
 *	sink	NBD server that QEMU pushes to			push: from there into extents
 *	fill	slots of extents for data that arrives in any order
 *
 * An incremental backup (copy_options.reuse) first asks what may have changed since its base, the
 * *candidates*.  All else is claimed and TRIMmed before anything is read.  What is read is done only when
 * the writer has compared it, and a cluster that has not changed only when the frame of the base that
 * stores it is settled (vma/reuse.h): until then it may have to be read (again).
 *
 *	candidates	asks the base bitmap, pure	disk-base: begins, and takes what the reuse says
 *	cover-reuse	the cover for the writer's threads
 *
 * The sink is the target of QEMU's copy-before-write filter when there is no fleecing image.  A read that
 * comes after the cluster was pushed fails in QEMU; the engine retries by cluster, and what is done then
 * is fine.
 *
 * Traced (trace.h, "copy"), with clusters and bytes as first+count:  '>' to the source, '<' from it or from
 * QEMU that pushes.
 *
 * Threads: all functions from one thread, except copy_get_progress() from any.  Each sink has a thread of
 * its own, which shares with this one the cover's done map, the extents and an eventfd.  So do the
 * writer's, by way of the reuse.
 */
#ifndef VZDUMP_COPY_COPY_H
#define VZDUMP_COPY_COPY_H

#include <stdint.h>

#include "base/budget.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/error.h"
#include "copy/progress.h"
#include "source/endpoint.h"
#include "vma/writer.h"

struct copy;

/* So many extents are filled by reads at the same time with copy_options.sort_disks. */
#define COPY_SORTED_DISKS 4u

struct copy_options {
	struct vma_writer *writer;   /* borrowed */
	struct budget *budget;       /* borrowed: its pace and its workers; may be shared with other copies */
	const struct cancel *cancel; /* may be NULL */
	/*
	 * An incremental backup: the writer's, borrowed.  Only what may have changed is read: what an
	 * endpoint's base_bitmap says, or all of a disk that has none.  NULL: everything is read, and
	 * nothing compared.
	 */
	struct vma_reuse *reuse;
	/*
	 * Extents hold clusters of one disk, for VMA_CHAINED: the disks with the numbers i, i + 4, i + 8 ...
	 * share one.  The budget should have COPY_SORTED_DISKS - 1 extents more than for other layouts; with
	 * fewer, disks wait for each other.
	 */
	bool sort_disks;
	/* Called from copy_run() about every 200 ms; may be NULL.  An error ends the run. */
	int (*tick)(void *opaque, struct error **err);
	/*
	 * Waits until no request of the guest is half done in QEMU, so that the dirty bitmaps are
	 * complete.  Called at most once, while nothing of the engine's is in flight.  Needed where
	 * an endpoint says distrust_ranges.
	 */
	int (*barrier)(void *opaque, struct error **err);
	void *opaque;
};

int copy_new(const struct copy_options *o, struct copy **ret, struct error **err);
/* Ends connections, and sinks that a run has not ended: that aborts the writer. */
void copy_free(struct copy *c);
DEFINE_CLEANUP(struct copy *, copy_free)

/* Adds a disk; its index is the number of disks before it.  name is for messages, copied. */
int copy_add_disk(struct copy *c, const char *name, uint8_t dev, uint64_t size, struct error **err);

/*
 * Starts the disk's sink: an NBD server listening on `path` (a new socket, mode 0600) that takes one
 * connection, under any export name.  The socket is removed by copy_free(), or by a run that ends.
 */
int copy_listen(struct copy *c, unsigned disk, const char *path, struct error **err);

/* Connects to where the disk is read from.  The endpoint is needed for the call only. */
int copy_connect(struct copy *c, unsigned disk, const struct source_endpoint *s, struct error **err);

/*
 * Runs until every cluster is in an extent.  On return, good or bad, nothing is in flight any more
 * and all extents were handed to the writer; which is aborted when the run failed, for the sinks' sake.
 */
int copy_run(struct copy *c, struct error **err);

/*
 * Whether the guest's first writes may wait for their fleecing images at the moment: then what was TRIMmed
 * has to be TRIMmed again once they have ended, see queue_trim_again().  Within copy_options.tick.
 */
void copy_set_writes_wait(struct copy *c, bool wait);

/*
 * After copy_connect() or copy_run() has failed: the disk whose source failed, by its index; -1 if it was
 * something else (the archive, a request to stop, an error of tick or barrier).
 */
int copy_failed_disk(const struct copy *c);

/* From any thread, once all disks are added. */
void copy_get_progress(struct copy *c, unsigned disk, struct copy_progress *ret);

/* What is known of a disk against the base of an incremental backup. */
struct copy_base_state {
	bool known;               /* what has to be looked at is known; else nothing below is */
	uint64_t candidate_bytes; /* may have changed */
	const char *why; /* all of the disk has to be compared, because: a few words; NULL: a bitmap tells */
};

/* From the thread that runs the copy, within copy_options.tick too.  `why` is borrowed from the copy. */
void copy_get_base_state(const struct copy *c, unsigned disk, struct copy_base_state *ret);

/*
 * Appends lines of text about the state of one disk, for debugging.  From the thread that runs the copy:
 * within copy_options.tick, or outside of copy_run().  Not from a signal handler: let it set a flag that
 * tick looks at.
 */
void copy_describe(struct copy *c, unsigned disk, struct buf *b);

#endif
