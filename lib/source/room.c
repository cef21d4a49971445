#include "source/room.h"

#include <errno.h>

#include "base/units.h"

int room_storage(const struct storage_config *c, const char *id, const struct volume *disk,
		 const struct storage **ret, struct error **err)
{
	if (!id && !disk->storage)
		return error_set(err, ERR_INVALID,
				 "'%s' belongs to no storage: say where its fleecing image goes with "
				 "--fleecing enabled=1,storage=<storage>",
				 disk->volid);
	return storage_get(c, id ? id : disk->storage->id, STORAGE_IMAGES, ret, err);
}

/* Of what is free, what those that come first leave. */
static uint64_t left_over(uint64_t avail, uint64_t promised)
{
	return avail > promised ? avail - promised : 0;
}

int room_check(const struct storage *s, enum image_format format, uint64_t size, uint64_t promised,
	       const char *device, const struct log *log, struct error **err)
{
	_cleanup_free_ char *full = units_bytes(size, 1), *avail = NULL;
	struct image_traits traits;
	struct storage_status st;

	if (!s->ops->alloc)
		return error_set(err, ERR_UNSUPPORTED,
				 "images cannot be made on storages of type '%s': name another storage "
				 "with --fleecing enabled=1,storage=<storage>",
				 s->type);
	storage_traits(s, format, &traits);
	if (traits.thin)
		return 0;
	log_info(log,
		 "%s: fleecing image on storage '%s' reserves its full size (%s) for the time of the "
		 "backup, since the storage is not thin-provisioned",
		 device, s->id, full);
	if (storage_status(s, &st, NULL) < 0 || left_over(st.avail, promised) >= size)
		return 0;
	avail = units_bytes(left_over(st.avail, promised), 1);
	return error_set(err, -ENOSPC,
			 "storage '%s' has only %s free, but reserves the full size of the image (%s): "
			 "free space on it, or name another storage with --fleecing "
			 "enabled=1,storage=<storage>",
			 s->id, avail, full);
}
