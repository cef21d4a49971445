/* Unmounts an archive again. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/process.h"
#include "mount/mounted.h"
#include "mount/vmafs.h"

static int in_use(const char *dir, struct error **err)
{
	return error_set(
		err, -EBUSY,
		"cannot unmount '%s': it is in use; fuser -vm '%s' shows by whom (end that, and try again)",
		dir, dir);
}

static int by_fusermount(const char *dir, struct error **err)
{
	const char *const argv[] = { "fusermount3", "-u", "--", dir, NULL };
	struct process_result result = { 0 };
	int r = process_run(argv, NULL, &result, err);

	if (r == 0 && result.status == 127)
		r = error_set(err, ERR_NOT_FOUND, "there is no fusermount3; install the package fuse3");
	else if (r == 0 && result.status != 0 && strstr(result.errout, "busy"))
		r = in_use(dir, err);
	else if (r == 0 && result.status != 0)
		r = error_set(err, ERR_PEER, "cannot unmount '%s': %s", dir, result.errout);
	process_result_clear(&result);
	return r;
}

int vmafs_unmount(const char *dir, struct error **err)
{
	_cleanup_free_ char *path = vmafs_real_path(dir);

	if (!path)
		return error_errno(err, errno, "cannot unmount '%s'", dir);
	if (!vmafs_is_mounted(path))
		return error_set(err, ERR_INVALID, "no archive is mounted at '%s' by vma mount", dir);
	if (geteuid() != 0)
		return by_fusermount(path, err);
	if (umount2(path, UMOUNT_NOFOLLOW) == 0)
		return 0;
	return errno == EBUSY ? in_use(dir, err) : error_errno(err, errno, "cannot unmount '%s'", dir);
}
