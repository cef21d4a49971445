/* lib/base/io: zeroes, files and folders. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "tap.h"

static void test_zero(void)
{
	unsigned char data[4096 + 3] = { 0 };
	bool good = true;

	ok(io_is_zero(data, sizeof(data)) && io_is_zero(data, 0), "zeroes are zero");
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = 1;
		good &= !io_is_zero(data, sizeof(data)) && !io_is_zero(data + i, 1);
		data[i] = 0;
	}
	ok(good, "one byte anywhere is found");
}

static void test_files(void)
{
	char dir[] = "/tmp/vzdump-test-XXXXXX";
	_cleanup_free_ char *path = NULL, *deep = NULL, *outside = NULL, *link = NULL, *nowhere = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (!mkdtemp(dir)) {
		ok(false, "a temporary folder");
		return;
	}
	path = xasprintf("%s/file", dir);
	deep = xasprintf("%s/a/b/c", dir);
	outside = xasprintf("%s.outside", dir);
	link = xasprintf("%s/a/link", dir);
	ok(io_write_file_atomic(path, "hello", 5, 0640, NULL, NULL) == 0 &&
		   io_read_file(path, 5, &text, NULL) == 0 && !strcmp(buf_str(&text), "hello"),
	   "a file is written whole and read back");
	buf_reset(&text);
	ok(io_read_file(path, 4, &text, NULL) == ERR_INVALID, "a file over the limit is refused");
	ok(io_mkdir_p(deep, 0700, NULL) == 0 && io_mkdir_p(deep, 0700, NULL) == 0,
	   "folders are made with their parents, twice without harm");
	ok(io_mkdir_p(path, 0700, NULL) == -EEXIST, "a file in the way is an error");
	nowhere = xasprintf("%s/a/nowhere", dir);
	ok(symlink("missing", nowhere) == 0 && io_mkdir_p(nowhere, 0700, NULL) == -EEXIST,
	   "so is a link to nowhere, and the error is mkdir()'s");
	mkdir(outside, 0700);
	ok(symlink(outside, link) == 0 && io_remove_tree(dir, NULL) == 0 && access(dir, F_OK) < 0 &&
		   access(outside, F_OK) == 0,
	   "removing a tree does not follow links out of it");
	rmdir(outside);
}

int main(void)
{
	test_zero();
	test_files();
	return done_testing();
}
