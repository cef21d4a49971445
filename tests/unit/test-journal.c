/* lib/journal/journal: what is written down before it exists survives a crash. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "journal/run-dir.h"
#include "journal/recover.h"
#include "tap.h"

static int undo_nothing(const struct host *host, struct journal *j, const char *value, const struct log *log,
			struct error **err)
{
	(void)host, (void)j, (void)value, (void)log, (void)err;
	return 0;
}

static const struct journal_kind image_kind = { .name = JOURNAL_IMAGE, .rank = 1, .undo = undo_nothing };
static const struct journal_kind *const kinds[] = {
	&journal_kind_pid, &image_kind, &journal_kind_file, &journal_kind_dir, &journal_kind_lock, NULL,
};

/*
 * Between the opening of a journal and its lock the one who had it may end, and another one begin: what
 * journal.c calls is this, which lets that happen.
 */
static void (*at_lock)(const struct paths *p);
static const struct paths *at_lock_paths;

int flock(int fd, int operation)
{
	void (*now)(const struct paths *p) = at_lock;

	at_lock = NULL;
	if (now)
		now(at_lock_paths);
	return (int)syscall(SYS_flock, fd, operation);
}

static struct journal *other;

static void ends(const struct paths *p)
{
	(void)p;
	journal_remove(other, NULL);
	journal_free(TAKE_PTR(other));
}

static void ends_and_another_begins(const struct paths *p)
{
	ends(p);
	journal_create(p, kinds, 123, &other, NULL);
	journal_add(other, JOURNAL_IMAGE, "local:123/of-the-living.raw", NULL);
}

/* What a cleanup does that comes between the making of a journal and its lock. */
static void is_cleaned_up(const struct paths *p)
{
	struct journal *j = NULL;

	if (journal_load(p, kinds, 123, &j, NULL) == 0)
		journal_finish(j);
	journal_free(j);
}

static void test_races(const struct paths *p)
{
	_cleanup_(journal_freep) struct journal *j = NULL, *mine = NULL;

	at_lock_paths = p;
	journal_create(p, kinds, 123, &other, NULL);
	at_lock = ends_and_another_begins;
	ok(journal_load(p, kinds, 123, &j, NULL) == -EBUSY && !j && other && other->n == 2,
	   "a journal that was replaced before its lock was taken is not read as if it were the dead one's");
	ends(p);
	journal_create(p, kinds, 123, &other, NULL);
	at_lock = ends;
	ok(journal_load(p, kinds, 123, &j, NULL) == -ENOENT && !j, "one that was removed is not there");

	at_lock = is_cleaned_up;
	ok(journal_create(p, kinds, 123, &mine, NULL) == 0 && journal_check(mine, NULL) == 0 && mine->n == 1,
	   "a journal that a cleanup removed before it was locked is begun again");
	unlink(mine->path);
	ok(journal_check(mine, NULL) == -ESTALE, "a removed journal is noticed by who works with it");
	journal_create(p, kinds, 123, &other, NULL);
	ok(journal_remove(mine, NULL) == -ESTALE && journal_finish(mine) && journal_check(other, NULL) == 0,
	   "and another one's of its name stays");
	ends(p);
}

static void append(const struct paths *p, const char *text)
{
	_cleanup_free_ char *path = paths_get(p, "/var/lib/vzdump/123.journal");
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND);

	io_write_all(fd, text, strlen(text));
}

static off_t size_of(const struct paths *p)
{
	_cleanup_free_ char *path = paths_get(p, "/var/lib/vzdump/123.journal");
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void test_life(const struct paths *p)
{
	_cleanup_(journal_freep) struct journal *j = NULL, *read = NULL;
	off_t size;
	_cleanup_free_ uint32_t *vmids = NULL;
	size_t n = 9;

	ok(journal_list(p, &vmids, &n, NULL) == 0 && n == 0, "without its folder there is no journal");
	ok(journal_load(p, kinds, 123, &read, NULL) == -ENOENT, "a journal that is not there says so");
	ok(journal_peek(p, kinds, 123, &read, NULL) == 0 && !read, "and looking finds none");
	ok(journal_create(p, kinds, 123, &j, NULL) == 0, "a journal begins");
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
	size = size_of(p);
	ok(journal_load(p, kinds, 123, &read, NULL) == -EBUSY && !read,
	   "nobody else takes it over while its process lives");
	ok(journal_peek(p, kinds, 123, &read, NULL) == -EBUSY && !read, "nor looks at it");
	journal_free(TAKE_PTR(j));
	ok(journal_peek(p, kinds, 123, &read, NULL) == 0 && read->n == 3 && size_of(p) == size,
	   "then it can be looked at without changing it");
	journal_free(TAKE_PTR(read));
	ok(journal_load(p, kinds, 123, &read, NULL) == 0 && read->n == 3 &&
		   journal_entry_is(&read->entries[0], JOURNAL_PID) &&
		   journal_entry_is(&read->entries[1], JOURNAL_IMAGE) &&
		   !strcmp(read->entries[1].value, "fast:123/vm-123-fleece-0.raw") &&
		   !strcmp(read->entries[2].value, "/dump/with blank.dat"),
	   "another process reads what was not struck out, without the torn last line");
	journal_add_pid(read, NULL);
	journal_free(TAKE_PTR(read));
	ok(journal_load(p, kinds, 123, &read, NULL) == 0 && read->n == 4 &&
		   journal_entry_is(&read->entries[3], JOURNAL_PID),
	   "which does not become the beginning of the next");
	ok(journal_list(p, &vmids, &n, NULL) == 0 && n == 1 && vmids[0] == 123, "and finds it in the list");
	journal_strike(read, JOURNAL_IMAGE, "fast:123/vm-123-fleece-0.raw");
	journal_strike(read, JOURNAL_FILE, "/dump/with blank.dat");
	ok(journal_finish(read) && journal_load(p, kinds, 123, &j, NULL) == -ENOENT,
	   "with nothing left it goes");
}

static void unlink_journal(const struct paths *p)
{
	_cleanup_free_ char *path = paths_get(p, "/var/lib/vzdump/123.journal");

	unlink(path);
}

static void test_run_dir(const struct paths *p)
{
	_cleanup_(journal_freep) struct journal *j = NULL;
	_cleanup_free_ char *first = NULL, *second = NULL, *third = NULL, *file = NULL;
	struct stat st;

	journal_create(p, kinds, 123, &j, NULL);
	ok(run_dir_make(p, j, &first, NULL) == 0 && stat(first, &st) == 0 && (st.st_mode & 0777) == 0700 &&
		   journal_has(j, JOURNAL_DIR),
	   "a private folder is made, in the journal");
	file = xasprintf("%s/stale", first);
	io_write_file_atomic(file, "x", 1, 0600, NULL, NULL);
	ok(run_dir_make(p, j, &second, NULL) == 0 && !strcmp(first, second) && access(file, F_OK) < 0,
	   "one of its name that is left goes");
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount(first, first, NULL, MS_BIND, NULL) == 0) {
		ok(run_dir_make(p, j, &third, NULL) == 0 && strcmp(first, third) != 0 &&
			   stat(third, &st) == 0 && !strcmp(j->entries[j->n - 1].value, third),
		   "where it cannot go, another one is made");
		umount(first);
	}
	journal_remove(j, NULL);
}

/* Room for half a line, as on a disk that is full. */
static void test_full(const struct paths *p)
{
	_cleanup_(journal_freep) struct journal *j = NULL, *read = NULL;
	struct rlimit old, tight;
	struct stat st;
	int r;

	journal_create(p, kinds, 123, &j, NULL);
	fstat(j->fd, &st);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	tight = (struct rlimit){ (rlim_t)st.st_size + 10, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &tight);
	r = journal_add(j, JOURNAL_IMAGE, "local:123/vm-123-fleece-0.raw", NULL);
	setrlimit(RLIMIT_FSIZE, &old);
	ok(r == -EFBIG, "what cannot be written down is an error");
	ok(journal_add(j, JOURNAL_LOCK, NULL, NULL) == 0 && j->n == 2, "there is room again");
	journal_free(TAKE_PTR(j));
	ok(journal_load(p, kinds, 123, &read, NULL) == 0 && read->n == 2 &&
		   journal_entry_is(&read->entries[1], JOURNAL_LOCK),
	   "and nothing of the half line is in the way");
	journal_remove(read, NULL);
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

		ok(journal_create(&p, kinds, 123, &a, NULL) == 0 &&
			   journal_create(&p, kinds, 123, &b, NULL) == -EEXIST,
		   "a guest has one journal at a time");
	}
	unlink_journal(&p);
	test_full(&p);
	test_races(&p);
	test_run_dir(&p);
	io_remove_tree(dir, NULL);
	paths_clear(&p);
	return done_testing();
}
