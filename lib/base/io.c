#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"

/* Reads until len or the end of the file.  Bytes read or -errno. */
static ssize_t read_full(int fd, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_read_fd(int fd, const char *path, size_t max, struct buf *ret, struct error **err)
{
	ssize_t n;

	do {
		char *to = buf_reserve(ret, 8192);

		n = read_full(fd, to, 8192);
		if (n < 0)
			return error_errno(err, (int)-n, "cannot read '%s'", path);
		buf_added(ret, (size_t)n);
		if (ret->len > max)
			return error_set(err, ERR_INVALID, "'%s' is larger than %zu bytes", path, max);
	} while (n == 8192);
	return 0;
}

int io_read_file(const char *path, size_t max, struct buf *ret, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open '%s'", path);
	return io_read_fd(fd, path, max, ret, err);
}

int io_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pwrite_all(int fd, const void *data, size_t len, off_t offset)
{
	const char *at = data;

	while (len) {
		ssize_t n = pwrite(fd, at, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t io_pread_full(int fd, void *data, size_t len, off_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done, offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* mkdir() that takes a folder which is there already.  0 or -errno, which is mkdir()'s. */
static int make_folder(const char *path, mode_t mode)
{
	const int r = mkdir(path, mode) < 0 ? -errno : 0;
	struct stat st;

	return r < 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : r;
}

int io_mkdir_p(const char *path, mode_t mode, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(path);
	int r;

	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		r = make_folder(copy, 0755);
		if (r < 0)
			return error_errno(err, -r, "cannot create folder '%s'", copy);
		*at = '/';
	}
	r = make_folder(copy, mode);
	return r < 0 ? error_errno(err, -r, "cannot create folder '%s'", path) : 0;
}

bool io_is_zero(const void *data, size_t len)
{
	const unsigned char *at = data;

	/* A buffer whose head is zero and which equals itself shifted by the head is all zero. */
	for (size_t i = 0; i < 16 && i < len; i++) {
		if (at[i])
			return false;
	}
	return len <= 16 || memcmp(at, at + 16, len - 16) == 0;
}

char *io_last_line(const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	char *line;

	if (io_read_file(path, 1 << 20, &text, NULL) < 0 || !text.len)
		return NULL;
	str_strip(text.data);
	line = strrchr(text.data, '\n');
	return xstrdup(line ? line + 1 : text.data);
}
