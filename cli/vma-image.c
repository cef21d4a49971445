#include "vma-image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "qemu/nbd.h"

#define STATUS_MAX (UINT64_C(1) << 30) /* bytes a question: a length has 32 bits */

/* What a server says about a part of the image. */
struct status {
	uint32_t len;
	bool is_zero;
};

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

int image_connect(struct image *i, const char *socket, const char *export, const struct cancel *cancel,
		  struct error **err)
{
	int64_t size;
	int r;

	i->cancel = cancel;
	i->nbd = nbd_create();
	if (!i->nbd || nbd_set_export_name(i->nbd, export) < 0 ||
	    nbd_add_meta_context(i->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0)
		return error_set(err, ERR_PEER, "cannot connect to qemu-storage-daemon: %s", nbd_get_error());
	r = nbd_client_connect_unix(i->nbd, socket, NBD_CONNECT_MS, cancel, err);
	if (r < 0)
		return r == ERR_CANCELED ? r : error_wrap(err, r, "cannot connect to qemu-storage-daemon");
	size = nbd_get_size(i->nbd);
	if (size <= 0)
		return error_set(err, ERR_INVALID, "it is empty; give one that has a size");
	i->size = (uint64_t)size;
	return 0;
}

int image_read(const struct image *i, uint64_t offset, void *data, size_t len, struct error **err)
{
	size_t there = i->size - offset < len ? (size_t)(i->size - offset) : len;

	ssize_t n;

	memset((char *)data + there, 0, len - there);
	if (i->nbd) {
		int r = nbd_client_finish(i->nbd,
					  nbd_aio_pread(i->nbd, data, there, offset, NBD_NULL_COMPLETION, 0),
					  i->cancel, err);

		return r < 0 && r != ERR_CANCELED ? error_wrap(err, r, "cannot read byte %" PRIu64, offset)
						  : r;
	}
	n = io_pread_full(i->fd, data, there, (off_t)offset);
	return n == (ssize_t)there
		       ? 0
		       : error_errno(err, n < 0 ? (int)-n : EIO, "cannot read byte %" PRIu64, offset);
}

/* The first part of the answer is enough; only parts that read as zeroes may be left out. */
static int on_status(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n,
		     int *error)
{
	struct status *s = opaque;

	(void)context;
	(void)offset;
	(void)error;
	if (n >= 2)
		*s = (struct status){ .len = entries[0], .is_zero = entries[1] & LIBNBD_STATE_ZERO };
	return 0;
}

/* For a server that cannot say, all is data. */
static uint64_t next_data_nbd(struct image *i, uint64_t offset)
{
	while (offset < i->size && offset >= i->data_end) {
		uint64_t left = i->size - offset, len = left < STATUS_MAX ? left : STATUS_MAX;
		struct status s = { 0 };
		nbd_extent_callback status = { .callback = on_status, .user_data = &s };

		if (nbd_client_finish(
			    i->nbd, nbd_aio_block_status(i->nbd, len, offset, status, NBD_NULL_COMPLETION, 0),
			    i->cancel, NULL) < 0 ||
		    !s.len)
			return offset;
		if (s.is_zero)
			offset += s.len;
		else
			i->data_end = offset + s.len;
	}
	return offset < i->size ? offset : i->size;
}

uint64_t image_next_data(struct image *i, uint64_t offset)
{
	off_t at;

	if (i->nbd)
		return next_data_nbd(i, offset);
	at = lseek(i->fd, (off_t)offset, SEEK_DATA);
	if (at < 0)
		return errno == ENXIO ? i->size : offset;
	return (uint64_t)at;
}

void image_clear(struct image *i)
{
	if (i->fd >= 0)
		close(i->fd);
	nbd_close(i->nbd);
	image_init(i);
}
