/* Images as files: how they behave, and allocating one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/units.h"
#include "storage/path.h"

static bool reserves_space(const struct storage *s)
{
	return s->preallocation == PREALLOC_FALLOC || s->preallocation == PREALLOC_FULL;
}

void path_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	struct statvfs fs;
	uint64_t block = statvfs(s->path, &fs) == 0 && fs.f_bsize ? fs.f_bsize : 4096;

	/* NFS reports its preferred transfer size (512 KiB), not what the server can free */
	if (block > 64 * KIB)
		block = 4096;
	*ret = (struct image_traits){
		.thin = !reserves_space(s),
		.punches_holes = true,
		.discard_granularity = format == IMAGE_QCOW2 ? 65536 : block,
		.size_granularity = 512,
	};
}

enum image_format path_fleecing_format(const struct storage *s)
{
	(void)s;
	return IMAGE_RAW;
}

/* ---- allocating ---- */

/* For preallocation=full; falloc only reserves the space. */
static int write_zeroes(const struct volume *v, int fd, uint64_t size, const struct cancel *cancel,
			struct error **err)
{
	static const char zeroes[256 * KIB];
	int r = 0;

	for (uint64_t at = 0, n; at < size && r == 0; at += n) {
		n = size - at < sizeof(zeroes) ? size - at : sizeof(zeroes);
		r = io_pwrite_all(fd, zeroes, n, (off_t)at);
		if (r < 0)
			return error_errno(err, -r, "cannot fill '%s' with zeroes", v->path);
		r = cancel_check(cancel, err);
	}
	return r;
}

static int alloc_raw(const struct volume *v, int fd, uint64_t size, const struct cancel *cancel,
		     struct error **err)
{
	int r;

	if (ftruncate(fd, (off_t)size) < 0)
		return error_errno(err, errno, "cannot set the size of '%s'", v->path);
	if (!reserves_space(v->storage))
		return 0;
	if (v->storage->preallocation == PREALLOC_FULL)
		return write_zeroes(v, fd, size, cancel, err);
	do
		r = posix_fallocate(fd, 0, (off_t)size);
	while (r == EINTR);
	return r ? error_errno(err, r, "cannot reserve %" PRIu64 " bytes for '%s'", size, v->path) : 0;
}

/* PVE uses no preallocation with vmdk. */
static int alloc_vmdk(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *bytes = xasprintf("%" PRIu64, size);
	const char *const argv[] = { "qemu-img", "create", "-q", "-f", "vmdk", v->path, bytes, NULL };
	const struct process_options o = { .cancel = cancel };

	return process_run_ok(argv, &o, NULL, err);
}

static int alloc_qcow2(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	/* indexed by enum preallocation */
	static const char *const modes[] = { "preallocation=metadata", "preallocation=off",
					     "preallocation=metadata", "preallocation=falloc",
					     "preallocation=full" };
	_cleanup_free_ char *bytes = xasprintf("%" PRIu64, size);
	const char *const argv[] = {
		"qemu-img", "create", "-q", "-f", "qcow2", "-o", modes[v->storage->preallocation],
		v->path,    bytes,    NULL
	};
	const struct process_options o = { .cancel = cancel };

	return process_run_ok(argv, &o, NULL, err);
}

void path_remove_empty_dir(const char *image)
{
	_cleanup_free_ char *dir = io_parent(image);

	(void)rmdir(dir);
}

int path_create_file(const struct volume *v, struct error **err)
{
	_cleanup_free_ char *dir = io_parent(v->path);
	int r = io_mkdir_p(dir, 0755, err);
	int fd;

	if (r < 0)
		return r;
	fd = open(v->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 && errno == EEXIST)
		return error_set(err, -EEXIST, "disk image '%s' already exists", v->path);
	if (fd < 0)
		return error_errno(err, errno, "cannot create '%s'", v->path);
	return fd;
}

int path_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (v->format == IMAGE_SUBVOL)
		return error_set(
			err, ERR_UNSUPPORTED,
			"format 'subvol' is for containers and cannot be allocated here: use raw or qcow2");
	if (size > INT64_MAX)
		return error_set(err, ERR_INVALID, "size %" PRIu64 " is too large for a file", size);
	fd = path_create_file(v, err);
	if (fd < 0)
		return fd;
	r = v->format == IMAGE_RAW     ? alloc_raw(v, fd, size, cancel, err)
	    : v->format == IMAGE_QCOW2 ? alloc_qcow2(v, size, cancel, err)
				       : alloc_vmdk(v, size, cancel, err);
	if (r < 0) {
		unlink(v->path);
		path_remove_empty_dir(v->path);
		return r;
	}
	return 0;
}
