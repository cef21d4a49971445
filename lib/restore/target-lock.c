/* Keeps QEMUs from opening an image while vma extract fills it: see storage/image-lock.h. */
#include <errno.h>

#include "restore/target.h"
#include "storage/image-lock.h"

/* False if another process has the lock.  True if the file system has no locks. */
static bool take_image_lock(int fd, int base, unsigned permission)
{
	struct flock l = image_lock(base, permission, F_RDLCK);

	return fcntl(fd, F_OFD_SETLK, &l) == 0 || (errno != EAGAIN && errno != EACCES);
}

int target_lock(const struct target *t, struct error **err)
{
	bool is_free = true;

	if (t->fd < 0)
		return 0;
	/* all are taken before any is checked, so of two processes at least one sees the other */
	for (unsigned i = 0; is_free && i < IMAGE_PERMISSIONS; i++)
		is_free = take_image_lock(t->fd, IMAGE_LOCK_USES, i) &&
			  take_image_lock(t->fd, IMAGE_LOCK_KEEPS, i);
	for (unsigned i = 0; is_free && i < IMAGE_PERMISSIONS; i++)
		is_free = !image_lock_is_held(t->fd, IMAGE_LOCK_USES, i) &&
			  !image_lock_is_held(t->fd, IMAGE_LOCK_KEEPS, i);
	if (is_free)
		return 0;
	return error_set(err, -EBUSY, "a QEMU has '%s' open; end the guest, or give another target", t->path);
}
