/* cephfs: keys; and the real thing where VZ_CEPH names the configuration of a cluster. */
#include "test-storage-real.h"

static const char config[] = "cephfs: ceph\n\tpath /mnt/pve/x\n\tcontent backup,images\n\n"
			     "cephfs: user\n\tusername a,b\n\n"
			     "cephfs: name\n\tfs-name -x\n\n";

static void test_keys(void)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	const struct volume_alloc a = { .vmid = 100, .size = 512 };
	struct volume v = { 0 };
	const struct storage *s = NULL;
	struct error *err = NULL;

	storage_config_parse(config, "f", "me", "/nonexistent", NULL, &c);
	works(storage_get(&c, "ceph", STORAGE_BACKUP, &s, &err), &err, "backups by default");
	ok(s && s->shared && s->content == STORAGE_BACKUP, "and never images; it is shared");
	same(s ? s->path : NULL, "/mnt/pve/x", "it is mounted where the section says");
	fails(storage_get(&c, "ceph", STORAGE_IMAGES, &s, &err), &err, "wrong content type",
	      "fleecing images do not go there");
	fails(volume_alloc(storage_find(&c, "ceph"), &a, &v, &err), &err,
	      "images cannot be allocated or removed", "and cannot be made");
	fails(storage_get(&c, "user", 0, &s, &err), &err, "username 'a,b' is not a valid Ceph name",
	      "a user is one word");
	fails(storage_get(&c, "name", 0, &s, &err), &err, "fs-name '-x' is not a valid Ceph name",
	      "so is a file system");
}

/* ---- with a cluster ---- */

static char base[] = "/tmp/test-cephfs-XXXXXX";

static void load_real(struct storage_config *c)
{
	_cleanup_free_ char *file = xasprintf("%s/storage.cfg", base);
	_cleanup_free_ char *text = xasprintf("cephfs: whole\n\tpath %s/whole\n\tfuse 1\n\n"
					      "cephfs: part\n\tpath %s/part\n\tfuse 1\n\tsubdir /dump\n"
					      "\tfs-name cephfs\n\tcontent iso\n\n"
					      "cephfs: nofs\n\tpath %s/nofs\n\tfuse 1\n\tfs-name nowhere\n"
					      "\toptions ro\n\n",
					      base, base, base);

	storage_config_parse(text, file, "me", "/nonexistent", NULL, c);
}

static void test_real(const char *conf)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	_cleanup_free_ char *own = NULL, *whole = NULL, *part = NULL, *dump = NULL, *iso = NULL;
	struct storage_status st;
	struct error *err = NULL;

	ok(mkdtemp(base) != NULL, "a directory for mounts");
	own = xasprintf("%s/ceph.conf", base);
	whole = xasprintf("%s/whole", base);
	part = xasprintf("%s/part", base);
	dump = xasprintf("%s/whole/dump", base);
	iso = xasprintf("%s/whole/dump/template/iso", base);
	ok(symlink(conf, own) == 0, "the configuration lies beside storage.cfg");
	load_real(&c);
	works(storage_activate(storage_find(&c, "whole"), NULL, &err), &err, "it is mounted");
	works(storage_activate(storage_find(&c, "whole"), NULL, &err), &err, "and found again");
	ok(access(dump, F_OK) == 0, "with the directory for backups");
	works(storage_status(storage_find(&c, "whole"), &st, &err), &err, "it can be asked for space");
	works(storage_activate(storage_find(&c, "part"), NULL, &err), &err, "subdir is mounted");
	ok(access(iso, F_OK) == 0, "and is a part of it");
	fails(storage_activate(storage_find(&c, "nofs"), NULL, &err), &err, "ceph-fuse",
	      "a file system that is not there is an error");
	ok(RUN("umount", whole) && RUN("umount", part), "nothing keeps them busy");
	io_remove_tree(base, NULL);
}

int main(void)
{
	const char *conf = getenv("VZ_CEPH");

	test_keys();
	if (conf)
		test_real(conf);
	else
		ok(true, "a real one # SKIP tests/faults/storage-cephfs.bats does it");
	return done_testing();
}
