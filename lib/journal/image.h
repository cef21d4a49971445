/* Allocates images so that a kill never leaves one that no journal lists, and removes them. */
#ifndef VZDUMP_JOURNAL_IMAGE_H
#define VZDUMP_JOURNAL_IMAGE_H

#include "journal/journal.h"
#include "storage/host.h"

/*
 * Allocates an image, in the only safe order: find its id, ask the storage whether that is taken, add it to
 * the journal as JOURNAL_IMAGE, allocate it.  So a kill in between neither leaves an image that no journal
 * lists, nor makes the next run remove an image that is not ours.
 *
 * -EEXIST if the name in *a is taken: that image stays, and the journal does not get it.  If the storage
 * cannot list its images, nothing is allocated either.  If the allocation itself fails, the image may exist,
 * and the journal keeps it.  Caller clears *ret after success.
 */
int journal_alloc_image(struct journal *j, const struct storage *s, const struct volume_alloc *a,
			struct volume *ret, struct error **err);

/*
 * Removes an image that this journal lists, for undoing.  0 also if it is certain that there is no such
 * image.  If that is unknown, because its storage does not answer or is not in storage.cfg any more, it is an
 * error.
 */
int journal_free_image(const struct host *host, const struct journal *j, const char *volid,
		       const struct log *log, struct error **err);

#endif
