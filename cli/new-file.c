#include "new-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

static int exists_already(const char *name, struct error **err)
{
	return error_set(err, -EEXIST, "'%s' exists already; remove it or give another name", name);
}

/* True if the open file is still the one of that name: else its writer has just ended. */
static bool is_named(int fd, const char *part)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 && stat(part, &named) == 0 && open_one.st_dev == named.st_dev &&
	       open_one.st_ino == named.st_ino;
}

static int open_locked(const char *part, struct error **err)
{
	for (;;) {
		int fd = open(part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return error_errno(err, errno, "cannot create '%s'", part);
		/* file systems without locks are none to wait for */
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
			close(fd);
			return error_set(err, -EBUSY, "'%s' is being written by somebody: wait for that", part);
		}
		if (is_named(fd, part))
			return fd;
		close(fd);
	}
}

/* Empty, or it begins as what we write does. */
static bool is_ours(int fd)
{
	static const char *const magics[] = { "VMA", "\x28\xb5\x2f\xfd", "\x1f\x8b", "\x89LZO" };
	char head[4];
	ssize_t n = io_pread_full(fd, head, sizeof(head), 0);

	for (size_t i = 0; n > 0 && i < ARRAY_SIZE(magics); i++) {
		size_t len = strlen(magics[i]);

		if (!memcmp(head, magics[i], (size_t)n < len ? (size_t)n : len))
			return true;
	}
	return n == 0;
}

int new_file_open(struct new_file *f, const char *name, bool replace, struct error **err)
{
	*f = (struct new_file){ .fd = -1 };
	if (!replace && access(name, F_OK) == 0)
		return exists_already(name, err);
	f->name = xstrdup(name);
	f->part = xasprintf("%s.part", name);
	f->fd = open_locked(f->part, err);
	if (f->fd < 0)
		return f->fd;
	if (!is_ours(f->fd)) {
		close(TAKE_FD(f->fd));
		return error_set(err, -EEXIST, "'%s' is in the way and is no archive; rename or remove it", f->part);
	}
	return ftruncate(f->fd, 0) < 0 ? error_errno(err, errno, "cannot empty '%s'", f->part) : 0;
}

static int give_name(const struct new_file *f, bool replace)
{
	if (replace)
		return rename(f->part, f->name);
	if (renameat2(AT_FDCWD, f->part, AT_FDCWD, f->name, RENAME_NOREPLACE) == 0)
		return 0;
	/* NFS and others know no such flag */
	if (errno != EINVAL || access(f->name, F_OK) == 0)
		return -1;
	return rename(f->part, f->name);
}

int new_file_commit(struct new_file *f, bool replace, struct error **err)
{
	_cleanup_free_ char *folder = NULL;
	const char *slash = strrchr(f->name, '/');

	if (fsync(f->fd) < 0)
		return error_errno(err, errno, "cannot write '%s'", f->part);
	if (give_name(f, replace) < 0)
		return errno == EEXIST ? exists_already(f->name, err) :
					 error_errno(err, errno, "cannot rename '%s' to '%s'", f->part, f->name);
	free(TAKE_PTR(f->part));
	folder = !slash ? xstrdup(".") : slash == f->name ? xstrdup("/") :
							    xstrndup(f->name, (size_t)(slash - f->name));
	return io_fsync_dir(folder, err);
}

void new_file_clear(struct new_file *f)
{
	if (f->fd >= 0 && f->part)
		unlink(f->part);
	if (f->fd >= 0)
		close(f->fd);
	free(f->name);
	free(f->part);
	*f = (struct new_file){ .fd = -1 };
}
