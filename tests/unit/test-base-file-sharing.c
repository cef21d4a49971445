/* lib/base/file-sharing: what file systems say of their files. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file-sharing.h"
#include "base/io.h"
#include "base/units.h"
#include "test-file-systems.h"

#define BLOCK  4096
#define BLOCKS 1000 /* more extents than are asked for at once */

static char block[BLOCK];

static int open_in(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void is_known(int fd, uint64_t shared, uint64_t own, const char *what)
{
	struct file_sharing s = { 0 };
	const bool known = file_sharing_get(fd, &s);

	if (!ok(known && s.shared == shared && s.own == own, "%s", what))
		diag("%s, shared %" PRIu64 ", own %" PRIu64, known ? "known" : "not known", s.shared, s.own);
}

/*
 * Every second block is a hole, so that each is an extent; the last one is not whole.  XFS sets space aside
 * for a file that grows, also in the holes.
 */
static bool fill(int fd)
{
	if (ftruncate(fd, (BLOCKS - 1) * 2 * BLOCK + 100) < 0)
		return false;
	for (unsigned i = 0; i < BLOCKS; i++)
		if (io_pwrite_all(fd, block, i == BLOCKS - 1 ? 100 : BLOCK, (off_t)i * 2 * BLOCK) < 0)
			return false;
	return fsync(fd) == 0;
}

static void test_reflinks(const char *type, const char *size)
{
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int fd = -1, copy = -1, part = -1;
	const uint64_t all = (BLOCKS - 1) * BLOCK + 100;
	struct file_clone_range range = { .src_length = 20 * BLOCK };

	if (!fs_mount(type, size, &dir))
		return;
	fd = open_in(dir, "file");
	copy = open_in(dir, "copy");
	part = open_in(dir, "part");
	is_known(fd, 0, 0, "an empty file");
	ok(fill(fd), "%s: a file with many extents and holes", type);
	is_known(fd, 0, all, "its bytes are its own, without the holes");
	range.src_fd = fd;
	ok(ioctl(part, FICLONERANGE, &range) == 0, "another file gets ten of its blocks");
	is_known(fd, 10 * BLOCK, all - 10 * BLOCK, "which are shared now");
	is_known(part, 10 * BLOCK, 0, "in the other one, too");
	ok(ioctl(copy, FICLONE, fd) == 0, "a third one gets all");
	is_known(fd, all, 0, "then nothing is its own");
	ok(io_pwrite_all(copy, block, BLOCK, 0) == 0 && fsync(copy) == 0, "a block of that is written anew");
	is_known(copy, all - BLOCK, BLOCK, "that one is its own");
}

static void test_others(void)
{
	_cleanup_free_ char *ext4 = NULL, *tmpfs = NULL;
	struct file_sharing s;

	if (fs_mount("ext4", "32M", &ext4)) {
		_cleanup_close_ int fd = open_in(ext4, "file");

		ok(fill(fd), "ext4: a file with many extents and holes");
		is_known(fd, 0, (BLOCKS - 1) * BLOCK + 100, "all is its own");
	}
	if (fs_mount("tmpfs", "32M", &tmpfs)) {
		_cleanup_close_ int fd = open_in(tmpfs, "file");
		_cleanup_close_ int folder = open(tmpfs, O_RDONLY | O_CLOEXEC);

		ok(fill(fd) && !file_sharing_get(fd, &s), "tmpfs cannot tell");
		ok(!file_sharing_get(folder, &s), "and a folder is no file");
	}
}

int main(void)
{
	memset(block, 'x', sizeof(block));
	if (!fs_begin()) {
		ok(true, "file systems # skip nothing can be mounted here");
		return done_testing();
	}
	test_reflinks("xfs", "300M");
	test_reflinks("btrfs", "200M");
	test_others();
	fs_end();
	return done_testing();
}
