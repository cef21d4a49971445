/*
 * The locks by which QEMU and its tools keep two of them from one image.
 *
 * QEMU's file-posix driver holds a shared lock on byte 100 + n of the image for each permission n that it
 * uses, and on byte 200 + n for each that it leaves to nobody else; then it looks whether anybody holds
 * the counterpart.  Fact: block/file-posix.c, 2.10 to 10.1, for files and block devices alike.
 */
#include <errno.h>
#include <fcntl.h>

#include "restore/target.h"

#define USES         100
#define KEEPS        200
#define PERMISSIONS  4u /* consistent read, write, write unchanged, resize */

static struct flock lock_of(int base, unsigned permission, short type)
{
	return (struct flock){ .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = base + (int)permission,
			       .l_len = 1 };
}

/* False if it is somebody's.  A file system that knows no locks has none to ask for. */
static bool take(int fd, int base, unsigned permission)
{
	struct flock l = lock_of(base, permission, F_RDLCK);

	return fcntl(fd, F_OFD_SETLK, &l) == 0 || (errno != EAGAIN && errno != EACCES);
}

static bool is_anybodys(int fd, int base, unsigned permission)
{
	struct flock l = lock_of(base, permission, F_WRLCK);

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

int target_lock(const struct target *t, struct error **err)
{
	bool is_free = true;

	if (t->fd < 0)
		return 0;
	/* first all, then the look: of two that come at once, one at least sees the other */
	for (unsigned i = 0; is_free && i < PERMISSIONS; i++)
		is_free = take(t->fd, USES, i) && take(t->fd, KEEPS, i);
	for (unsigned i = 0; is_free && i < PERMISSIONS; i++)
		is_free = !is_anybodys(t->fd, USES, i) && !is_anybodys(t->fd, KEEPS, i);
	if (is_free)
		return 0;
	return error_set(err, -EBUSY, "a QEMU has '%s' open; end the guest, or give another target", t->path);
}
