/* Outputs to a file: parts of another file are taken over, on real file systems. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/statvfs.h>

#include "base/file-sharing.h"
#include "base/io.h"
#include "base/units.h"
#include "stream/output.h"
#include "test-config-util.h"
#include "test-file-systems.h"
#include "test-syscalls.h"

#define SEED 20261126

/* What every test has: a file to take from, and an output. */
struct fixture {
	char *from_path, *to_path;
	int from, to;
	struct output *output;
	struct buf want; /* what the output should hold */
};

static char data[12 * MIB];

static void fill_data(void)
{
	uint64_t x = SEED;

	for (size_t i = 0; i + 8 <= sizeof(data); i += 8) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		memcpy(data + i, &x, 8);
	}
}

static int open_in(const char *dir, const char *name, int flags, char **ret)
{
	*ret = xasprintf("%s/%s", dir, name);
	return open(*ret, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
}

static bool begin_with(struct fixture *f, const char *from_dir, const char *to_dir, int flags)
{
	struct error *err = NULL;

	*f = (struct fixture){ 0 };
	f->from = open_in(from_dir, "from", O_TRUNC, &f->from_path);
	f->to = open_in(to_dir, "to", flags, &f->to_path);
	if (!ok(f->from >= 0 && f->to >= 0 && io_write_all(f->from, data, sizeof(data)) == 0 &&
			fsync(f->from) == 0,
		"  a file to take from"))
		return false;
	return works(output_plain_new(f->to, &f->output, &err), &err, "  and an output");
}

static bool begin(struct fixture *f, const char *from_dir, const char *to_dir)
{
	return begin_with(f, from_dir, to_dir, O_TRUNC);
}

static void end(struct fixture *f)
{
	output_free(f->output);
	unlink(f->from_path);
	unlink(f->to_path);
	close(f->from);
	if (f->to >= 0)
		close(f->to);
	free(f->from_path);
	free(f->to_path);
	buf_clear(&f->want);
}

static void write_it(struct fixture *f, size_t len)
{
	struct error *err = NULL;

	buf_add(&f->want, data, len);
	works(output_write(f->output, data, len, &err), &err, "  written");
}

static void take(struct fixture *f, size_t offset, size_t len)
{
	struct error *err = NULL;

	buf_add(&f->want, data + offset, len);
	works(output_copy(f->output, f->from, offset, len, &err), &err, "  taken over");
}

/* The output has exactly what it should, and counts it. */
static void holds(const struct fixture *f, const char *what)
{
	_cleanup_buf_ struct buf got = BUF_INIT;
	const bool good = io_read_file(f->to_path, 256 * MIB, &got, NULL) == 0 && got.len == f->want.len &&
			  memcmp(got.data, f->want.data, got.len) == 0;

	ok(good && output_bytes(f->output) == f->want.len, "%s", what);
	if (!good || output_bytes(f->output) != f->want.len)
		diag("%zu bytes instead of %zu, counted %" PRIu64, got.len, f->want.len,
		     output_bytes(f->output));
}

static struct output_copied copied_so_far(const struct fixture *f)
{
	struct output_copied c;

	output_get_copied(f->output, &c);
	return c;
}

static void came_by(const struct fixture *f, uint64_t shared, uint64_t copied, uint64_t written,
		    const char *what)
{
	const struct output_copied c = copied_so_far(f);

	if (!ok(c.shared == shared && c.copied == copied && c.written == written, "%s", what))
		diag("shared %" PRIu64 ", copied %" PRIu64 ", written %" PRIu64, c.shared, c.copied,
		     c.written);
}

static void says_shared(const struct fixture *f, const char *type, uint64_t shared, uint64_t own)
{
	struct file_sharing s = { 0 };
	const bool known = file_sharing_get(f->to, &s);

	if (!strcmp(type, "tmpfs")) {
		ok(!known, "%s: the file system does not know how much of the file is shared", type);
		return;
	}
	if (!ok(known && s.shared == shared && s.own == own,
		"%s: the file system says how much of the file is shared and how much its own", type))
		diag("%s, shared %" PRIu64 ", own %" PRIu64, known ? "known" : "not known", s.shared, s.own);
}

static uint64_t free_space(const char *dir)
{
	struct statvfs fs;
	const int fd = open(dir, O_RDONLY | O_CLOEXEC);

	syncfs(fd);
	close(fd);
	return statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

/* ---- content ---- */

static void test_aligned(const char *type, const char *dir, bool shares)
{
	struct fixture f;
	uint64_t before, used;
	const uint64_t all = 8 * MIB + 4096;

	if (!begin(&f, dir, dir))
		return;
	before = free_space(dir);
	lseek(f.from, 77, SEEK_SET);
	write_it(&f, 8192);
	take(&f, MIB, 8 * MIB);
	write_it(&f, 4096);
	take(&f, 11 * MIB, 4096);
	write_it(&f, 100);
	ok(lseek(f.from, 0, SEEK_CUR) == 77, "%s: the position in the other file stays", type);
	holds(&f, "what is written and what is taken over follow each other");
	if (shares)
		came_by(&f, all, 0, 0, "all that is taken over is shared");
	else
		came_by(&f, 0, all, 0, "all that is taken over is copied by the kernel");
	says_shared(&f, type, shares ? all : 0, (shares ? 0 : all) + 8192 + 4096 + 100);
	/* XFS gives back then what it had set aside for a file that grows */
	output_free(TAKE_PTR(f.output));
	close(TAKE_FD(f.to));
	used = before - free_space(dir);
	if (strcmp(type, "tmpfs") != 0)
		ok(shares ? used < MIB : used >= all, "%s: %" PRIu64 " bytes are used for it", type, used);
	end(&f);
}

static void test_unaligned(const char *type, const char *dir, bool shares)
{
	struct fixture f;
	uint64_t odd;

	if (!begin(&f, dir, dir))
		return;
	take(&f, 5, MIB + 3);
	write_it(&f, 1);
	take(&f, MIB, MIB);
	take(&f, 0, 1);
	take(&f, sizeof(data) - 1, 1);
	holds(&f, "ranges that are no whole blocks are taken over");
	ok(copied_so_far(&f).shared == 0, "%s: they cannot be shared", type);
	odd = copied_so_far(&f).copied;
	ok(odd + copied_so_far(&f).written == f.want.len - 1, "%s: each byte is counted once", type);
	write_it(&f, 4096 - f.want.len % 4096);
	take(&f, 4 * MIB, 4 * MIB);
	holds(&f, "whole blocks after them, too");
	ok(copied_so_far(&f).shared == (shares ? 4 * MIB : 0), "%s: those are shared where that is possible",
	   type);
	end(&f);
}

/* Nothing is appended then. */
static void test_short_source(const char *dir)
{
	struct error *err = NULL;
	struct fixture f;
	int r;

	if (!begin(&f, dir, dir))
		return;
	write_it(&f, 4096);
	r = output_copy(f.output, f.from, sizeof(data) - 4096, 8192, &err);
	ok(r == ERR_CORRUPT, "a file that is too short counts as damaged");
	fails(r, &err, "what is taken over into the archive ends too early", "which the message says");
	holds(&f, "and nothing is taken over");
	end(&f);
}

static void test_file_system(const char *type, const char *size, bool shares)
{
	_cleanup_free_ char *dir = NULL;

	if (!fs_mount(type, size, &dir))
		return;
	test_aligned(type, dir, shares);
	test_unaligned(type, dir, shares);
	test_short_source(dir);
}

static void test_other_file_system(const char *dir, const char *other)
{
	struct fixture f;

	if (!begin(&f, dir, other))
		return;
	take(&f, 0, 8 * MIB);
	take(&f, 4096, 8 * MIB);
	holds(&f, "what is on another file system is taken over");
	came_by(&f, 0, 0, 16 * MIB, "by reading and writing");
	end(&f);
}

static void test_append(const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/to", dir);
	_cleanup_buf_ struct buf got = BUF_INIT;
	struct fixture f;

	ok(io_write_file_atomic(path, data, 100, 0600, NULL, NULL) == 0, "a file to which is appended");
	if (!begin_with(&f, dir, dir, O_APPEND))
		return;
	take(&f, 0, 2 * MIB);
	write_it(&f, 5);
	ok(output_bytes(f.output) == 2 * MIB + 5, "what is appended is counted");
	ok(io_read_file(path, 4 * MIB, &got, NULL) == 0 && got.len == 2 * MIB + 105 &&
		   memcmp(got.data + 100, f.want.data, f.want.len) == 0,
	   "and stands behind what there was");
	end(&f);
}

/* ---- no space ---- */

static void test_no_space(const char *dir, const char *small)
{
	struct error *err = NULL;
	struct fixture f;
	struct stat st;
	int r;

	if (!begin(&f, dir, small))
		return;
	r = output_copy(f.output, f.from, 0, sizeof(data), &err);
	ok(r == -ENOSPC, "a full file system ends it");
	fails(r, &err, "free some space there or choose another storage",
	      "with the message that writing has");
	ok(fstat(f.to, &st) == 0 && output_bytes(f.output) == (uint64_t)st.st_size && st.st_size > 0,
	   "what there was room for is counted");
	end(&f);
}

/* ---- system calls that fail in the middle ---- */

struct script {
	struct watched watched;
	struct fixture *f;
	uint64_t offset, len;
	/* FICLONERANGE number share_from up to share_to, counted from 1, is answered so. */
	unsigned share_from, share_to;
	struct answer share;
	/* So is each of these. */
	struct answer copy, read;
	unsigned stop_at; /* output_stop() is called during that FICLONERANGE */
	/* what happened */
	unsigned shares, copies;
	int r;
	struct error *err;
};

static void run_copy(void *arg)
{
	struct script *s = arg;

	s->r = output_copy(s->f->output, s->f->from, s->offset, s->len, &s->err);
}

static struct answer on_call(void *arg, const struct seccomp_data *call)
{
	struct script *s = arg;

	if (call->nr == __NR_copy_file_range) {
		s->copies++;
		return s->copy;
	}
	if (call->nr == __NR_pread64)
		return s->read;
	if (call->nr != __NR_ioctl)
		return (struct answer){ 0 };
	s->shares++;
	if (s->shares == s->stop_at)
		output_stop(s->f->output);
	return s->shares >= s->share_from && s->shares <= s->share_to ? s->share : (struct answer){ 0 };
}

/* Takes over a range that is a multiple of 64 MiB, in which the data is repeated after holes. */
static bool play(struct script *s, struct fixture *f, const char *dir, uint64_t len)
{
	if (!begin(f, dir, dir))
		return false;
	for (uint64_t at = 64 * MIB; at < len; at += 64 * MIB)
		if (io_pwrite_all(f->from, data, MIB, (off_t)at) < 0)
			return false;
	if (ftruncate(f->from, (off_t)len) < 0)
		return false;
	s->watched = (struct watched){ .body = run_copy, .on_call = on_call, .arg = s };
	s->f = f;
	s->len = len;
	if (watch(&s->watched))
		return true;
	ok(true, "faults # skip system calls cannot be watched here");
	end(f);
	return false;
}

/* The output equals the beginning of the other file. */
static void equals_source(const struct fixture *f, uint64_t len, const char *what)
{
	_cleanup_buf_ struct buf got = BUF_INIT, want = BUF_INIT;

	io_read_file(f->to_path, 512 * MIB, &got, NULL);
	io_read_file(f->from_path, 512 * MIB, &want, NULL);
	ok(got.len == len && want.len >= len && memcmp(got.data, want.data, len) == 0 &&
		   output_bytes(f->output) == len,
	   "%s", what);
}

static void test_stop(const char *dir)
{
	struct script s = { .stop_at = 2 };
	struct error *err = NULL;
	struct fixture f;

	if (!play(&s, &f, dir, 192 * MIB))
		return;
	ok(s.r == -ECANCELED && s.err, "output_stop() ends it");
	equals_source(&f, 128 * MIB, "after the piece that is being taken over, which is counted");
	ok(output_copy(f.output, f.from, 0, 4096, &err) == -ECANCELED, "and nothing is begun afterwards");
	error_free(err);
	error_free(s.err);
	end(&f);
}

/* One error that may be different for the next range, and one that will not. */
static void test_share_fails(const char *dir)
{
	struct script s = { .share_from = 2, .share_to = 2, .share = FAILS_WITH(EIO) };
	struct script t = { .share_from = 2, .share_to = 99, .share = FAILS_WITH(EOPNOTSUPP) };
	struct fixture f;

	if (play(&s, &f, dir, 192 * MIB)) {
		works(s.r, &s.err, "sharing that fails in the middle is no failure");
		equals_source(&f, 192 * MIB, "all is taken over");
		came_by(&f, 184 * MIB, 8 * MIB, 0, "the kernel copies a piece, then sharing is tried again");
		end(&f);
	}
	if (play(&t, &f, dir, 192 * MIB)) {
		works(t.r, &t.err, "the same if the file system cannot share any more");
		equals_source(&f, 192 * MIB, "all is taken over");
		came_by(&f, 64 * MIB, 128 * MIB, 0, "the kernel copies the rest");
		ok(t.shares == 2, "and sharing is not tried again");
		end(&f);
	}
}

/* As ZFS does with blocks of 128 KiB. */
static void test_larger_blocks(const char *dir)
{
	struct script s = { .share_from = 1, .share_to = 1, .share = FAILS_WITH(EINVAL) };
	struct fixture f;

	if (!begin(&f, dir, dir))
		return;
	s.watched = (struct watched){ .body = run_copy, .on_call = on_call, .arg = &s };
	s.f = &f;
	s.offset = 4096;
	s.len = 64 * KIB;
	if (!watch(&s.watched)) {
		ok(true, "faults # skip system calls cannot be watched here");
		end(&f);
		return;
	}
	buf_add(&f.want, data + 4096, 64 * KIB);
	works(s.r, &s.err, "blocks that the file system does not share are copied");
	take(&f, 64 * KIB, 128 * KIB);
	take(&f, 4096, 64 * KIB);
	came_by(&f, 128 * KIB, 128 * KIB, 0, "larger ones are still shared, no other of that size is tried");
	holds(&f, "all is taken over");
	end(&f);
}

static void test_lies(const char *dir)
{
	struct script s = { .share_from = 1, .share_to = 99, .share = RETURNS(0) };
	struct script t = { .share_from = 1, .share_to = 99, .share = FAILS_WITH(EIO), .copy = RETURNS(0) };
	struct script u = {
		.share_from = 1, .share_to = 1, .share = FAILS_WITH(EXDEV), .copy = RETURNS(4 * MIB)
	};
	struct fixture f;

	if (play(&s, &f, dir, 64 * MIB)) {
		works(s.r, &s.err, "sharing that is reported but not done is no failure");
		equals_source(&f, 64 * MIB, "all is taken over");
		came_by(&f, 0, 64 * MIB, 0, "the kernel copies it");
		ok(s.shares == 1, "and sharing is not tried again");
		end(&f);
	}
	if (play(&t, &f, dir, 64 * MIB)) {
		works(t.r, &t.err, "a kernel that copies nothing is no failure");
		equals_source(&f, 64 * MIB, "all is taken over");
		came_by(&f, 0, 0, 64 * MIB, "by reading and writing");
		ok(t.copies == 1, "and the kernel is not asked again");
		end(&f);
	}
	if (play(&u, &f, dir, 64 * MIB)) {
		ok(u.r == -EIO, "copying that is reported but not done is a failure");
		fails(u.r, &u.err, "says that it copied 67108864 bytes more", "which the message explains");
		end(&f);
	}
}

static void test_read_error(const char *dir)
{
	struct script s = { .share_from = 1,
			    .share_to = 99,
			    .share = FAILS_WITH(EIO),
			    .copy = FAILS_WITH(EIO),
			    .read = FAILS_WITH(EIO) };
	struct fixture f;

	if (!play(&s, &f, dir, 64 * MIB))
		return;
	ok(s.r == -EIO, "a file that cannot be read ends it");
	fails(s.r, &s.err, "cannot read what is taken over into the archive, at offset 0",
	      "and the message says that reading failed");
	equals_source(&f, 0, "nothing was taken over");
	end(&f);
}

static void test_faults(void)
{
	_cleanup_free_ char *xfs = NULL, *other = NULL, *small = NULL;

	if (!fs_mount("xfs", "300M", &xfs) || !fs_mount("tmpfs", "64M", &other) ||
	    !fs_mount("ext4", "10M", &small))
		return;
	test_other_file_system(xfs, other);
	test_other_file_system(other, xfs);
	test_append(xfs);
	test_no_space(xfs, small);
	test_stop(xfs);
	test_share_fails(xfs);
	test_larger_blocks(xfs);
	test_lies(xfs);
	test_read_error(xfs);
}

static void test_pipe(void)
{
	struct output *o = NULL;
	struct output_copied c = { 1, 1, 1 };
	int fds[2];

	ok(pipe2(fds, O_CLOEXEC) == 0 && output_plain_new(fds[1], &o, NULL) == 0, "an output to a pipe");
	output_get_copied(o, &c);
	ok(!c.shared && !c.copied && !c.written, "takes nothing over");
	output_free(o);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	fill_data();
	test_pipe();
	if (!fs_begin()) {
		ok(true, "file systems # skip nothing can be mounted here");
		return done_testing();
	}
	test_file_system("xfs", "300M", true);
	test_file_system("btrfs", "200M", true);
	test_file_system("ext4", "64M", false);
	test_file_system("tmpfs", "64M", false);
	test_faults();
	fs_end();
	return done_testing();
}
