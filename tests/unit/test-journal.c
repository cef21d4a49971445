/* lib/fleecing/journal: what is written down before it exists survives a crash. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "fleecing/journal.h"
#include "tap.h"

static void append(const struct paths *p, const char *text)
{
	_cleanup_free_ char *path = paths_get(p, "/var/lib/vzdump/123.journal");
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND);

	io_write_all(fd, text, strlen(text));
}

static void test_life(const struct paths *p)
{
	_cleanup_(journal_freep) struct journal *j = NULL, *read = NULL;
	_cleanup_free_ uint32_t *vmids = NULL;
	size_t n = 9;

	ok(journal_list(p, &vmids, &n, NULL) == 0 && n == 0, "without its folder there is no journal");
	ok(journal_load(p, 123, &read, NULL) == -ENOENT, "a journal that is not there says so");
	ok(journal_create(p, 123, &j, NULL) == 0, "a journal begins");
	ok(journal_add(j, JOURNAL_IMAGE, "fast:123/vm-123-fleece-0.raw", NULL) == 0 &&
		   journal_add(j, JOURNAL_LOCK, NULL, NULL) == 0 &&
		   journal_add(j, JOURNAL_FILE, "/dump/with blank.dat", NULL) == 0,
	   "things are written down");
	ok(journal_add(j, JOURNAL_FILE, "two\nlines", NULL) == ERR_INVALID,
	   "a value with a line break is refused");
	journal_strike(j, JOURNAL_LOCK, NULL);
	ok(!journal_finish(j), "with things left it stays");
	/* what a crash in the middle of a write leaves */
	append(p, "+image fast:123/never-beg");
	ok(journal_load(p, 123, &read, NULL) == -EBUSY && !read,
	   "nobody else takes it over while its process lives");
	journal_free(TAKE_PTR(j));
	ok(journal_load(p, 123, &read, NULL) == 0 && read->n == 3 &&
		   read->entries[0].kind == JOURNAL_PID && read->entries[1].kind == JOURNAL_IMAGE &&
		   !strcmp(read->entries[1].value, "fast:123/vm-123-fleece-0.raw") &&
		   !strcmp(read->entries[2].value, "/dump/with blank.dat"),
	   "another process reads what was not struck out, without the torn last line");
	ok(journal_list(p, &vmids, &n, NULL) == 0 && n == 1 && vmids[0] == 123,
	   "and finds it in the list");
	journal_strike(read, JOURNAL_IMAGE, "fast:123/vm-123-fleece-0.raw");
	journal_strike(read, JOURNAL_FILE, "/dump/with blank.dat");
	ok(journal_finish(read) && journal_load(p, 123, &j, NULL) == -ENOENT,
	   "with nothing left it goes");
}

int main(void)
{
	char dir[] = "/tmp/vzdump-test-XXXXXX";
	struct paths p;

	if (!mkdtemp(dir))
		return 1;
	paths_init(&p, dir);
	test_life(&p);
	{
		_cleanup_(journal_freep) struct journal *a = NULL, *b = NULL;

		ok(journal_create(&p, 123, &a, NULL) == 0 &&
			   journal_create(&p, 123, &b, NULL) == -EEXIST,
		   "a guest has one journal at a time");
	}
	io_remove_tree(dir, NULL);
	paths_clear(&p);
	return done_testing();
}
