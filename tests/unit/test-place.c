/* lib/place: an archive from its creation until it is published, or not. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "journal/recover.h"
#include "place/place.h"
#include "test-config-util.h"

#define STEM "vzdump-qemu-100-2026_01_01-00_00_00"
#define NAME STEM ".vma.zst"
#define PART STEM ".vma.dat"

static const struct journal_kind *const kinds[] = { &journal_kind_pid, &journal_kind_file, NULL };

struct fixture {
	char dir[32];
	struct paths paths;
	struct journal *journal;
	struct place *place;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ .dir = "/tmp/test-place-XXXXXX" };
	ok(mkdtemp(f->dir) != NULL, "a folder");
	f->paths.root = f->dir;
	journal_create(&f->paths, kinds, 100, &f->journal, NULL);
	f->place = place_dir_new(f->dir, NULL);
}

static void end(struct fixture *f)
{
	place_free(f->place);
	journal_free(f->journal);
	io_remove_tree(f->dir, NULL);
}

static bool exists(const struct fixture *f, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->dir, name);

	return access(path, F_OK) == 0;
}

static bool holds(const struct fixture *f, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->dir, name);
	_cleanup_buf_ struct buf got = BUF_INIT;

	return io_read_file(path, 4096, &got, NULL) == 0 && !strcmp(buf_str(&got), text);
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->dir, name);

	io_write_file_atomic(path, text, strlen(text), 0644, NULL, NULL);
}

static struct archive *create(struct fixture *f, const char *what)
{
	struct archive *a = NULL;
	struct error *err = NULL;

	works(place_create(f->place, NAME, f->journal, NULL, &a, &err), &err, what);
	return a;
}

static void test_publish(void)
{
	struct error *err = NULL;
	struct fixture f;
	struct archive *a;

	begin(&f);
	ok(!place_exists(f.place, NAME), "the name is free");
	a = create(&f, "an archive is begun");
	ok(journal_has(f.journal, JOURNAL_FILE), "the journal knows its file");
	ok(exists(&f, PART) && !place_exists(f.place, NAME), "which has not its name yet");
	works(output_write(a->output, "data", 4, &err), &err, "data is written");
	works(place_publish(a, &err), &err, "it is published");
	ok(!a->not_synced && holds(&f, NAME, "data") && !exists(&f, PART), "and has its name");
	ok(!journal_has(f.journal, JOURNAL_FILE), "the journal no longer has it");
	place_abort(a);
	ok(place_exists(f.place, NAME), "it stays when the archive is freed");
	end(&f);
}

static void test_abort(void)
{
	struct fixture f;
	struct archive *a;

	begin(&f);
	a = create(&f, "an archive is begun");
	place_abort(a);
	ok(!place_exists(f.place, NAME), "one that is given up never has its name");
	ok(exists(&f, PART) && journal_has(f.journal, JOURNAL_FILE), "and its file is left to the journal");
	a = create(&f, "the next try replaces that file");
	place_abort(a);
	end(&f);
}

static void test_name_exists(void)
{
	struct archive *a = NULL;
	struct error *err = NULL;
	struct fixture f;

	begin(&f);
	put(&f, NAME, "older");
	fails(place_create(f.place, NAME, f.journal, NULL, &a, &err), &err, "already exists",
	      "an archive that exists is not begun again");
	ok(!a && holds(&f, NAME, "older") && !exists(&f, PART), "it stays as it is");
	end(&f);
}

/* Somebody put a link there: it is not followed. */
static void test_link(void)
{
	_cleanup_free_ char *part = NULL;
	struct error *err = NULL;
	struct fixture f;
	struct archive *a;

	begin(&f);
	part = xasprintf("%s/" PART, f.dir);
	put(&f, "precious", "theirs");
	ok(symlink("precious", part) == 0, "a link has the name of the unfinished file");
	a = create(&f, "an archive is begun");
	works(output_write(a->output, "data", 4, &err), &err, "data is written");
	place_abort(a);
	ok(holds(&f, "precious", "theirs"), "what the link led to is untouched");
	end(&f);
}

static void test_list(void)
{
	_cleanup_free_ char *dangling = NULL, *folder = NULL;
	struct backups b = { 0 };
	struct fixture f;

	begin(&f);
	dangling = xasprintf("%s/vzdump-qemu-100-2026_01_02-00_00_00.vma.protected", f.dir);
	folder = xasprintf("%s/vzdump-qemu-100-2026_01_04-00_00_00.vma", f.dir);
	put(&f, "vzdump-qemu-100-2026_01_03-00_00_00.vma.gz", "333");
	put(&f, "vzdump-qemu-100-2026_01_02-00_00_00.vma", "22");
	put(&f, NAME, "1");
	put(&f, NAME ".protected", "");
	put(&f, NAME ".notes", "");
	put(&f, STEM ".log", "");
	put(&f, "vzdump-qemu-101-2026_01_01-00_00_00.vma", "");
	put(&f, "vzdump-lxc-100-2026_01_01-00_00_00.tar", "");
	ok(symlink("nowhere", dangling) == 0 && mkdir(folder, 0700) == 0, "a link to nothing, and a folder");
	ok(place_list(f.place, "qemu", 100, &b, NULL) == 0 && b.n == 3, "the archives of a guest");
	ok(b.n == 3 && b.list[0].size == 1 && b.list[1].size == 2 && b.list[2].size == 3, "oldest first");
	ok(b.n == 3 && b.list[0].is_protected && !b.list[1].is_protected && !b.list[2].is_protected,
	   "a file beside one protects it, a link to nothing does not");
	backups_clear(&b);
	ok(place_list(f.place, NULL, 0, &b, NULL) == 0 && b.n == 5, "or all archives");
	backups_clear(&b);
	end(&f);
}

static void test_log(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *path = NULL, *want = NULL;
	struct error *err = NULL;
	struct fixture f;

	begin(&f);
	want = xasprintf("%s/" STEM ".log", f.dir);
	path = place_log_path(f.place, STEM);
	same(path, want, "the log lies beside the archive");
	put(&f, "precious", "theirs");
	ok(symlink("precious", path) == 0, "a link has its name");
	buf_adds(&text, "line\n");
	works(place_keep_log(f.place, STEM, &text, &err), &err, "a log is kept");
	ok(holds(&f, STEM ".log", "line\n") && holds(&f, "precious", "theirs"), "in place of the link");
	end(&f);
}

static void test_notes_journal(void)
{
	struct error *err = NULL;
	struct fixture f;

	begin(&f);
	works(place_set_notes(f.place, NAME, "text", f.journal, NULL, &err), &err, "notes with a journal");
	ok(holds(&f, NAME ".notes", "text") && !journal_has(f.journal, JOURNAL_FILE),
	   "are written, and nothing is left in it");
	end(&f);
}

static void test_stdout(void)
{
	_cleanup_free_ char *path = NULL;
	struct archive *a = NULL;
	struct error *err = NULL;
	struct place *p;
	char got[8] = "";
	int fds[2];

	ok(pipe(fds) == 0, "a pipe");
	p = place_stdout_new(fds[1]);
	path = place_path(p, NAME);
	same(path, "-", "standard output is called so");
	ok(!place_keeps(p) && !place_exists(p, NAME), "and keeps nothing");
	works(place_create(p, NAME, NULL, NULL, &a, &err), &err, "an archive goes there");
	works(output_write(a->output, "data", 4, &err), &err, "data is written");
	works(place_publish(a, &err), &err, "and is complete");
	place_abort(a);
	place_free(p);
	ok(read(fds[0], got, 4) == 4 && !strcmp(got, "data"), "its reader has it");
	ok(write(fds[1], "x", 1) == 1, "the descriptor is still open");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	test_publish();
	test_abort();
	test_name_exists();
	test_link();
	test_list();
	test_log();
	test_notes_journal();
	test_stdout();
	return done_testing();
}
