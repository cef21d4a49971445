/* Chooses the storage for a fleecing image, and checks that it has room. */
#ifndef VZDUMP_SOURCE_ROOM_H
#define VZDUMP_SOURCE_ROOM_H

#include "config/formats.h"
#include "storage/storage.h"

/* What images may take on a storage that has less free than its reserve, in bytes: the guest must go on. */
#define ROOM_MIN (16 * UINT64_C(1048576))

/*
 * The storage for the image of this disk: the one that `id` names, or the disk's own if it is NULL.
 * ERR_INVALID for a disk that belongs to no storage; else as storage_get().  Not activated yet.
 */
int room_storage(const struct storage_config *c, const char *id, const struct volume *disk,
		 const struct storage **ret, struct error **err);

/*
 * Checks that an image of `size` bytes fits.  A thin storage is not checked, since it allocates space as
 * needed.  Others reserve the whole image at once, so it must fit, and that is logged.  If a storage cannot
 * report its space, allocating the image decides.
 * promised: bytes of what is free that other images will take first.  device: for the log.
 * -ENOSPC; ERR_UNSUPPORTED for a storage that makes no images.
 */
int room_check(const struct storage *s, enum image_format format, uint64_t size, uint64_t promised,
	       const char *device, const struct log *log, struct error **err);

/*
 * Bytes that the images of a guest may take together; UINT64_MAX: any number.  per_job: of --fleecing-limit,
 * 0 if there is none; guests are saved one after another.  disks: the sum of the sizes of the disks that have
 * an image.  A percentage of them is FLEECING_LIMIT_MIN bytes at least.
 * *ret_why: what decides it, "limit" or "fleecing-limit"; static; NULL: nothing does.
 */
uint64_t room_limit(const struct fleecing_config *c, uint64_t per_job, uint64_t disks, const char **ret_why);
/*
 * Bytes that stay free on a storage with images.  Without reserve= 5 % of it, at most 4 GiB and at most half
 * of what is free, so that a backup does not fill the storage that the guests live on.
 */
uint64_t room_reserve(const struct fleecing_config *c, const struct storage_status *st);

#endif
