/*
 * Clusters that replace what frames of the base store, and the leftovers of these frames: together, in the
 * order of their addresses, they go into small frames (VMA_CHAIN_RECUT), so that the next backup has to
 * rewrite less around the same places.  One for each worker.
 */
#ifndef VZDUMP_VMA_WRITER_RECUT_H
#define VZDUMP_VMA_WRITER_RECUT_H

#include "vma/reuse.h"
#include "vma/writer-counts.h"
#include "vma/writer-emit.h"

struct recut {
	struct emitter *x;
	const struct vma_header *hdr;
	struct writer_counts *counts;
	struct vma_reuse *reuse;
	struct build build; /* of the next frame */
	struct vma_base_unpacked base;
};

/* Clusters of a work item that have changed. */
struct changed {
	unsigned n;
	struct changed_cluster {
		struct vma_trailer_entry entry;
		const uint8_t *cluster;  /* all of it; NULL: it is in a frame already */
	} list[VMA_CLUSTERS_PER_EXTENT]; /* ascending */
};

/* x, hdr, counts and reuse are set.  After a failure, too, recut_clear() is needed. */
int recut_init(struct recut *k, struct error **err);
void recut_clear(struct recut *k);

void changed_add(struct changed *c, const struct vma_trailer_entry *e, const uint8_t *cluster);

/* Settles a frame that vma_reuse_next() gave, and takes those of c that belong between its leftovers. */
int recut_settle(struct recut *k, uint32_t frame, struct changed *c, struct error **err);
/* Takes those of c that are left; empties it. */
int recut_changed(struct recut *k, struct changed *c, struct error **err);
/* Makes a frame of what is left of all calls before. */
int recut_rest(struct recut *k, struct error **err);

#endif
