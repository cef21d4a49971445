#include "source/room.h"

#include <errno.h>

#include "base/units.h"

/* Nobody needs more free space than that to go on for a while. */
#define RESERVE_MAX (4 * GIB)

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

/* The bytes of a limit or a reserve; whole: what a percentage is of. */
static uint64_t amount_of(const struct fleecing_amount *a, uint64_t whole)
{
	return a->percent ? whole / 100 * a->percent + whole % 100 * a->percent / 100 : a->bytes;
}

uint64_t room_limit(const struct fleecing_config *c, uint64_t per_job, uint64_t disks, const char **ret_why)
{
	uint64_t bytes = c->limit.set ? amount_of(&c->limit, disks) : UINT64_MAX;

	if (bytes < FLEECING_LIMIT_MIN)
		bytes = FLEECING_LIMIT_MIN;
	*ret_why = c->limit.set ? "limit" : NULL;
	if (!per_job || per_job >= bytes)
		return bytes;
	*ret_why = "fleecing-limit";
	return per_job;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t room_reserve(const struct fleecing_config *c, const struct storage_status *st)
{
	const struct fleecing_amount usual = { .percent = 5 };
	const uint64_t bytes = amount_of(c->reserve.set ? &c->reserve : &usual, st->total);

	if (c->reserve.set)
		return bytes;
	/* a storage that is full already is no reason to slow the guest from the beginning */
	return least(least(bytes, RESERVE_MAX), st->avail / 2);
}
