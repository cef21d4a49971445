/* No QEMU may have open what vma extract fills meanwhile: see storage/image-lock.h. */
#include <errno.h>

#include "restore/target.h"
#include "storage/image-lock.h"

/* False if somebody else has the lock.  True where the file system knows no locks. */
static bool take_lock(int fd, int base, unsigned permission)
{
	struct flock l = image_lock(base, permission, F_RDLCK);

	return fcntl(fd, F_OFD_SETLK, &l) == 0 || (errno != EAGAIN && errno != EACCES);
}

int target_lock(const struct target *t, struct error **err)
{
	bool is_free = true;

	if (t->fd < 0)
		return 0;
	/* first all are taken, then looked at: of two that come at once, at least one sees the other */
	for (unsigned i = 0; is_free && i < IMAGE_PERMISSIONS; i++)
		is_free = take_lock(t->fd, IMAGE_LOCK_USES, i) && take_lock(t->fd, IMAGE_LOCK_KEEPS, i);
	for (unsigned i = 0; is_free && i < IMAGE_PERMISSIONS; i++)
		is_free = !image_lock_is_held(t->fd, IMAGE_LOCK_USES, i) &&
			  !image_lock_is_held(t->fd, IMAGE_LOCK_KEEPS, i);
	if (is_free)
		return 0;
	return error_set(err, -EBUSY, "a QEMU has '%s' open; end the guest, or give another target", t->path);
}
