#include "vma-image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

void image_init(struct image *i)
{
	*i = (struct image){ .fd = -1 };
}

int image_open(struct image *i, const char *path, struct error **err)
{
	off_t size;

	i->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (i->fd < 0)
		return error_errno(err, errno, "cannot open image '%s'", path);
	size = lseek(i->fd, 0, SEEK_END);
	if (size <= 0)
		return error_set(err, ERR_INVALID,
				 "image '%s' is empty or has no size; give a file or block device", path);
	i->size = (uint64_t)size;
	return 0;
}

int image_read(const struct image *i, uint64_t offset, void *data, size_t len, struct error **err)
{
	size_t there = i->size - offset < len ? (size_t)(i->size - offset) : len;
	ssize_t n = io_pread_full(i->fd, data, there, (off_t)offset);

	if (n != (ssize_t)there)
		return error_errno(err, n < 0 ? (int)-n : EIO, "cannot read byte %" PRIu64, offset);
	memset((char *)data + there, 0, len - there);
	return 0;
}

uint64_t image_next_data(struct image *i, uint64_t offset)
{
	off_t at = lseek(i->fd, (off_t)offset, SEEK_DATA);

	if (at < 0)
		return errno == ENXIO ? i->size : offset;
	return (uint64_t)at;
}

void image_clear(struct image *i)
{
	if (i->fd >= 0)
		close(i->fd);
	image_init(i);
}
