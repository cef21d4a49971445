/* Making an image so that it is never lost, and removing it. */
#ifndef VZDUMP_JOURNAL_IMAGE_H
#define VZDUMP_JOURNAL_IMAGE_H

#include "journal/journal.h"
#include "storage/host.h"

/*
 * Allocates an image, in the only order that is safe: find its id, ask the storage whether that is taken,
 * write it down as JOURNAL_IMAGE, make it.  A kill in between then neither leaves an image that no journal
 * knows, nor lets the next run remove one that is somebody else's.
 *
 * -EEXIST if the name that *a gives is taken: that image is left alone, and the journal does not have it.  If
 * the storage cannot list what it has, nothing is made either.  After an error of the allocation itself the
 * image may be there, and the journal keeps it.  Caller clears *ret after success.
 */
int journal_alloc_image(struct journal *j, const struct storage *s, const struct volume_alloc *a,
			struct volume *ret, struct error **err);

/*
 * Removes an image, for undoing.  0 also if it is certain that there is no such image.  Where nobody can say,
 * as its storage is away or not in storage.cfg any more, it is an error, and the image may come back.
 */
int journal_free_image(const struct host *host, const char *volid, const struct log *log, struct error **err);

#endif
