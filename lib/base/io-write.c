/* Files that are replaced in one step, and files in folders where other users may write. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

#define ACL         "system.posix_acl_access"
#define NAMES_MAX   65536 /* Linux' XATTR_LIST_MAX, and its XATTR_SIZE_MAX */
#define FRESH_TRIES 8

char *io_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

char *io_unfinished_name(const char *path, int pid)
{
	return xasprintf("%s.tmp.%d", path, pid);
}

void io_remove_unfinished(const char *path, int pid)
{
	_cleanup_free_ char *tmp = io_unfinished_name(path, pid);

	unlink(tmp);
}

/* The number of tries is limited because the owner of the folder may create the name again each time. */
int io_create_fresh(const char *path, mode_t mode)
{
	for (int i = 0; i < FRESH_TRIES; i++) {
		int fd;

		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int io_open_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int io_open_own_lock(const char *path)
{
	int fd = io_open_lock(path);
	struct stat st;

	/* other programs that open it run as root, so the mode does not hinder them */
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 077))
		(void)fchmod(fd, 0600);
	return fd;
}

bool io_is_named(int fd, const char *path)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 && lstat(path, &named) == 0 && open_one.st_dev == named.st_dev &&
	       open_one.st_ino == named.st_ino;
}

/* ---- attributes that a new file inherits from the one it replaces ---- */

/* Attributes that a file system or a kernel module maintains, such as hashes of the content, are not. */
static bool is_handed_down(const char *name)
{
	return !strcmp(name, ACL) || !strcmp(name, "security.selinux") || str_prefix(name, "user.", NULL);
}

/* Only a failure to copy the ACL counts, as it would change who may read the file. */
static int copy_xattr(const char *from, int to, const char *name)
{
	_cleanup_free_ char *value = xmalloc(NAMES_MAX);
	const ssize_t n = lgetxattr(from, name, value, NAMES_MAX);

	if (n < 0 || fsetxattr(to, name, value, (size_t)n, 0) < 0)
		return strcmp(name, ACL) || errno == ENODATA ? 0 : -errno;
	return 0;
}

static int copy_xattrs(const char *from, int to)
{
	_cleanup_free_ char *names = xmalloc(NAMES_MAX);
	const ssize_t n = llistxattr(from, names, NAMES_MAX);
	int r = 0;

	/* remove the ACL that the folder gives to each new file */
	(void)fremovexattr(to, ACL);
	for (ssize_t at = 0; r == 0 && at < n; at += (ssize_t)strlen(names + at) + 1)
		if (is_handed_down(names + at))
			r = copy_xattr(from, to, names + at);
	return r;
}

/*
 * pmxcfs gives all files the same owner and mode and refuses to change them.  If the owner cannot be set (we
 * are not root), the file has our group, which must not get the permissions of the old file's group.
 */
static int hand_down(const char *from, const struct stat *old, int to)
{
	mode_t mode = old->st_mode & 0777;
	struct stat new;
	int r = copy_xattrs(from, to);

	if (r < 0 || fstat(to, &new) < 0)
		return r < 0 ? r : -errno;
	if ((new.st_uid != old->st_uid || new.st_gid != old->st_gid) &&
	    fchown(to, old->st_uid, old->st_gid) < 0)
		mode &= 0707;
	if ((new.st_mode & 0777) != mode)
		(void)!fchmod(to, mode);
	return 0;
}

/* ---- replacing a whole file in one step ---- */

static int write_and_sync(int fd, const void *data, size_t len)
{
	int r = io_write_all(fd, data, len);

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* Some network and FUSE file systems cannot fsync folders. */
static int sync_folder(int fd, const char *path, struct error **err)
{
	if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == ENOSYS)
		return 0;
	return error_errno(err, errno, "cannot sync folder '%s'", path);
}

int io_fsync_dir(const char *path, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open folder '%s'", path);
	return sync_folder(fd, path, err);
}

/* If the file system has no RENAME_NOREPLACE, the name is checked first.  pmxcfs has no hard links either. */
static int rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
		return -errno;
	if (access(to, F_OK) == 0)
		return -EEXIST;
	return rename(from, to) < 0 ? -errno : 0;
}

static int rename_over(const char *from, const char *to)
{
	return rename(from, to) < 0 ? -errno : 0;
}

/* how: one of the two above. */
static int rename_and_sync(const char *from, const char *to, int (*how)(const char *from, const char *to),
			   struct error **not_synced, struct error **err)
{
	_cleanup_free_ char *parent = io_parent(to);
	/* opened first, so that after the rename only the sync itself can fail */
	_cleanup_close_ int folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (folder < 0)
		return error_errno(err, errno, "cannot open folder '%s'", parent);
	r = how(from, to);
	if (r < 0)
		return error_errno(err, -r, "unable to rename '%s' to '%s'", from, to);
	if (!not_synced)
		return sync_folder(folder, parent, err);
	sync_folder(folder, parent, not_synced);
	return 0;
}

int io_rename(const char *from, const char *to, struct error **not_synced, struct error **err)
{
	return rename_and_sync(from, to, rename_over, not_synced, err);
}

int io_rename_new(const char *from, const char *to, struct error **not_synced, struct error **err)
{
	return rename_and_sync(from, to, rename_new, not_synced, err);
}

/* Writes the new file next to path, as tmp, and syncs it. */
static int write_beside(const char *path, const char *tmp, const void *data, size_t len, mode_t mode,
			struct error **err)
{
	struct stat old;
	const bool was = lstat(path, &old) == 0 && S_ISREG(old.st_mode);
	_cleanup_close_ int fd = io_create_fresh(tmp, was ? 0600 : mode);
	int r = fd;

	if (fd < 0)
		return error_errno(err, -fd, "cannot create '%s'", tmp);
	if (was)
		r = hand_down(path, &old, fd);
	if (r >= 0)
		r = write_and_sync(fd, data, len);
	return r < 0 ? error_errno(err, -r, "cannot write '%s'", path) : 0;
}

int io_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode,
			 struct error **not_synced, struct error **err)
{
	_cleanup_free_ char *tmp = io_unfinished_name(path, (int)getpid());
	int r = write_beside(path, tmp, data, len, mode, err);

	if (r == 0)
		r = io_rename(tmp, path, not_synced, err);
	/* after the rename there is no such file, which does no harm */
	if (r < 0)
		unlink(tmp);
	return r;
}
