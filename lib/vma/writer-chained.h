/* A worker of VMA_CHAINED: makes frames of work items and of what is left over of frames of the base. */
#ifndef VZDUMP_VMA_WRITER_CHAINED_H
#define VZDUMP_VMA_WRITER_CHAINED_H

#include "vma/writer-recut.h"

struct chained {
	struct pool *pool;
	const struct vma_header *hdr;
	struct writer_counts *counts;
	const struct vma_chain *chain;
	struct vma_reuse *reuse; /* NULL: nothing is taken over */

	struct emitter x;
	struct recut recut;  /* only with reuse */
	struct build extent; /* in the memory of the extent that is packed */
	struct build copies; /* clusters of another disk than the extent's first one */
	/* of the item: what is to be written, and where it is */
	struct changed changed;
	unsigned n_new;
	struct new_cluster {
		struct vma_trailer_entry entry;
		const uint8_t *cluster; /* NULL: it is in a frame already */
	} new[VMA_CLUSTERS_PER_EXTENT];
};

/* The members down to reuse are set.  After a failure, too, chained_clear() is needed. */
int chained_init(struct chained *c, int level, struct error **err);
void chained_clear(struct chained *c);

/* The body of its thread: works until there is nothing left.  A failure makes the pool fail. */
void chained_run(void *chained);

#endif
