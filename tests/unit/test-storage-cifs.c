/* cifs: keys; and the real thing where VZ_CIFS names a share, root's password there being "secret". */
#include "test-storage-real.h"

static const char config[] = "cifs: win\n\tserver nas\n\tshare pve\n\n"
			     "cifs: noshare\n\tserver nas\n\n"
			     "cifs: subdir\n\tserver nas\n\tshare x\n\tsubdir y\n\n"
			     "cifs: gone\n\tserver 100::1\n\tshare x\n\tpath /nonexistent/gone\n\n";

static void test_keys(void)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	const struct storage *s = NULL;
	struct error *err = NULL;

	storage_config_parse(config, "f", "me", "/nonexistent", NULL, &c);
	works(storage_get(&c, "win", STORAGE_IMAGES, &s, &err), &err, "images by default");
	ok(s && s->shared && s->content == STORAGE_IMAGES, "and images alone; it is shared");
	same(s ? s->path : NULL, "/mnt/pve/win", "without path it is mounted where PVE does it");
	fails(storage_get(&c, "noshare", 0, &s, &err), &err, "storage 'noshare' has no share",
	      "a share is needed");
	fails(storage_get(&c, "subdir", 0, &s, &err), &err, "subdir 'y' is not an absolute path",
	      "subdir is a path");
	fails(storage_activate(storage_find(&c, "gone"), NULL, &err), &err,
	      "storage 'gone' is not online (no answer from '100::1')", "a server that is away");
	ok(access("/nonexistent", F_OK) != 0, "costs no directory");
}

/* ---- with a server ---- */

static char base[] = "/tmp/test-cifs-XXXXXX";

static void password_is(const char *id, const char *password)
{
	_cleanup_free_ char *dir = xasprintf("%s/priv/storage", base);
	_cleanup_free_ char *file = xasprintf("%s/%s.pw", dir, id);
	_cleanup_free_ char *text = xasprintf("password=%s\n", password);

	io_mkdir_p(dir, 0700, NULL);
	io_write_file_atomic(file, text, strlen(text), 0600, NULL, NULL);
}

static void load_real(struct storage_config *c, const char *share)
{
	_cleanup_free_ char *file = xasprintf("%s/storage.cfg", base);
	_cleanup_free_ char *text =
		xasprintf("cifs: real\n\tserver 127.0.0.1\n\tshare %s\n\tpath %s/mnt\n"
			  "\tcontent images,backup\n\tusername root\n\tsmbversion 3.11\n"
			  "\toptions nobrl\n\n"
			  "cifs: locks\n\tserver 127.0.0.1\n\tshare %s\n\tpath %s/locks\n"
			  "\tusername root\n\n"
			  "cifs: below\n\tserver 127.0.0.1\n\tshare %s\n\tpath %s/below\n"
			  "\tsubdir /images\n\tcontent iso\n\n"
			  "cifs: wrong\n\tserver 127.0.0.1\n\tshare nowhere\n\tpath %s/wrong\n\n",
			  share, base, share, base, share, base, base);

	storage_config_parse(text, file, "me", "/nonexistent", NULL, c);
}

/* Without a file of its password it is a guest's; subdir is a part of the share. */
static void test_guest(const struct storage_config *c)
{
	_cleanup_free_ char *mnt = xasprintf("%s/below", base);
	_cleanup_free_ char *iso = xasprintf("%s/mnt/images/template/iso", base);
	const struct storage *s = storage_find(c, "below");
	struct error *err = NULL;

	works(storage_activate(s, NULL, &err), &err, "a guest's mount of a subdirectory");
	works(storage_activate(s, NULL, &err), &err, "is found again");
	ok(access(iso, F_OK) == 0, "it is the subdirectory");
	ok(RUN("umount", mnt), "and mounted once");
}

/* With SMB's own locks QEMU writes without any; qemu-img cannot be told so. */
static void test_locks(const struct storage_config *c)
{
	const struct storage *s = storage_find(c, "locks");
	struct volume_alloc a = { .vmid = 124, .name = "vm-124-fleece-0", .size = MIB };
	_cleanup_free_ char *mnt = xasprintf("%s/locks", base);
	struct volume v = { 0 };
	struct error *err = NULL;

	password_is("locks", "secret");
	works(storage_activate(s, NULL, &err), &err, "without nobrl");
	if (works(volume_alloc(s, &a, &v, &err), &err, "a raw image")) {
		ok(qemu_writes(&v), "can be written by QEMU");
		works(volume_free(&v, &err), &err, "and removed");
		volume_clear(&v);
	}
	a.format = IMAGE_QCOW2;
	fails(volume_alloc(s, &a, &v, &err), &err, "mounted without the option nobrl",
	      "one in qcow2 cannot be made, and the way out is told");
	ok(RUN("umount", mnt), "nothing keeps it busy");
}

static void test_real(const char *share)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	_cleanup_free_ char *mnt = NULL;
	struct error *err = NULL;

	ok(mkdtemp(base) != NULL, "a directory for mounts");
	mnt = xasprintf("%s/mnt", base);
	load_real(&c, share);
	password_is("real", "wrong");
	fails(storage_activate(storage_find(&c, "real"), NULL, &err), &err, "Permission denied",
	      "a wrong password is refused");
	fails(storage_activate(storage_find(&c, "wrong"), NULL, &err), &err,
	      "'mount -t cifs //127.0.0.1/nowhere", "so is a share that is not there");
	password_is("real", "secret");
	check_real_storage(&c, "real");
	test_guest(&c);
	test_locks(&c);
	ok(RUN("umount", mnt), "nothing keeps it busy");
	io_remove_tree(base, NULL);
}

int main(void)
{
	const char *share = getenv("VZ_CIFS");

	test_keys();
	if (share)
		test_real(share);
	else
		ok(true, "a real one # SKIP tests/storage/network.test does it");
	return done_testing();
}
