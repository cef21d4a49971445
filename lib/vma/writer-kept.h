/* Takes the kept frames of the base over into the new archive, after all new ones. */
#ifndef VZDUMP_VMA_WRITER_KEPT_H
#define VZDUMP_VMA_WRITER_KEPT_H

#include "vma/reuse.h"
#include "vma/writer-file.h"

struct kept_counts {
	uint64_t bytes; /* of the file */
	uint32_t frames;
	uint64_t clusters;
};

/*
 * Before each part is copied check(opaque) says whether to go on.  If the base cannot be read, the message
 * says so, and how to go on without it.
 */
int kept_take_over(const struct vma_reuse *u, struct writer_file *f,
		   int (*check)(void *opaque, struct error **err), void *opaque, struct kept_counts *ret,
		   struct error **err);

#endif
