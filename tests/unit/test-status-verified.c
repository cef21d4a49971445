/* What is kept of verified archives, and for how long. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "status/verified.h"
#include "tap.h"
#include "test-root.h"

#define KEPT "/var/log/vzdump/guests/100.verified.json"

static unsigned warnings;

static void on_line(const struct log *l, enum log_level level, const char *line)
{
	(void)l;
	warnings += level == LOG_LEVEL_WARN;
	diag("%s", line);
}

static const struct log to_diag = { .line = on_line };

/* The n-th archive of guest 100 in that folder.  Caller frees. */
static char *archive(const char *folder, unsigned n)
{
	return paths_get(&paths, "%s/vzdump-qemu-100-2026_11_%02u-%02u_00_00.vma.zst", folder, n / 24 + 1,
			 n % 24);
}

static void make(const char *folder, unsigned n, const char *text)
{
	_cleanup_free_ char *path = archive(folder, n);

	put(path + strlen(paths.root), text);
}

static int verify_path(const char *path, time_t when)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return verified_add(&paths, path, fd, when, NULL);
}

static int verify(const char *folder, unsigned n, time_t when)
{
	_cleanup_free_ char *path = archive(folder, n);

	return verify_path(path, when);
}

static time_t verified_at(const char *folder, unsigned n)
{
	_cleanup_free_ char *path = archive(folder, n);
	_cleanup_verified_ struct verified v;

	verified_load(&paths, 100, &v, &to_diag);
	return verified_when(&v, path);
}

static size_t kept(void)
{
	_cleanup_verified_ struct verified v;

	verified_load(&paths, 100, &v, &to_diag);
	return v.n;
}

static void test_one(void)
{
	make("/a", 0, "one");
	ok(verified_at("/a", 0) == 0, "at first an archive was never verified");
	ok(verify("/a", 0, 500) == 0 && verified_at("/a", 0) == 500, "then it was");
	ok(verify("/a", 0, 700) == 0 && verified_at("/a", 0) == 700 && kept() == 1, "and again");
	make("/b", 0, "one");
	ok(verified_at("/b", 0) == 0, "a file of that name in another folder is another archive");
}

static void test_other_file(void)
{
	_cleanup_free_ char *path = archive("/a", 0);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 9 } };

	utimensat(AT_FDCWD, path, times, 0);
	ok(verified_at("/a", 0) == 0, "a file of another time is another archive");
	verify("/a", 0, 500);
	make("/a", 0, "larger");
	utimensat(AT_FDCWD, path, times, 0);
	ok(verified_at("/a", 0) == 0, "and so is one of another size");
	unlink(path);
	ok(verified_at("/a", 0) == 0, "nor does one count that has gone");
}

static void test_links(void)
{
	_cleanup_free_ char *link = paths_get(&paths, "/link"), *to = paths_get(&paths, "/b");

	verify("/b", 0, 500);
	ok(symlink(to, link) == 0 && verified_at("/link", 0) == 500,
	   "a link to the folder is the same folder");
}

static void test_bounded(void)
{
	_cleanup_free_ char *gone = archive("/c", 1);

	make("/c", 1, "x");
	make("/c", 2, "x");
	verify("/c", 1, 500);
	unlink(gone);
	verify("/b", 0, 600);
	ok(kept() == 3, "an archive of another folder than the verified one is not looked at");
	verify("/c", 2, 500);
	ok(kept() == 3 && verified_at("/c", 2) == 500, "one that has gone from the same folder is forgotten");
	for (unsigned i = 3; i < VERIFIED_MAX + 10; i++) {
		make("/c", i, "x");
		verify("/c", i, 500 + i);
	}
	ok(kept() == VERIFIED_MAX && verified_at("/c", VERIFIED_MAX + 9) == 500 + VERIFIED_MAX + 9 &&
		   !verified_at("/c", 3),
	   "of too many the newest are kept");
}

static void test_names(void)
{
	_cleanup_free_ char *mine = paths_get(&paths, "/c/mine-100.vma"), *dir = archive("/d", 1);
	_cleanup_free_ char *other = archive("/c", 2);
	_cleanup_close_ int fd = open(other, O_RDONLY | O_CLOEXEC);
	const size_t before = kept();

	put("/c/mine-100.vma", "x");
	ok(verify_path(mine, 500) == 0 && kept() == before,
	   "a file that is no backup by its name is not kept");
	io_mkdir_p(dir, 0700, NULL);
	ok(verify_path(dir, 500) == 0 && kept() == before, "nor is a folder");
	ok(verified_add(&paths, "/nowhere/vzdump-qemu-100-2026_11_01-00_00_00.vma", fd, 5, NULL) == 0 &&
		   kept() == before,
	   "nor a path that is not the open file's");
}

static void test_damaged(void)
{
	static const char *const rubbish[] = { "",
					       "{",
					       "null",
					       "[1]",
					       "{\"archives\":7}",
					       "{\"archives\":[7,{}]}",
					       "{\"archives\":[{\"folder\":\"/c\",\"name\":5}]}" };
	unsigned bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rubbish); i++) {
		put(KEPT, rubbish[i]);
		bad += kept() != 0;
	}
	ok(!bad, "rubbish counts as nothing");
	warnings = 0;
	put(KEPT, "{\"archives\":");
	ok(kept() == 0 && warnings == 1, "with a warning, if it is cut short");
	ok(verify("/c", 20, 900) == 0 && verified_at("/c", 20) == 900, "the next one makes it whole");
}

int main(void)
{
	root_make();
	test_one();
	test_other_file();
	test_links();
	test_bounded();
	test_names();
	test_damaged();
	root_remove();
	return done_testing();
}
