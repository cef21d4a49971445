/*
 * The copy engine: brings every cluster of every disk into the archive exactly once, whichever way
 * it comes first.
 *
 *	frozen view ──NBD──▶ reader ─┐
 *	                             ├─▶ claims and *done* map ─▶ extents ─▶ vma_writer
 *	old data pushed ───▶ sink  ──┘
 *
 * The reader (the thread in copy_run()) keeps up to max_workers requests in flight over all disks.
 * Order: clusters the guest has rewritten since the start first (*drain first*, they are what fills
 * a fleecing image), then all disks in turn from their beginning.  What block status reports as
 * zero is not read; it is asked ahead of the reads, slowly, so that there is an early idea of how much
 * there is to read.  What was read is TRIMmed, so that a fleecing image shrinks and later guest
 * writes there cost nothing.
 *
 * The sink is the target of QEMU's copy-before-write filter when there is no fleecing image: a
 * private NBD server on a unix socket, one thread per disk.  It answers a write once the data is in
 * an extent.  A read that comes after the cluster was pushed fails in QEMU; the engine retries by
 * cluster, and what is done by then is fine.
 *
 * Threads: all functions from one thread, except copy_get_progress() from any.
 */
#ifndef VZDUMP_COPY_COPY_H
#define VZDUMP_COPY_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "source/endpoint.h"
#include "vma/writer.h"

struct copy;

struct copy_options {
	struct vma_writer *writer;   /* borrowed */
	unsigned max_workers;        /* requests in flight, 1..256 */
	uint64_t bwlimit;            /* bytes read per second, 0 = no limit */
	const struct cancel *cancel; /* may be NULL */
	/* Called from copy_run() about every 200 ms; may be NULL.  An error ends the run. */
	int (*tick)(void *opaque, struct error **err);
	/*
	 * Waits until no request of the guest is half done in QEMU, so that the dirty bitmaps are
	 * complete.  Called at most once, while nothing of the engine's is in flight.  Needed where
	 * a source says distrust_ranges.
	 */
	int (*barrier)(void *opaque, struct error **err);
	void *opaque;
};

struct copy_progress {
	uint64_t size; /* bytes of the disk */
	uint64_t done; /* bytes in the archive, zeroes included */
	/*
	 * What takes time: without the zeroes that block status tells and nobody reads.  Block status
	 * runs ahead of the reads; to_read is an estimate until it has reached the end of the disk,
	 * taking what is ahead to be as full as what is behind.
	 */
	uint64_t to_read, read;
	uint64_t rewritten; /* bytes the guest rewrote before they were saved, as far as seen */
	uint64_t pushed;    /* bytes that came through the sink */
};

int copy_new(const struct copy_options *o, struct copy **ret, struct error **err);
/* Ends connections, and sinks that a run has not ended: that aborts the writer. */
void copy_free(struct copy *c);
DEFINE_CLEANUP(struct copy *, copy_free)

/* Adds a disk; its index is the number of disks before it.  name is for messages, copied. */
int copy_add_disk(struct copy *c, const char *name, uint8_t dev, uint64_t size, struct error **err);

/*
 * Starts the disk's sink: an NBD server listening on `path` (a new socket, mode 0600) that takes one
 * connection.  The export is named "sink".  The socket is removed by copy_free().
 */
int copy_listen(struct copy *c, unsigned disk, const char *path, struct error **err);

/* Connects to where the disk is read from. */
int copy_connect(struct copy *c, unsigned disk, const struct source_endpoint *s, struct error **err);

/*
 * Runs until every cluster is in an extent.  On return, good or bad, nothing is in flight any more
 * and all extents were handed to the writer; which is aborted when it failed, for the sinks' sake.
 */
int copy_run(struct copy *c, struct error **err);

void copy_get_progress(struct copy *c, unsigned disk, struct copy_progress *ret);

#endif
