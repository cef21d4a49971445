/* vzdump-storage.cfg: what it says, and what is left out of it with a warning. */
#include "base/mem.h"
#include "storage/own-config.h"
#include "test-config-util.h"
#include "test-root.h"

static struct storage_config storages;

/* What file, the text of vzdump-storage.cfg, says of the storage; warnings without the folder. */
static void says(const char *file, const char *id, const char *want, const char *warnings, const char *what)
{
	_cleanup_buf_ struct buf lines = BUF_INIT;
	const struct log log = LOG_INTO(lines);
	_cleanup_free_ char *got = NULL, *all = NULL;

	put("/etc/pve/vzdump-storage.cfg", file);
	got = storage_incremental(&paths, &storages, id, &log);
	all = *warnings ? xasprintf("W file %s/etc/pve/vzdump-storage.cfg %s\n", paths.root, warnings)
			: xstrdup("");
	same(got, want, what);
	same(buf_str(&lines), all, *warnings ? "  with a warning" : "  without a warning");
}

static void test_values(void)
{
	says("", "fast", NULL, "", "an empty file says nothing");
	says("storage: fast\n\tincremental enabled=1,max-generations=10\n", "fast",
	     "enabled=1,max-generations=10", "", "a section has a property string");
	says("# ours\nstorage: local\n\tincremental 0\n\nstorage: fast\n\tincremental\n", "fast", "1", "",
	     "without a value it is 1");
	says("storage: local\n\tincremental 1\n", "fast", NULL, "", "another storage's does not count");
	says("storage: fast\n\tincremental 1\n\nstorage: fast\n\tincremental 0\n", "fast", "0", "",
	     "the last of several sections counts");
}

static void test_warnings(void)
{
	says("storage: fast\n\tincremental 1,max-days=0\n", "fast", NULL,
	     "line 2 (section 'fast') - unable to parse value of 'incremental': key 'max-days': value '0' is "
	     "too small, the minimum is 1",
	     "a value that is not possible is left out");
	says("storage: fast\n\tincremantal 1\n", "fast", NULL,
	     "line 2 (section 'fast') - unable to parse value of 'incremantal': unexpected property (did you "
	     "mean 'incremental'?)",
	     "so is an unknown key");
	says("storage: fast\n\tincremental 1\n\tincremental 0\n", "fast", "1",
	     "line 3 (section 'fast') - unable to parse value of 'incremental': duplicate attribute",
	     "the first of several keys counts");
	says("storage: fsat\n\tincremental 1\n", "fast", NULL,
	     "line 1 (skip section 'fsat'): storage 'fsat' does not exist (did you mean 'fast'?)",
	     "a section needs a storage of that name");
	says("dir: fast\n\tincremental 1\n", "fast", NULL,
	     "line 1 (skip section 'fast'): unsupported type 'dir': sections here begin with 'storage: <id>'",
	     "and one type only");
	says("storage: fast\nincremental 1\n", "fast", NULL,
	     "line 2 (section 'fast') - ignore config line: incremental 1 (a line of a section begins with a tab "
	     "or a blank)",
	     "and lines that are indented");
}

static void test_no_file(void)
{
	_cleanup_buf_ struct buf lines = BUF_INIT;
	const struct log log = LOG_INTO(lines);

	same(storage_incremental(&paths, &storages, "fast", &log), NULL, "a missing file says nothing");
	same(buf_str(&lines), "", "  without a warning");
}

static void test_no_text(void)
{
	_cleanup_buf_ struct buf lines = BUF_INIT;
	const struct log log = LOG_INTO(lines);
	_cleanup_free_ char *file = paths_get(&paths, "/etc/pve/vzdump-storage.cfg");

	unlink(file);
	put("/etc/pve/vzdump-storage.cfg/file", "");
	same(storage_incremental(&paths, &storages, "fast", &log), NULL, "nor does one that cannot be read");
	ok(!strncmp(buf_str(&lines), "W ", 2) && strstr(buf_str(&lines), file),
	   "  with a warning that names it");
}

int main(void)
{
	root_make();
	storage_config_parse("dir: fast\n\tpath /fast\n", "storage.cfg", "me", "/var/lib/vz", NULL,
			     &storages);
	test_no_file();
	test_values();
	test_warnings();
	test_no_text();
	storage_config_clear(&storages);
	root_remove();
	return done_testing();
}
