/* Opening targets, which changes nothing in them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "restore/nbd-pool.h"
#include "restore/target.h"

#define SLACK (UINT64_C(4) << 20) /* storages round sizes up; Proxmox's vma allows as much */

bool target_is_uri(const char *text)
{
	return str_prefix(text, "nbd:", NULL) || str_prefix(text, "nbds:", NULL) ||
	       str_prefix(text, "nbd+", NULL) || str_prefix(text, "nbds+", NULL);
}

/* Refuses a target that the disk does not fit. */
static int check_size(const struct target *t, uint64_t size, uint64_t max, struct error **err)
{
	off_t have = t->nbd ? (off_t)nbd_pool_size(t->nbd) : lseek(t->fd, 0, SEEK_END);

	if (have < 0)
		return error_errno(err, errno, "cannot find out the size of '%s'", t->path);
	if ((uint64_t)have >= size && (uint64_t)have <= max)
		return 0;
	return error_set(err, ERR_INVALID,
			 "'%s' has %lld bytes, the disk in the archive %" PRIu64
			 "; give a target of that size",
			 t->path, (long long)have, size);
}

static int open_uri(struct target *t, uint64_t size, uint64_t max, struct error **err)
{
	int r = nbd_pool_open(t->path, t->cancel, &t->nbd, err);

	return r < 0 ? r : check_size(t, size, max, err);
}

/* A mistyped device must not become a file that fills the memory. */
static bool is_below_dev(const char *path)
{
	_cleanup_free_ char *folder = io_parent(path);
	_cleanup_free_ char *real = realpath(folder, NULL);

	return real && (!strcmp(real, "/dev") || str_prefix(real, "/dev/", NULL));
}

static int make_file(struct target *t, struct error **err)
{
	if (is_below_dev(t->path))
		return error_set(err, -ENOENT, "device '%s' does not exist, and no file is made below /dev",
				 t->path);
	t->fd = open(t->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, t->mode);
	if (t->fd < 0)
		return error_errno(err, errno, "cannot create '%s'", t->path);
	t->made = true;
	return 0;
}

static int check_kind(struct target *t, struct error **err)
{
	struct stat st;

	if (fstat(t->fd, &st) < 0)
		return error_errno(err, errno, "cannot use '%s'", t->path);
	t->is_block = S_ISBLK(st.st_mode);
	if (!t->is_block && !S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID, "'%s' is neither a file nor a block device; give one",
				 t->path);
	return 0;
}

enum absent {
	ABSENT_IS_ERROR,
	ABSENT_IS_MADE
};

/* With O_EXCL the kernel refuses a device that is mounted or part of another one. */
static int open_path(struct target *t, enum absent absent, struct error **err)
{
	struct stat st;
	bool is_block = stat(t->path, &st) == 0 && S_ISBLK(st.st_mode);
	int r = 0;

	/* shared locks need a file that is open for reading */
	t->fd = open(t->path, O_RDWR | O_CLOEXEC | (is_block ? O_EXCL : 0));
	if (t->fd < 0 && is_block && errno == EBUSY)
		return error_set(err, -EBUSY, "device '%s' is in use (mounted, or part of another device)",
				 t->path);
	if (t->fd < 0)
		r = absent == ABSENT_IS_MADE && errno == ENOENT
			    ? make_file(t, err)
			    : error_errno(err, errno, "cannot open '%s'", t->path);
	return r < 0 ? r : check_kind(t, err);
}

int target_open(struct target *t, const char *path, uint64_t size, struct error **err)
{
	int r;

	t->path = xstrdup(path);
	t->write_zero = true;
	if (target_is_uri(path))
		return open_uri(t, size, UINT64_MAX, err);
	r = open_path(t, ABSENT_IS_MADE, err);
	if (r < 0)
		return r;
	t->sync = t->is_block;
	if (t->is_block)
		return check_size(t, size, UINT64_MAX, err);
	t->anew = true;
	t->write_zero = false;
	return 0;
}

int target_open_existing(struct target *t, const char *path, uint64_t size, enum target_content content,
			 struct error **err)
{
	int r;

	t->path = xstrdup(path);
	t->sync = true;
	t->write_zero = content == TARGET_HOLDS_DATA;
	if (target_is_uri(path))
		return open_uri(t, size, size + SLACK, err);
	r = open_path(t, ABSENT_IS_ERROR, err);
	return r < 0 ? r : check_size(t, size, size + SLACK, err);
}

bool target_is_file(const struct target *t, int fd)
{
	struct stat a, b;

	if (t->fd < 0 || fstat(t->fd, &a) < 0 || fstat(fd, &b) < 0)
		return false;
	if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode))
		return a.st_rdev == b.st_rdev;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool target_is_same(const struct target *a, const struct target *b)
{
	if (a->nbd || b->nbd)
		return a->nbd && b->nbd && !strcmp(a->path, b->path);
	return target_is_file(a, b->fd);
}
