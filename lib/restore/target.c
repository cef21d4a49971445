#include "restore/target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

#define SLACK     (UINT64_C(4) << 20) /* storages round sizes up; as Proxmox's vma allows */
#define WRITE_STEP ((size_t)64 << 10)
#define ZERO_STEP ((uint64_t)1 << 20)

static int write_error(const struct target *t, int errnum, uint64_t offset, struct error **err)
{
	return error_errno(err, errnum, "cannot write '%s' at byte %" PRIu64, t->path, offset);
}

static int set_size(const struct target *t, uint64_t size, struct error **err)
{
	if (ftruncate(t->fd, (off_t)size) < 0)
		return error_errno(err, errno, "cannot make '%s' %" PRIu64 " bytes large", t->path,
				   size);
	return 0;
}

void target_init(struct target *t)
{
	*t = (struct target){ .fd = -1 };
	pthread_mutex_init(&t->lock, NULL);
}

bool target_is_open(const struct target *t)
{
	return t->fd >= 0 || t->nbd;
}

bool target_is_uri(const char *text)
{
	return str_prefix(text, "nbd:", NULL) || str_prefix(text, "nbds:", NULL) ||
	       str_prefix(text, "nbd+", NULL) || str_prefix(text, "nbds+", NULL);
}

int target_create(struct target *t, const char *path, uint64_t size, struct error **err)
{
	t->path = xstrdup(path);
	t->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (t->fd < 0)
		return error_errno(err, errno, "cannot create '%s'", path);
	return set_size(t, size, err);
}

/* Refuses what the disk does not fit on. */
static int check_size(const struct target *t, uint64_t size, uint64_t max, struct error **err)
{
	off_t have = t->nbd ? (off_t)nbd_pool_size(t->nbd) : lseek(t->fd, 0, SEEK_END);

	if (have < 0)
		return error_errno(err, errno, "cannot tell the size of '%s'", t->path);
	if ((uint64_t)have >= size && (uint64_t)have <= max)
		return 0;
	return error_set(err, ERR_INVALID,
			 "'%s' has %lld bytes, the disk in the archive %" PRIu64
			 "; give a target of that size",
			 t->path, (long long)have, size);
}

static int find_type(struct target *t, const char *path, struct error **err)
{
	struct stat st;

	t->path = xstrdup(path);
	if (fstat(t->fd, &st) < 0)
		return error_errno(err, errno, "cannot use '%s'", path);
	t->is_block = S_ISBLK(st.st_mode);
	if (!t->is_block && !S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID,
				 "'%s' is neither a file nor a block device; give one", path);
	return 0;
}

static int open_uri(struct target *t, const char *uri, uint64_t size, uint64_t max,
		    struct error **err)
{
	int r = nbd_pool_open(uri, &t->nbd, err);

	t->path = xstrdup(uri);
	return r < 0 ? r : check_size(t, size, max, err);
}

/* With O_EXCL the kernel refuses a device that is mounted or part of another one. */
static int open_device_or_file(const char *path, int file_flags, struct error **err)
{
	struct stat st;
	bool is_block = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
	int fd = open(path, O_WRONLY | O_CLOEXEC | (is_block ? O_EXCL : file_flags), 0644);

	if (fd < 0 && is_block && errno == EBUSY)
		return error_set(err, -EBUSY, "device '%s' is in use (mounted, or part of another device)",
				 path);
	return fd < 0 ? error_errno(err, errno, "cannot open '%s'", path) : fd;
}

int target_open(struct target *t, const char *path, uint64_t size, struct error **err)
{
	int r;

	if (target_is_uri(path)) {
		t->write_zero = true;
		return open_uri(t, path, size, UINT64_MAX, err);
	}
	t->fd = open_device_or_file(path, O_CREAT, err);
	if (t->fd < 0)
		return t->fd;
	r = find_type(t, path, err);
	if (r < 0)
		return r;
	t->write_zero = t->is_block;
	if (t->is_block)
		return check_size(t, size, UINT64_MAX, err);
	r = set_size(t, 0, err);
	return r < 0 ? r : set_size(t, size, err);
}

int target_existing(struct target *t, const char *path, uint64_t size, bool write_zero,
		    struct error **err)
{
	int r;

	t->write_zero = write_zero;
	if (target_is_uri(path))
		return open_uri(t, path, size, size + SLACK, err);
	t->fd = open_device_or_file(path, 0, err);
	if (t->fd < 0)
		return t->fd;
	r = find_type(t, path, err);
	return r < 0 ? r : check_size(t, size, size + SLACK, err);
}

int target_write(struct target *t, uint64_t offset, const void *data, size_t len,
		     struct error **err)
{
	int r = 0;

	if (t->nbd)
		return nbd_pool_write(t->nbd, offset, data, len, err);
	pthread_mutex_lock(&t->lock);
	for (size_t at = 0; r == 0 && at < len; at += WRITE_STEP) {
		size_t now = len - at < WRITE_STEP ? len - at : WRITE_STEP;

		r = io_pwrite_all(t->fd, (const char *)data + at, now, (off_t)(offset + at));
	}
	pthread_mutex_unlock(&t->lock);
	return r < 0 ? write_error(t, -r, offset, err) : 0;
}

static int write_zeroes(struct target *t, uint64_t offset, uint64_t len,
			struct error **err)
{
	_cleanup_free_ void *zero = xcalloc(1, ZERO_STEP);
	int r = 0;

	while (len && r == 0) {
		uint64_t now = len < ZERO_STEP ? len : ZERO_STEP;

		r = target_write(t, offset, zero, (size_t)now, err);
		offset += now;
		len -= now;
	}
	return r;
}

/* A hole reads as zeroes, on devices too or the kernel refuses it. */
int target_zero(struct target *t, uint64_t offset, uint64_t len, struct error **err)
{
	if (!t->write_zero)
		return 0;
	if (t->nbd) {
		int r = nbd_pool_zero(t->nbd, offset, len, err);

		return r == ERR_UNSUPPORTED ? write_zeroes(t, offset, len, err) : r;
	}
	if (fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		      (off_t)len) == 0)
		return 0;
	return write_zeroes(t, offset, len, err);
}

int target_finish(struct target *t, bool sync, struct error **err)
{
	int r = 0;

	if (t->nbd) {
		r = nbd_pool_flush(t->nbd, err);
		nbd_pool_free(TAKE_PTR(t->nbd));
		return r;
	}
	if ((t->is_block || sync) && fsync(t->fd) < 0)
		return error_errno(err, errno, "cannot write '%s'", t->path);
	if (close(TAKE_FD(t->fd)) < 0)
		return error_errno(err, errno, "cannot write '%s'", t->path);
	if (t->final && rename(t->path, t->final) < 0)
		return error_errno(err, errno, "cannot rename '%s' to '%s'", t->path, t->final);
	return 0;
}

void target_clear(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	nbd_pool_free(t->nbd);
	free(t->path);
	free(t->final);
	pthread_mutex_destroy(&t->lock);
	*t = (struct target){ .fd = -1 };
}
