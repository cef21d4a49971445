#include "new-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/lock-holder.h"
#include "base/mem.h"

static int exists_already(const char *name, struct error **err)
{
	return error_set(err, -EEXIST, "'%s' exists already; remove it or give another name", name);
}

static int being_written(const char *part, struct error **err)
{
	_cleanup_free_ char *holder = lock_holder_text(part);

	return error_set(err, -EBUSY, "'%s' is being written by another process: wait for that (it is %s)",
			 part, holder);
}

static int open_locked(const char *part, struct error **err)
{
	for (;;) {
		int fd = open(part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return error_errno(err, errno, "cannot create '%s'", part);
		/* on a file system without locks, no other writer can be seen */
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
			close(fd);
			return being_written(part, err);
		}
		if (io_is_named(fd, part))
			return fd;
		/* its writer has just ended */
		close(fd);
	}
}

/* True if it is empty or begins like an archive, and has no other name by which it may be needed. */
static bool is_ours(int fd)
{
	static const char *const magics[] = { "VMA", "\x28\xb5\x2f\xfd", "\x1f\x8b", "\x89LZO" };
	char head[4];
	ssize_t n = io_pread_full(fd, head, sizeof(head), 0);
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_nlink > 1)
		return false;
	for (size_t i = 0; n > 0 && i < ARRAY_SIZE(magics); i++) {
		size_t len = strlen(magics[i]);

		if (!memcmp(head, magics[i], (size_t)n < len ? (size_t)n : len))
			return true;
	}
	return n == 0;
}

int new_file_open(struct new_file *f, const char *name, enum new_file_mode mode, struct error **err)
{
	*f = (struct new_file){ .fd = -1, .mode = mode };
	if (mode == NEW_FILE_CREATES && access(name, F_OK) == 0)
		return exists_already(name, err);
	f->name = xstrdup(name);
	f->part = xasprintf("%s.part", name);
	f->fd = open_locked(f->part, err);
	if (f->fd < 0)
		return f->fd;
	if (!is_ours(f->fd)) {
		close(TAKE_FD(f->fd));
		return error_set(err, -EEXIST,
				 "'%s' is in the way and is not an archive; rename or remove it", f->part);
	}
	return ftruncate(f->fd, 0) < 0 ? error_errno(err, errno, "cannot empty '%s'", f->part) : 0;
}

int new_file_commit(struct new_file *f, struct error **err)
{
	const bool replace = f->mode == NEW_FILE_REPLACES;
	_cleanup_error_ struct error *not_synced = NULL;
	int r;

	if (fsync(f->fd) < 0)
		return error_errno(err, errno, "cannot write '%s'", f->part);
	r = replace ? io_rename(f->part, f->name, &not_synced, err)
		    : io_rename_new(f->part, f->name, &not_synced, err);
	if (r < 0)
		return r == -EEXIST ? exists_already(f->name, err) : r;
	free(TAKE_PTR(f->part));
	if (not_synced)
		fprintf(stderr, "warning: '%s' is complete, but %s may be lost in a power cut: %s\n", f->name,
			replace ? "this version" : "it", error_message(not_synced));
	return 0;
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
