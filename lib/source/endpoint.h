/*
 * Where a disk is read: an NBD export, and what its reader must know about it.  A source fills it in
 * (see source.h), and the copy connects to it.
 */
#ifndef VZDUMP_SOURCE_ENDPOINT_H
#define VZDUMP_SOURCE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

/* All strings are borrowed from the source, which outlives the connection. */
struct source_endpoint {
	const char *socket; /* unix socket of the NBD server */
	const char *export; /* name of the export */
	const char *bitmap; /* name of the exported dirty bitmap, NULL: no drain first */
	/*
	 * Name of the exported bitmap of what has changed since the base of an incremental backup, NULL:
	 * there is none.  It was found right (see qemu/base-bitmap.h), and has the cluster dirty that was the
	 * disk's last one then.
	 */
	const char *base_bitmap;
	const char *no_base_bitmap; /* why there is none: "the guest was restarted since (no dirty bitmap)" */
	bool trim;                  /* TRIM clusters that were read */
	/*
	 * A TRIM of the export does not get to the fleecing image: it has to be sent to this one afterwards
	 * (see qemu/throttle.h).  NULL: it does.
	 */
	const char *image_export;
	/*
	 * In bytes.  A smaller TRIM frees nothing (a thin pool's chunk, an RBD object; QEMU's filter
	 * also copies and discards in such units if it knows them).  Each unit is TRIMmed when all of
	 * it is done, and read as a whole when the guest rewrites a part of it.  With up to 64 KiB,
	 * and with 0, each cluster is TRIMmed by itself.
	 */
	uint64_t trim_granularity;
	/*
	 * This QEMU mistakes rewritten clusters for untouched ones when it is asked about several at
	 * once (see qemu_reads_mixed_ranges()).  So trust a read of several clusters only if the dirty
	 * bitmap, read after it, has none of them; and that a cluster is zero only when the dirty bitmap,
	 * read after copy_options.barrier, says that the guest has not touched it.  Needs a bitmap that
	 * has a cluster before it is copied to the filter's target (graph_add_bitmap()), and no sink.
	 */
	bool distrust_ranges;
};

#endif
