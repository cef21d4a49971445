/*
 * The locks by which QEMU and its tools avoid using one image at the same time.
 *
 * QEMU's file-posix driver holds a shared lock on byte 100 + n of the image for each permission n that it
 * uses, and on byte 200 + n for each that it does not share; then it checks that nobody holds the
 * counterpart.  Fact: block/file-posix.c, 2.10 to 11.1, for files and block devices alike.
 */
#ifndef VZDUMP_STORAGE_IMAGE_LOCK_H
#define VZDUMP_STORAGE_IMAGE_LOCK_H

#include <fcntl.h>
#include <stdbool.h>

enum image_permission {
	IMAGE_READS,
	IMAGE_WRITES,
	IMAGE_WRITES_UNCHANGED,
	IMAGE_RESIZES,
	IMAGE_PERMISSIONS
};

#define IMAGE_LOCK_USES  100
#define IMAGE_LOCK_KEEPS 200

static inline struct flock image_lock(int base, unsigned permission, short type)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = base + (int)permission, .l_len = 1
	};
}

/*
 * True if the lock is held through another descriptor; also on another host if the network file system
 * carries locks.  Takes no lock itself; fd may be read-only.
 */
static inline bool image_lock_is_held(int fd, int base, unsigned permission)
{
	struct flock l = image_lock(base, permission, F_WRLCK);

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

#endif
