/* Which storage a fleecing image goes to, and whether it has room for it. */
#ifndef VZDUMP_SOURCE_ROOM_H
#define VZDUMP_SOURCE_ROOM_H

#include "storage/storage.h"

/*
 * The storage for the image of this disk: the one that `id` names, or without (NULL) the disk's own.
 * ERR_INVALID for a disk that belongs to no storage; else as storage_get().  Not activated yet.
 */
int room_storage(const struct storage_config *c, const char *id, const struct volume *disk,
		 const struct storage **ret, struct error **err);

/*
 * Whether an image of `size` bytes fits.  A thin storage is not asked, since space is taken as it is needed;
 * elsewhere the whole image is reserved at once, which is logged, so it must fit.  If a storage cannot report
 * its space, allocating the image decides.
 * device: for the log.  -ENOSPC; ERR_UNSUPPORTED for a storage that makes no images.
 */
int room_check(const struct storage *s, enum image_format format, uint64_t size, const char *device,
	       const struct log *log, struct error **err);

#endif
