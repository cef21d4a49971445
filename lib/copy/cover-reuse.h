/*
 * A disk's cover as the reuse of an incremental backup uses it (struct vma_reuse_ops), from the threads of
 * the writer.  What it says to the copying thread waits in two lists, which that thread takes:
 *
 *	released	done, and not needed from the guest any more: to be TRIMmed
 *	again		to be read (again), since the frame of the base that stores them is bad
 *
 * The lock is held for a moment only, and no other one is taken while it is.
 */
#ifndef VZDUMP_COPY_COVER_REUSE_H
#define VZDUMP_COPY_COVER_REUSE_H

#include <pthread.h>

#include "copy/cover.h"
#include "copy/run.h"
#include "vma/reuse.h"

struct cover_reuse {
	struct cover *cover; /* borrowed */
	int wake_fd;         /* an eventfd that is written to when something is on the lists */
	pthread_mutex_t lock;
	struct runs released, again;
};

/* opaque is a struct cover_reuse. */
extern const struct vma_reuse_ops cover_reuse_ops;

void cover_reuse_init(struct cover_reuse *r, struct cover *c, int wake_fd);
/* No other thread uses it any more. */
void cover_reuse_clear(struct cover_reuse *r);

/*
 * Moves what waits into the two lists, which are empty; they keep their memory for the next time.  Returns
 * whether there is anything.
 */
bool cover_reuse_take(struct cover_reuse *r, struct runs *ret_released, struct runs *ret_again);

#endif
