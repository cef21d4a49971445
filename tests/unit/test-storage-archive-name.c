#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "place/retention.h"
#include "test-config-util.h"

static void good(const char *path, bool standard, uint32_t vmid, const char *format, const char *compression)
{
	_cleanup_archive_name_ struct archive_name a = { 0 };
	struct error *err = NULL;

	if (!works(archive_name_parse(path, &a, &err), &err, path))
		return;
	ok(a.standard == standard && a.vmid == vmid, "  standard %d, guest %u", standard, vmid);
	same(a.format, format, "  format");
	same(a.compression, compression, "  compression");
}

static void bad(const char *path)
{
	struct archive_name a;
	struct error *err = NULL;

	fails(archive_name_parse(path, &a, &err), &err, "couldn't determine archive info from", path);
}

static void test_names(void)
{
	static const char *const strange[] = {
		"",
		"x",
		"vzdump-qemu-100.log",
		"vzdump-qemu-.vma",
		"vzdump-xen-100-x.vma",
		"vzdump-qemu-100-2026_11_22-20_15_00.log",
		"vzdump-qemu-100-2026_11_22-20_15_00.vma.xz",
		"vzdump-qemu-100-2026_11_22-20_15_00.vma.zst.notes",
		"vzdump-qemu-100-2026_11_22-20_15_00.vma.dat",
		"/vzdump-qemu-1/x.vma",
		"vzdump-.vma",
	};
	_cleanup_archive_name_ struct archive_name a = { 0 };
	_cleanup_free_ char *stem = NULL;

	good("/d/vzdump-qemu-100-2026_11_22-20_15_00.vma.zst", true, 100, "vma", "zst");
	good("vzdump-lxc-100-2026_11_22-20_15_00.tar.gz", true, 100, "tar", "gz");
	good("vzdump-openvz-100-2026_11_22-20_15_00.tgz", true, 100, "tar", "gz");
	good("vzdump-qemu-100-2026_11_22-20_15_00.vma", true, 100, "vma", "");
	good("vzdump-qemu-100-2026_13_22-20_15_00.vma", false, 100, "vma", "");
	good("vzdump-qemu-100-2026_02_30-20_15_00.vma", false, 100, "vma", "");
	good("vzdump-qemu-100-2026_02_28-24_15_00.vma", false, 100, "vma", "");
	good("vzdump-qemu-100-2026_11_22-20_15_00x.vma", false, 100, "vma", "");
	good("vzdump-qemu-099-2026_11_22-20_15_00.vma", false, 0, "vma", "");
	good("vzdump-qemu-my-own.vma.lzo", false, 0, "vma", "lzo");
	for (size_t i = 0; i < ARRAY_SIZE(strange); i++)
		bad(strange[i]);

	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	stem = archive_stem("qemu", 123, 1795374900);
	same(stem, "vzdump-qemu-123-2026_11_22-20_15_00", "the time in a name is local");
	archive_name_parse("vzdump-qemu-123-2026_11_22-20_15_00.vma", &a, NULL);
	ok(a.ctime == 1795374900, "and is read back as such");
	same(a.stem, stem, "the stem is the name without extension");
	archive_name_clear(&a);
	archive_name_parse("vzdump-qemu-123-2026_10_25-02_30_00.vma", &a, NULL);
	ok(a.ctime == 1792888200, "of the hour that comes twice the first is meant");
}

static void touch(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	io_write_file_atomic(path, "abc", 3, 0644, NULL, NULL);
}

static bool exists(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return access(path, F_OK) == 0;
}

static void test_beside(const char *dir, const struct place *p)
{
	static const char name[] = "vzdump-qemu-100-2026_01_01-00_00_00.vma.zst";
	_cleanup_free_ char *marker = xasprintf("%s/%s.protected", dir, name);
	_cleanup_free_ char *notes = NULL, *none = NULL;
	struct error *err = NULL;

	works(place_set_notes(p, name, "two\nlines", NULL, NULL, &err), &err, "notes are written");
	works(place_notes(p, name, &notes, &err), &err, "and read");
	same(notes, "two\nlines", "as they were");
	works(place_set_notes(p, name, "", NULL, NULL, &err), &err, "empty notes");
	works(place_notes(p, name, &none, &err), &err, "are read, too");
	same(none, "", "as none");
	works(place_set_notes(p, name, "more", NULL, NULL, &err), &err, "and others are written");
	works(place_protect(p, name, NULL, &err), &err, "an archive is protected");
	works(place_protect(p, name, NULL, &err), &err, "twice does no harm");
	ok(access(marker, F_OK) == 0, "which shows");
	fails(place_remove(p, name, NULL, &err), &err, "cannot remove protected archive", "and keeps it");
	ok(place_exists(p, name), "it is still there");
	ok(unlink(marker) == 0, "protection ends");
	works(place_remove(p, name, NULL, &err), &err, "then it can be removed");
	ok(!exists(dir, name) && !exists(dir, "vzdump-qemu-100-2026_01_01-00_00_00.vma.zst.notes") &&
		   !exists(dir, "vzdump-qemu-100-2026_01_01-00_00_00.log"),
	   "with its log and notes");
	works(place_remove(p, name, NULL, &err), &err, "a missing one is fine");
}

static void test_prune(const char *dir, const struct place *p)
{
	_cleanup_backups_ struct backups b = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	struct prune_keep keep;
	struct error *err = NULL;
	bool ordered = true;
	unsigned removed;

	works(place_list(p, "qemu", 100, &b, &err), &err, "backups of a guest are listed");
	ok(b.n == 4, "four of them");
	for (size_t i = 1; i < b.n; i++)
		ordered = ordered && b.list[i - 1].ctime <= b.list[i].ctime;
	ok(ordered, "oldest first");
	prune_keep_parse("keep-last=1", &keep, NULL);
	backups_mark(&b, &keep, 1800000000); /* 2027 */
	works(backups_prune(p, &b, &log, &removed, &err), &err, "and pruned");
	ok(removed == 1, "one goes");
	same(buf_str(&lines), "I removing backup 'store:backup/vzdump-qemu-100-2026_01_02-00_00_00.vma'\n",
	     "with PVE's line");
	ok(exists(dir, "vzdump-qemu-100-2026_01_03-00_00_00.vma") &&
		   exists(dir, "vzdump-qemu-100-2025_01_01-00_00_00.vma") &&
		   exists(dir, "vzdump-qemu-100-renamed.vma"),
	   "the newest, the protected and the renamed stay");
}

static void test_files(void)
{
	static const char *const files[] = {
		"vzdump-qemu-100-2026_01_01-00_00_00.vma.zst",
		"vzdump-qemu-100-2026_01_01-00_00_00.log",
		"vzdump-qemu-100-2026_01_02-00_00_00.vma",
		"vzdump-qemu-100-2026_01_03-00_00_00.vma",
		"vzdump-qemu-100-2025_01_01-00_00_00.vma",
		"vzdump-qemu-100-2025_01_01-00_00_00.vma.protected",
		"vzdump-qemu-100-renamed.vma",
		"vzdump-qemu-101-2026_01_01-00_00_00.vma",
		"vzdump-lxc-100-2026_01_01-00_00_00.tar",
		"other",
	};
	char dir[] = "/tmp/test-archive-XXXXXX";
	_cleanup_place_ struct place *p = NULL;
	struct backups b;
	struct error *err = NULL;

	ok(mkdtemp(dir) != NULL, "a directory for files");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		touch(dir, files[i]);
	p = place_dir_new(dir, "store");
	test_beside(dir, p);
	test_prune(dir, p);
	io_remove_tree(dir, NULL);
	works(place_list(p, NULL, 0, &b, &err), &err, "a missing directory");
	ok(b.n == 0, "has no backups");
}

int main(void)
{
	test_names();
	test_files();
	return done_testing();
}
