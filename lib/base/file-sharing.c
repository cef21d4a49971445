#include "base/file-sharing.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file-system.h"

#define EXTENTS 256 /* asked for at once */

/* 14 KiB: on the stack. */
union request {
	struct fiemap map;
	char room[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
};

/* The part of an extent before the end of the file, which need not end with a block. */
static uint64_t length_before(const struct fiemap_extent *e, uint64_t size)
{
	const uint64_t left = e->fe_logical < size ? size - e->fe_logical : 0;

	return e->fe_length < left ? e->fe_length : left;
}

/* Adds the extents from start on.  Returns where to go on, `size` at the end, or 0 if that failed. */
static uint64_t add_extents(int fd, uint64_t start, uint64_t size, struct file_sharing *sum)
{
	union request r = {
		.map = { .fm_start = start, .fm_length = size - start, .fm_extent_count = EXTENTS }
	};
	const struct fiemap_extent *e = r.map.fm_extents;
	uint64_t next = size;

	if (ioctl(fd, FS_IOC_FIEMAP, &r.map) < 0)
		return 0;
	for (uint32_t i = 0; i < r.map.fm_mapped_extents; i++, e++) {
		*(e->fe_flags & FIEMAP_EXTENT_SHARED ? &sum->shared : &sum->own) += length_before(e, size);
		next = e->fe_flags & FIEMAP_EXTENT_LAST ? size : e->fe_logical + e->fe_length;
	}
	/* an extent without length would be found again and again */
	return next > start ? next : 0;
}

/* Those that another machine has are known by it alone, even if they list extents, as CIFS does. */
static bool can_tell(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && file_system_kind(&fs) == FILE_SYSTEM_LOCAL;
}

bool file_sharing_get(int fd, struct file_sharing *ret)
{
	struct file_sharing sum = { 0 };
	struct stat st;
	uint64_t at = 0;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !can_tell(fd))
		return false;
	while (at < (uint64_t)st.st_size) {
		at = add_extents(fd, at, (uint64_t)st.st_size, &sum);
		if (!at)
			return false;
	}
	*ret = sum;
	return true;
}
