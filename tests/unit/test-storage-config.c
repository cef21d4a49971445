#include "restore/restore.h"
#include "storage/storage.h"
#include "test-config-util.h"

static const char text[] = "dir: local\n"
			   "\tpath /srv/vz/\n"
			   "\tnodes elsewhere\n"
			   "\tcontent iso,nonsense\n"
			   "\tformat lvm\n"
			   "\tpreallocation never\n"
			   "\n"
			   "DIR: fast\n"
			   "\tpath /fast\n"
			   "\tcontent-dirs images=img,backup=bak\n"
			   "\tis_mountpoint yes\n"
			   "\tmkdir 0\n"
			   "\tprune-backups keep-last=3\n"
			   "\tmax-protected-backups 5\n"
			   "\tpreallocation full\n"
			   "\tformat qcow2\n"
			   "\tfuture-key 1\n"
			   "\n"
			   "dir: off\n"
			   "\tpath /off\n"
			   "\tdisable\n"
			   "\n"
			   "dir: away\n"
			   "\tpath /away\n"
			   "\tnodes one,two\n"
			   "\n"
			   "dir: here\n"
			   "\tpath /here\n"
			   "\tnodes one;me\n"
			   "\tcontent none\n"
			   "\tmkdir 0\n"
			   "\tcreate-base-path 1\n"
			   "\tis_mountpoint /mnt/x\n"
			   "\n"
			   "dir: pathless\n"
			   "\tshared maybe\n"
			   "\n"
			   "pbs: backupserver\n"
			   "\tserver x\n"
			   "\tcontent backup\n"
			   "\n"
			   "dir: -bad\n"
			   "\tpath /bad\n"
			   "\n"
			   "dir: twice\n"
			   "\tpath /a\n"
			   "\tpath /b\n"
			   "\tcontnt backup\n"
			   "\tincremental 1\n"
			   "\tcontent imgaes\n";

static void refused(const struct storage_config *c, const char *id, unsigned content, const char *part)
{
	const struct storage *s = NULL;
	struct error *err = NULL;

	fails(storage_get(c, id, content, &s, &err), &err, part, part);
}

static void test_use(const struct storage_config *c)
{
	const struct storage *s = NULL;
	struct error *err = NULL;

	works(storage_get(c, "fast", STORAGE_IMAGES, &s, &err), &err, "a good storage can be used");
	refused(c, "none", 0, "storage 'none' does not exist");
	refused(c, "fsat", 0, "storage 'fsat' does not exist (did you mean 'fast'?)");
	refused(c, "off", 0, "storage 'off' is disabled");
	refused(c, "away", 0, "storage 'away' is not available on node 'me'");
	refused(c, "backupserver", 0,
		"storage 'backupserver' is of type 'pbs', which is not supported (supported: dir");
	refused(c, "pathless", 0, "storage 'pathless' has no path");
	refused(c, "fast", STORAGE_BACKUP, "can't use storage 'fast' for backup - wrong content type");
	refused(c, "here", STORAGE_IMAGES, "(it has 'none'");
	ok(!storage_enabled(c, storage_find(c, "off")) && !storage_enabled(c, storage_find(c, "away")) &&
		   storage_enabled(c, storage_find(c, "here")),
	   "enabled follows disable and nodes");
}

static void test_full(void)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	const struct storage *s;
	char *dir = NULL;

	storage_config_parse(text, "f", "me", "/root/var/lib/vz", &log, &c);
	same(buf_str(&lines),
	     "W file f line 4 (section 'local') - unable to parse value of 'content': storage does "
	     "not support content type 'nonsense'\n"
	     "W file f line 5 (section 'local') - unable to parse value of 'format': not a format "
	     "of this storage type\n"
	     "W file f line 6 (section 'local') - unable to parse value of 'preallocation': not "
	     "one of off, metadata, falloc, full\n"
	     "W file f line 17 (section 'fast') - unable to parse value of 'future-key': unexpected "
	     "property\n"
	     "W file f line 36 (section 'pathless') - unable to parse value of 'shared': not a "
	     "boolean (use 1 or 0)\n"
	     "W file f line 42 (skip section '-bad'): not a storage id (two or more letters, digits, '-', '_' or '.', "
	     "starting with a letter, ending with a letter or digit)\n"
	     "W file f line 47 (section 'twice') - unable to parse value of 'path': duplicate attribute\n"
	     "W file f line 48 (section 'twice') - unable to parse value of 'contnt': unexpected "
	     "property (did you mean 'content'?)\n"
	     "W file f line 49 (section 'twice') - unable to parse value of 'incremental': unexpected "
	     "property (it belongs into ./vzdump-storage.cfg)\n"
	     "W file f line 50 (section 'twice') - unable to parse value of 'content': storage does not "
	     "support content type 'imgaes' (did you mean 'images'?)\n",
	     "what cannot be understood is warned about with its line");
	s = storage_find(&c, "local");
	same(s->path, "/srv/vz", "slashes at the end of a path are cut");
	ok(s->content == STORAGE_ISO && !s->nodes, "local has no node limits");
	s = storage_find(&c, "fast");
	same(s->type, "dir", "types are lower case");
	same(s->mountpoint, "/fast", "is_mountpoint yes means the path");
	ok(!s->create_base && !s->create_subdirs, "mkdir 0 makes nothing");
	ok(s->content == (STORAGE_IMAGES | STORAGE_ROOTDIR), "dir's own content types");
	ok(s->format == IMAGE_QCOW2 && s->preallocation == PREALLOC_FULL, "format and preallocation");
	ok(s->max_protected_backups == 5, "limit of protected backups");
	same(s->prune_backups, "keep-last=3", "retention");
	storage_dir(s, STORAGE_BACKUP, &dir, NULL);
	same(dir, "/fast/bak", "content-dirs move a directory");
	free(dir);
	storage_dir(s, STORAGE_ISO, &dir, NULL);
	same(dir, "/fast/template/iso", "others stay where PVE has them");
	free(dir);
	s = storage_find(&c, "here");
	ok(s->create_base && !s->create_subdirs, "create-base-path beats mkdir");
	same(s->mountpoint, "/mnt/x", "is_mountpoint may be a path");
	test_use(&c);
}

static void test_implicit(void)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	const struct storage *s = NULL;
	struct error *err = NULL;

	storage_config_parse("", "f", "me", "/r/var/lib/vz", NULL, &c);
	works(storage_get(&c, "local", STORAGE_BACKUP, &s, &err), &err,
	      "without storage.cfg there is local, for backups too");
	same(s->path, "/r/var/lib/vz", "at its usual place");
}

/* PVE keeps what is usable of what it cannot understand. */
static void test_odd(void)
{
	static const char odd[] = "dir: local\n\tcontent backup\n\n"
				  "dir: twice\n\tpath /first\n\n"
				  "nfs: net\n\tserver x\n\texport /x\n\n"
				  "dir: keys\n\tpath /keys\n\tprune-backups keep-all=1,keep-last=1\n"
				  "\tmax-protected-backups -2\n\tcreate-subdirs 0\n\tdisable 0\n"
				  "\tbwlimit default=10,restore=20\n\n"
				  "dir: bw\n\tpath /bw\n\tbwlimit clone=5,default=10\n\n"
				  "dir: twice\n\tpath /second\n\tshared 1\n";
	_cleanup_storage_config_ struct storage_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	const struct storage *s;

	storage_config_parse(odd, "f", "me", "/root/var/lib/vz", &log, &c);
	same(buf_str(&lines),
	     "W file f line 13 (section 'keys') - unable to parse value of 'prune-backups': keep-all "
	     "cannot be set together with other options\n"
	     "W file f line 14 (section 'keys') - unable to parse value of 'max-protected-backups': "
	     "not a number, or less than -1\n"
	     "W file f line 1 (skip section 'local'): it has no path\n",
	     "what is odd is told with its line");
	s = storage_find(&c, "local");
	same(s->path, "/root/var/lib/vz", "a local without path lies where it always does");
	ok(s->content == (STORAGE_BACKUP | STORAGE_IMAGES | STORAGE_ISO | STORAGE_ROOTDIR | STORAGE_SNIPPETS |
			  STORAGE_VZTMPL),
	   "for all that it is for");
	same(s->prune_backups, "keep-all=1", "and keeps all backups");
	s = storage_find(&c, "twice");
	same(s->path, "/second", "of two sections the last counts");
	ok(s->shared && c.n == 5, "alone");
	ok(storage_find(&c, "net")->shared, "what is on the network is shared");
	s = storage_find(&c, "keys");
	ok(!s->prune_backups && s->max_protected_backups == -1, "bad limits are none");
	ok(s->create_base && !s->create_subdirs, "create-subdirs alone");
	ok(storage_enabled(&c, s), "disable 0 disables nothing");
	ok(storage_restore_bwlimit(s) == 20, "a restore has a limit of its own");
	ok(storage_restore_bwlimit(storage_find(&c, "bw")) == 10, "or the default one");
	ok(storage_restore_bwlimit(storage_find(&c, "net")) == 0, "or none");
}

int main(void)
{
	test_full();
	test_odd();
	test_implicit();
	return done_testing();
}
