/* lib/place: an older archive is opened, and how archives can take over parts of each other is found out. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/units.h"
#include "journal/recover.h"
#include "place/place.h"
#include "test-config-util.h"
#include "test-file-systems.h"
#include "test-syscalls.h"

#define NAME "vzdump-qemu-100-2026_01_01-00_00_00.vma.zst"

static const struct journal_kind *const kinds[] = { &journal_kind_pid, &journal_kind_file, NULL };

struct fixture {
	char *root;
	struct paths paths;
	struct journal *journal;
	struct place *place;
};

static bool begin(struct fixture *f, const char *dir)
{
	struct error *err = NULL;

	*f = (struct fixture){ .root = xasprintf("%s/root", fs_base) };
	f->paths.root = f->root;
	f->place = place_dir_new(dir, NULL);
	return works(journal_create(&f->paths, kinds, 100, &f->journal, &err), &err, "  a journal");
}

static void end(struct fixture *f)
{
	place_free(f->place);
	journal_remove(f->journal, NULL);
	journal_free(f->journal);
	io_remove_tree(f->root, NULL);
	free(f->root);
}

static bool is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool empty = d != NULL;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, "lost+found") != 0)
			empty = false;
	if (d)
		closedir(d);
	return empty;
}

static void expect(const char *type, const char *size, bool reflink, uint32_t align)
{
	_cleanup_free_ char *dir = NULL;
	struct place_sharing s = { 0 };
	struct error *err = NULL;
	struct fixture f;

	if (!fs_mount(type, size, &dir) || !begin(&f, dir))
		return;
	works(place_sharing(f.place, f.journal, NULL, &s, &err), &err, "sharing is tried");
	if (!ok(s.reflink == reflink, "%s: files %s share blocks", type, reflink ? "can" : "cannot") ||
	    !ok(s.align == align, "%s: they begin at multiples of %u bytes", type, align))
		diag("reflink %d, align %u", s.reflink, s.align);
	ok(!s.remote, "%s: it is no network file system", type);
	ok(is_empty(dir) && !journal_has(f.journal, JOURNAL_FILE), "%s: nothing is left behind", type);
	end(&f);
}

/* ---- answers that no file system here gives ---- */

struct script {
	struct watched watched;
	struct fixture *f;
	struct cancel cancel;
	struct place_sharing sharing;
	unsigned refused; /* so many FICLONERANGE fail with EINVAL */
	struct answer then;
	uint32_t type, block; /* what fstatfs() reports if type is not 0 */
	bool hangs;           /* FICLONERANGE comes back when place_sharing() has */
	int ended[2];         /* a byte when it has */
	/* what happened */
	unsigned shares;
	bool noted; /* in the journal, while the files are there */
	int r;
	struct error *err;
};

static void run_sharing(void *arg)
{
	struct script *s = arg;

	s->r = place_sharing(s->f->place, s->f->journal, &s->cancel, &s->sharing, &s->err);
	if (write(s->ended[1], "", 1) != 1)
		diag("a pipe cannot be written");
}

static struct answer on_share(struct script *s)
{
	char byte;

	s->shares++;
	s->noted = journal_has(s->f->journal, JOURNAL_FILE);
	if (s->hangs) {
		cancel_request(&s->cancel);
		if (read(s->ended[0], &byte, 1) != 1)
			diag("a pipe cannot be read");
	}
	return s->shares <= s->refused ? FAILS_WITH(EINVAL) : s->then;
}

static struct answer on_call(void *arg, const struct seccomp_data *call)
{
	struct script *s = arg;
	struct statfs *fs;

	if (call->nr == __NR_ioctl)
		return on_share(s);
	if (call->nr != __NR_fstatfs || !s->type)
		return (struct answer){ 0 };
	memcpy(&fs, &call->args[1], sizeof(fs));
	*fs = (struct statfs){ .f_type = s->type, .f_bsize = s->block };
	return RETURNS(0);
}

static bool play(struct script *s, struct fixture *f, const char *dir)
{
	if (!begin(f, dir) || cancel_init(&s->cancel, NULL) < 0 || pipe2(s->ended, O_CLOEXEC) < 0)
		return false;
	s->watched = (struct watched){ .body = run_sharing, .on_call = on_call, .arg = s };
	s->f = f;
	if (watch(&s->watched))
		return true;
	ok(true, "answers # skip system calls cannot be watched here");
	return false;
}

static void end_play(struct script *s)
{
	cancel_clear(&s->cancel);
	close(s->ended[0]);
	close(s->ended[1]);
	error_free(s->err);
	end(s->f);
}

static void test_answers(const char *dir)
{
	struct script larger = { .refused = 3, .then = RETURNS(0) };
	struct script never = { .refused = 99 };
	struct script later = { .then = FAILS_WITH(EAGAIN) };
	struct fixture f;

	if (play(&larger, &f, dir)) {
		ok(larger.sharing.reflink && larger.sharing.align == 32 * KIB && larger.noted,
		   "larger blocks are found by trying, with files that the journal has");
		end_play(&larger);
	}
	if (play(&never, &f, dir)) {
		ok(!never.sharing.reflink && never.sharing.align == 4096 && never.shares == 6,
		   "sizes up to 128 KiB are tried");
		end_play(&never);
	}
	if (play(&later, &f, dir)) {
		ok(later.sharing.reflink && later.shares == 1, "ZFS can share what is not on disk yet later");
		end_play(&later);
	}
}

/* What the types are that cannot be mounted here; the numbers are the kernel's and ZFS's. */
static void test_types(const char *dir)
{
	static const struct {
		const char *name;
		uint32_t type, block;
		struct place_sharing want;
	} rows[] = {
		{ "NFS", 0x6969, 1 * MIB, { true, true, 4096 } },
		{ "SMB", 0xfe534d42, 1024, { true, true, 4096 } },
		{ "Ceph", 0x00c36400, 4 * MIB, { true, true, 4096 } },
		{ "FUSE", 0x65735546, 4096, { true, false, 4096 } },
		{ "ZFS", 0x2fc12fc1, 128 * KIB, { true, false, 128 * KIB } },
		{ "ZFS with small records", 0x2fc12fc1, 16 * KIB, { true, false, 16 * KIB } },
		{ "ZFS with large records", 0x2fc12fc1, 1 * MIB, { true, false, 128 * KIB } },
		{ "a block that is no power of two", 0x1234, 5000, { true, false, 8192 } },
	};
	struct fixture f;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct script s = { .type = rows[i].type, .block = rows[i].block, .then = RETURNS(0) };

		if (!play(&s, &f, dir))
			return;
		ok(s.sharing.reflink && s.sharing.remote == rows[i].want.remote &&
			   s.sharing.align == rows[i].want.align && s.shares == 1,
		   "%s: %s, multiples of %u bytes", rows[i].name, rows[i].want.remote ? "remote" : "local",
		   rows[i].want.align);
		end_play(&s);
	}
}

static void test_hangs(const char *dir)
{
	struct script s = { .hangs = true };
	struct fixture f;

	if (!play(&s, &f, dir))
		return;
	ok(s.r == ERR_CANCELED, "a request to stop ends the wait for a file system that hangs");
	ok(journal_has(f.journal, JOURNAL_FILE), "and the files stay in the journal");
	ok(is_empty(dir), "although the call removes them when it comes back after all");
	end_play(&s);
}

/* ---- failures ---- */

static void test_fails(void)
{
	_cleanup_free_ char *dir = NULL, *none = NULL;
	struct place_sharing s;
	struct error *err = NULL;
	struct fixture f;

	if (!fs_mount("tmpfs", "300K", &dir) || !begin(&f, dir))
		return;
	fails(place_sharing(f.place, f.journal, NULL, &s, &err), &err, "No space left on device",
	      "a full file system is reported");
	ok(is_empty(dir) && !journal_has(f.journal, JOURNAL_FILE), "nothing is left behind");
	end(&f);
	none = xasprintf("%s/none", dir);
	if (!begin(&f, none))
		return;
	fails(place_sharing(f.place, f.journal, NULL, &s, &err), &err, "cannot find out whether files in '",
	      "so is a folder that is missing");
	end(&f);
}

static void test_open(void)
{
	_cleanup_free_ char *dir = NULL, *path = NULL, *pipe_path = NULL;
	struct error *err = NULL;
	struct fixture f;
	char got[5] = "";
	int fd = -1;

	if (!fs_mount("tmpfs", "1M", &dir) || !begin(&f, dir))
		return;
	path = xasprintf("%s/" NAME, dir);
	pipe_path = xasprintf("%s/pipe.vma", dir);
	io_write_file_atomic(path, "data", 4, 0600, NULL, NULL);
	works(place_open(f.place, NAME, &fd, &err), &err, "an archive is opened");
	unlink(path);
	ok(io_pread_full(fd, got, 4, 0) == 4 && !strcmp(got, "data"),
	   "and can be read, even after it was removed");
	close(fd);
	ok(place_open(f.place, NAME, &fd, NULL) == -ENOENT, "one that is missing cannot be opened");
	ok(mkfifo(pipe_path, 0600) == 0, "a pipe");
	fails(place_open(f.place, "pipe.vma", &fd, &err), &err, "is not a file", "is not waited for");
	end(&f);
}

int main(void)
{
	_cleanup_free_ char *dir = NULL;

	if (!fs_begin()) {
		ok(true, "file systems # skip nothing can be mounted here");
		return done_testing();
	}
	expect("xfs", "300M", true, 4096);
	expect("xfs-16k", "300M", true, 16384);
	expect("btrfs", "200M", true, 4096);
	expect("ext4", "64M", false, 4096);
	expect("tmpfs", "1M", false, 4096);
	if (fs_mount("tmpfs", "2M", &dir)) {
		test_answers(dir);
		test_types(dir);
		test_hangs(dir);
	}
	test_fails();
	test_open();
	fs_end();
	return done_testing();
}
