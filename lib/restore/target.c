#include "restore/target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "restore/nbd-pool.h"

#define WRITE_STEP ((size_t)256 << 10)
#define ZERO_STEP  ((uint64_t)1 << 20)
#define FLUSH_STEP ((size_t)8 << 20)

static int write_error(const struct target *t, int errnum, uint64_t offset, struct error **err)
{
	return error_errno(err, errnum, "cannot write '%s' at byte %" PRIu64, t->path, offset);
}

static int set_size(const struct target *t, uint64_t size, struct error **err)
{
	if (ftruncate(t->fd, (off_t)size) < 0)
		return error_errno(err, errno, "cannot make '%s' %" PRIu64 " bytes large", t->path, size);
	return 0;
}

void target_init(struct target *t)
{
	*t = (struct target){ .fd = -1, .mode = 0600 };
	pthread_mutex_init(&t->lock, NULL);
}

bool target_is_open(const struct target *t)
{
	return t->fd >= 0 || t->nbd;
}

int target_create(struct target *t, const char *path, uint64_t size, struct error **err)
{
	t->path = xstrdup(path);
	t->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, t->mode);
	if (t->fd < 0)
		return error_errno(err, errno, "cannot create '%s'", path);
	return set_size(t, size, err);
}

int target_begin(struct target *t, uint64_t size, struct error **err)
{
	int r = t->anew ? set_size(t, 0, err) : 0;

	if (r == 0 && t->anew)
		r = set_size(t, size, err);
	t->anew = false;
	return r;
}

/*
 * Now and then the kernel is told to start writing out cached data.  Otherwise it would first fill much of
 * the machine's memory, and the sync at the end would wait for all of it.
 */
static bool is_time_to_flush(struct target *t, size_t len)
{
	t->held += len;
	if (t->held < FLUSH_STEP)
		return false;
	t->held = 0;
	return true;
}

int target_write(struct target *t, uint64_t offset, const void *data, size_t len, struct error **err)
{
	bool flush;
	int r = 0;

	if (t->nbd)
		return nbd_pool_write(t->nbd, offset, data, len, err);
	pthread_mutex_lock(&t->lock);
	for (size_t at = 0; r == 0 && at < len; at += WRITE_STEP) {
		size_t now = len - at < WRITE_STEP ? len - at : WRITE_STEP;

		r = io_pwrite_all(t->fd, (const char *)data + at, now, (off_t)(offset + at));
	}
	flush = is_time_to_flush(t, len);
	pthread_mutex_unlock(&t->lock);
	if (r < 0)
		return write_error(t, -r, offset, err);
	/* fsync() reports its errors again */
	if (flush && t->sync)
		sync_file_range(t->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

static int write_zeroes(struct target *t, uint64_t offset, uint64_t len, struct error **err)
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

/* A hole reads as zeroes; on a device where it would not, the kernel refuses to make it. */
int target_zero(struct target *t, uint64_t offset, uint64_t len, struct error **err)
{
	if (!t->write_zero)
		return 0;
	if (t->nbd) {
		int r = nbd_pool_zero(t->nbd, offset, len, err);

		return r == ERR_UNSUPPORTED ? write_zeroes(t, offset, len, err) : r;
	}
	if (fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) == 0)
		return 0;
	return write_zeroes(t, offset, len, err);
}

static int sync_folder(const struct target *t, struct error **err)
{
	_cleanup_free_ char *folder = io_parent(t->path);

	return io_fsync_dir(folder, err);
}

int target_finish(struct target *t, struct error **err)
{
	int r = 0;

	if (t->nbd) {
		r = nbd_pool_flush(t->nbd, err);
		nbd_pool_free(TAKE_PTR(t->nbd));
		return r;
	}
	if (t->sync && fsync(t->fd) < 0)
		return error_errno(err, errno, "cannot write '%s'", t->path);
	if (close(TAKE_FD(t->fd)) < 0)
		return error_errno(err, errno, "cannot write '%s'", t->path);
	if (t->final && rename(t->path, t->final) < 0)
		return error_errno(err, errno, "cannot rename '%s' to '%s'", t->path, t->final);
	return t->made && t->sync ? sync_folder(t, err) : 0;
}

void target_clear(struct target *t)
{
	if (t->made && t->anew)
		unlink(t->path);
	if (t->fd >= 0)
		close(t->fd);
	nbd_pool_free(t->nbd);
	free(t->path);
	free(t->final);
	pthread_mutex_destroy(&t->lock);
	*t = (struct target){ .fd = -1 };
}
