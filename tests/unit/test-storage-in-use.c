/* Marks that show whether a volume was written to. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/in-use.h"
#include "tap.h"

static int n_stats;

/* In place of the C library's, so that it can be counted. */
int stat(const char *path, struct stat *ret)
{
	n_stats++;
	return fstatat(AT_FDCWD, path, ret, 0);
}

static void set_time(const char *path, long seconds)
{
	const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	ok(utimensat(AT_FDCWD, path, times, 0) == 0, "the file was written at %ld", seconds);
}

static void test_file(const struct volume *v)
{
	struct volume_mark mark;

	set_time(v->path, 1000);
	volume_get_mark(v, &mark);
	ok(mark.known, "a local file has a mark");
	ok(!volume_was_written(v, &mark), "which stays while nobody writes");
	set_time(v->path, 1001);
	ok(volume_was_written(v, &mark), "and changes when somebody does");
}

/* As of a file on a network, whose server may hang whoever asks it. */
static void test_unknown(const struct volume *v)
{
	const struct volume_mark unknown = { 0 };

	n_stats = 0;
	ok(!volume_was_written(v, &unknown), "nothing is said without a mark");
	ok(n_stats == 0, "and the file is not touched");
}

static void test_pathless(void)
{
	const struct volume v = { 0 };
	struct volume_mark mark;

	volume_get_mark(&v, &mark);
	ok(!mark.known && !volume_was_written(&v, &mark), "a volume without a path has no mark");
}

int main(void)
{
	char path[] = "/tmp/test-in-use-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	const struct volume v = { .volid = path, .volname = path, .path = path };

	ok(fd >= 0, "a file");
	test_file(&v);
	ok(n_stats > 0, "calls of stat() are counted");
	test_unknown(&v);
	test_pathless();
	unlink(path);
	return done_testing();
}
