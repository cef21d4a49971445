/*
 * Base bitmaps: dirty bitmaps that stay in QEMU between the incremental backups of a guest.
 *
 *	vzbase-<uuid of the chain>-<gen>-<key>		on T, granularity 65536, enabled, not persistent
 *	vzbase-<uuid of the chain>-<gen>-<key>-end	the same, but disabled: its *sentinel*
 *
 * It is added before the instant of generation gen and stays enabled until it is removed.  So at any time it
 * has at least everything that was written to this node since that instant, whichever program dies when.  It
 * is never disabled, swapped or merged into another one.  The name says all that it stands for: jobs to two
 * storages leave each other's bitmaps alone, and a node that is plugged in again as another disk is not
 * mistaken.  It does not begin with GRAPH_PREFIX: graph_cleanup() leaves it where it is.
 *
 * Growing a disk marks nothing dirty, and what is cut off is lost without a trace if the disk grows again.
 * So the bit of the disk's last cluster is set in both from the start.  If the sentinel has it no more, the
 * disk was shorter in between, and the bitmap must not be trusted; the guest's writes cannot set it again,
 * since a disabled bitmap notes none, but is cut like all others [7.2.22, 10.0.2, 11.1.3].  That the last
 * cluster is always dirty covers what is cut off within it.
 *
 * Adding and removing a bitmap changes no node, so no QEMU is paused for it; but the sentinel needs a node
 * for a moment.
 */
#ifndef VZDUMP_QEMU_BASE_BITMAP_H
#define VZDUMP_QEMU_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "qemu/blockgraph.h"
#include "qemu/disk.h"
#include "qemu/names.h"
#include "qemu/qmp.h"

#define BASE_BITMAP_PREFIX      "vzbase-"
#define BASE_BITMAP_GRANULARITY 65536u /* bytes, a cluster of the archive */
#define BASE_BITMAP_OTHERS      4      /* of other chains, that stay on a node */

#define BASE_BITMAP_CHAIN_SIZE 37 /* text of a uuid */
#define BASE_BITMAP_GEN_SIZE   33 /* 32 hexadecimal digits */

/* Caller frees. */
char *base_bitmap_name(const char *chain, const char *gen, const char *key);

/*
 * Adds the bitmap of that name to T, with its sentinel.  After an error it is not there.  On a QEMU that
 * has to be paused the caller notes that, as for all changes of the graph (pause.h).
 */
int base_bitmap_add(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *name,
		    struct error **err);

/* One bitmap, or a sentinel.  chain, gen and key are "" if the name has our prefix, but is none of ours. */
struct base_bitmap {
	const char *node;
	const char *name;
	char chain[BASE_BITMAP_CHAIN_SIZE];
	char gen[BASE_BITMAP_GEN_SIZE];
	char *key;
	bool end;                 /* it is the sentinel of another one */
	struct json_object *info; /* what QEMU says about it */
};

/* All base bitmaps of a QEMU, also on nodes that no device uses now; of each node the newest first. */
struct base_bitmaps {
	struct blockgraph graph; /* that everything is borrowed from */
	struct base_bitmap *list;
	size_t n;
};

/* The caller clears *l, also after an error. */
int base_bitmaps_load(struct qmp *q, struct base_bitmaps *l, struct error **err);
void base_bitmaps_clear(struct base_bitmaps *l);
#define _cleanup_base_bitmaps_ _cleanup_(base_bitmaps_clear)

/*
 * Whether the disk has a bitmap of that chain, gen and key which can be trusted: NULL, or why not, in one
 * line, which the caller frees.
 */
char *base_bitmaps_reject(const struct base_bitmaps *l, const struct graph_disk *d, const char *chain,
			  const char *gen, const char *key);

/* Which bitmaps are removed; all zero: all of them. */
struct base_bitmap_choice {
	const char *chain; /* NULL: of any chain */
	const char *gen;   /* NULL: of any generation */
	/* but not these generations; NULL: none */
	const char *but, *but_too;
};

/*
 * Removes them from whichever nodes they are on.  Goes on after QEMU has refused one, and returns the first
 * error.  ret_n (may be NULL): how many were removed, sentinels not counted.
 */
int base_bitmaps_remove(struct qmp *q, const struct base_bitmaps *l, const struct base_bitmap_choice *c,
			size_t *ret_n, struct error **err);
/* Removes those of other chains from each node, but the BASE_BITMAP_OTHERS newest. */
int base_bitmaps_remove_old(struct qmp *q, const struct base_bitmaps *l, const char *chain,
			    struct error **err);

#endif
