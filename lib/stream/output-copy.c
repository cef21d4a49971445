#include "stream/output-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"

/* At once; multiples of every alignment.  A slow server takes some seconds for one. */
#define SHARE_STEP (64 * MIB)
#define COPY_STEP  (8 * MIB)
#define WRITE_STEP (1 * MIB)

struct range {
	int from;
	uint64_t offset, len, pos;
};

void output_copier_clear(struct output_copier *c)
{
	free(c->buffer);
	c->buffer = NULL;
}

static void count(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static size_t at_most(uint64_t len, uint64_t max)
{
	return (size_t)(len < max ? len : max);
}

/* Whether an error means that these two files will never do that. */
static bool is_final(int errnum)
{
	switch (errnum) {
	case EOPNOTSUPP:
	case ENOSYS:
	case ENOTTY:
	case EXDEV:
	case EBADF: /* a file that is open for appending */
	case EPERM:
	case EACCES:
	case ETXTBSY:
	case EISDIR:
		return true;
	default:
		return false;
	}
}

/* ---- sharing ---- */

/* The largest power of two that all of the range's numbers are a multiple of. */
static uint64_t alignment(const struct range *r)
{
	const uint64_t all = r->offset | r->pos | r->len;

	return all & -all;
}

/*
 * The length of what was shared: old ZFS shares less than it was asked for, and reports success.  What is
 * added to a file shows in its size.
 */
static uint64_t shared_length(const struct output_copier *c, const struct range *r)
{
	struct stat st;

	if (fstat(c->to, &st) < 0 || (uint64_t)st.st_size <= r->pos)
		return 0;
	return at_most((uint64_t)st.st_size - r->pos, r->len);
}

/*
 * EINVAL is about this range in the first place: the blocks of the file system may be larger.  All else
 * (blocks that ZFS has not written yet, a group of blocks in XFS that is full) may be different for the
 * next range.
 */
static void note_refusal(struct output_copier *c, const struct range *r, int errnum)
{
	if (is_final(errnum))
		c->never_share = true;
	else if (errnum == EINVAL && alignment(r) > c->refused)
		c->refused = alignment(r);
}

static uint64_t share(struct output_copier *c, struct range r)
{
	struct file_clone_range clone;
	uint64_t n;

	r.len = at_most(r.len, SHARE_STEP);
	if (c->never_share || alignment(&r) <= c->refused)
		return 0;
	clone = (struct file_clone_range){
		.src_fd = r.from, .src_offset = r.offset, .src_length = r.len, .dest_offset = r.pos
	};
	if (ioctl(c->to, FICLONERANGE, &clone) < 0) {
		note_refusal(c, &r, errno);
		return 0;
	}
	n = shared_length(c, &r);
	if (n < r.len)
		c->never_share = true;
	count(&c->shared, n);
	return n;
}

/* ---- copying in the kernel ---- */

static uint64_t copy_in_kernel(struct output_copier *c, const struct range *r)
{
	off_t in = (off_t)r->offset, out = (off_t)r->pos;
	ssize_t n;

	if (c->never_copy)
		return 0;
	n = copy_file_range(r->from, &in, c->to, &out, at_most(r->len, COPY_STEP), 0);
	if (n <= 0) {
		/* EINVAL and 0: some file systems do that for files of theirs in general */
		c->never_copy = n == 0 || errno == EINVAL || is_final(errno);
		return 0;
	}
	count(&c->copied, (uint64_t)n);
	return (uint64_t)n;
}

/* ---- reading and writing ---- */

static ssize_t read_some(struct output_copier *c, const struct range *r, struct error **err)
{
	ssize_t n;

	if (!c->buffer && !(c->buffer = malloc(WRITE_STEP)))
		return error_errno(err, ENOMEM, "cannot read what is taken over into the archive");
	do {
		n = pread(r->from, c->buffer, at_most(r->len, WRITE_STEP), (off_t)r->offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno,
				   "cannot read what is taken over into the archive, at offset %" PRIu64,
				   r->offset);
	if (n == 0)
		return error_set(err, ERR_CORRUPT,
				 "what is taken over into the archive ends too early, at offset %" PRIu64,
				 r->offset);
	return n;
}

static ssize_t read_and_write(struct output_copier *c, const struct range *r, struct error **err)
{
	ssize_t n = read_some(c, r, err), done;

	if (n < 0)
		return n;
	do {
		done = pwrite(c->to, c->buffer, (size_t)n, (off_t)r->pos);
	} while (done < 0 && errno == EINTR);
	if (done <= 0)
		return done < 0 ? -errno : -EIO;
	count(&c->written, (uint64_t)done);
	return done;
}

/* ---- all ---- */

ssize_t output_copier_move(struct output_copier *c, int from, uint64_t offset, uint64_t len, uint64_t pos,
			   struct error **err)
{
	const struct range r = { from, offset, len, pos };
	ssize_t n = (ssize_t)share(c, r);

	if (n)
		return n;
	n = (ssize_t)copy_in_kernel(c, &r);
	if (!n)
		n = read_and_write(c, &r, err);
	/* nobody needs these pages again, but everybody what they would displace */
	if (n > 0)
		posix_fadvise(from, (off_t)offset, n, POSIX_FADV_DONTNEED);
	return n;
}

void output_copier_get(struct output_copier *c, struct output_copied *ret)
{
	*ret = (struct output_copied){
		.shared = atomic_load_explicit(&c->shared, memory_order_relaxed),
		.copied = atomic_load_explicit(&c->copied, memory_order_relaxed),
		.written = atomic_load_explicit(&c->written, memory_order_relaxed),
	};
}
