#include "stream/input-raw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_SIZE    (1 << 20)
#define PIECE        4096u
#define CAREFUL      ((size_t)256 << 10)
#define BAD_STEP_MAX (UINT64_C(4) << 20)

/* Waits until a read will not block. */
static int wait_input(const struct input_raw *raw, struct error **err)
{
	struct pollfd p[] = { { .fd = raw->fd, .events = POLLIN },
			      { .fd = raw->cancel ? raw->cancel->fd : -1, .events = POLLIN } };

	while (raw->stalls && poll(p, ARRAY_SIZE(p), -1) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "cannot wait for the archive");
	return cancel_check(raw->cancel, err);
}

static int read_failed(const struct input_raw *raw, int errnum, struct error **err)
{
	return error_errno(err, errnum, "cannot read the archive at byte %llu", (unsigned long long)raw->pos);
}

/*
 * Replaces unreadable bytes with zeroes.  A single bad sector costs no more than itself.  The longer a bad
 * stretch grows, the larger the steps over it become, as each failure of a dying disk takes its time.
 */
static int fill_bad(struct input_raw *raw, uint8_t *data, size_t len, size_t *ret_len, struct error **err)
{
	const off_t at = lseek(raw->fd, 0, SEEK_CUR), end = lseek(raw->fd, 0, SEEK_END);
	size_t step = raw->bad_run / 4 < BAD_STEP_MAX ? raw->bad_run / 4 : BAD_STEP_MAX;

	step = (step / PIECE + 1) * PIECE - raw->pos % PIECE;
	step = step < len ? step : len;
	if (at >= 0 && at < end && (off_t)step > end - at)
		step = (size_t)(end - at);
	if (at < 0 || at >= end || lseek(raw->fd, at + (off_t)step, SEEK_SET) < 0)
		return read_failed(raw, EIO, err);
	memset(data, 0, step);
	if (!raw->bad.bytes)
		raw->bad.from = raw->pos;
	raw->bad.to = raw->pos + step;
	raw->bad.bytes += step;
	raw->bad_run += step;
	raw->careful = CAREFUL;
	raw->is_filler = true;
	*ret_len = step;
	return 0;
}

/* How much to read at once: a large read fails as a whole because of one bad sector in it. */
static size_t piece_size(const struct input_raw *raw, size_t done, size_t len)
{
	size_t small = PIECE - (raw->pos + done) % PIECE;

	return raw->careful && small < len - done ? small : len - done;
}

static void count_good(struct input_raw *raw, size_t n, size_t *done)
{
	*done += n;
	raw->bad_run = 0;
	raw->careful -= n < raw->careful ? n : raw->careful;
}

/* Reads until len bytes, the end, or an error after the first bytes, which the next call will meet. */
static int read_full(struct input_raw *raw, uint8_t *data, size_t len, size_t *ret_len, struct error **err)
{
	*ret_len = 0;
	while (*ret_len < len) {
		int r = wait_input(raw, err);
		ssize_t n;

		if (r < 0)
			return r;
		n = read(raw->fd, data + *ret_len, piece_size(raw, *ret_len, len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && *ret_len))
			break;
		if (n > 0)
			count_good(raw, (size_t)n, ret_len);
		else if (!raw->fill_bad || errno != EIO)
			return read_failed(raw, errno, err);
		else if (raw->careful)
			return fill_bad(raw, data, len, ret_len, err);
		else
			raw->careful = CAREFUL;
	}
	return 0;
}

int input_raw_init(struct input_raw *raw, int fd, const struct cancel *cancel, struct error **err)
{
	struct stat st;

	*raw = (struct input_raw){ .fd = fd, .cancel = cancel };
	raw->stalls = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
	return read_full(raw, raw->peek, sizeof(raw->peek), &raw->peek_len, err);
}

int input_raw_seek(struct input_raw *raw, uint64_t offset)
{
	if (lseek(raw->fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	raw->peek_at = raw->peek_len = 0;
	raw->pos = offset;
	return 0;
}

int input_raw_read(struct input_raw *raw, void *data, size_t len, size_t *ret_len, struct error **err)
{
	size_t head = raw->peek_len - raw->peek_at;
	int r = 0;

	if (head > len)
		head = len;
	memcpy(data, raw->peek + raw->peek_at, head);
	raw->peek_at += head;
	raw->is_filler = false;
	*ret_len = head;
	if (!head)
		r = read_full(raw, data, len, ret_len, err);
	raw->pos += *ret_len;
	return r;
}
