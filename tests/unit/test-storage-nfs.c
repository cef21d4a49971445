/* nfs: keys; and the real thing where VZ_NFS names an export (tests/storage/network.test). */
#include "test-storage-real.h"

static const char config[] = "nfs: pve\n\tserver nas\n\texport /tank/pve\n\tis_mountpoint 1\n\n"
			     "nfs: noserver\n\texport /x\n\n"
			     "nfs: noexport\n\tserver nas\n\n"
			     "nfs: server\n\tserver -oproc\n\texport /x\n\n"
			     "nfs: export\n\tserver nas\n\texport x\n\n"
			     "nfs: options\n\tserver nas\n\texport /x\n\toptions a b\n\n"
			     "nfs: gone\n\tserver 100::1\n\texport /x\n\tpath /nonexistent/gone\n\n";

static void refused(const struct storage_config *c, const char *id, const char *part)
{
	const struct storage *s;
	struct error *err = NULL;

	fails(storage_get(c, id, 0, &s, &err), &err, part, part);
}

static void test_keys(void)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	const struct storage *s = NULL;
	struct storage_status st;
	struct error *err = NULL;

	storage_config_parse(config, "f", "me", "/nonexistent", &log, &c);
	same(buf_str(&lines),
	     "W file f line 4 (section 'pve') - unable to parse value of 'is_mountpoint': "
	     "unexpected property\n",
	     "is_mountpoint is no key of this type, as in PVE");
	works(storage_get(&c, "pve", STORAGE_IMAGES, &s, &err), &err, "images by default");
	ok(s && s->shared && s->content == STORAGE_IMAGES, "and images alone; it is shared");
	same(s ? s->path : NULL, "/mnt/pve/pve", "without path it is mounted where PVE does it");
	refused(&c, "noserver", "storage 'noserver' has no server");
	refused(&c, "noexport", "storage 'noexport' has no export");
	refused(&c, "server", "server '-oproc' is not a host name");
	refused(&c, "export", "export 'x' is not an absolute path");
	refused(&c, "options", "options 'a b' is not a list of mount options");
	fails(storage_activate(storage_find(&c, "gone"), NULL, &err), &err,
	      "storage 'gone' is not online (no answer from '100::1')", "a server that is away");
	ok(access("/nonexistent", F_OK) != 0, "costs no directory");
	fails(storage_status(storage_find(&c, "gone"), &st, &err), &err,
	      "storage 'gone' is not mounted on '/nonexistent/gone'", "nor has it space to tell");
}

/* ---- with a server on the loopback device, which can be taken away ---- */

static char base[] = "/tmp/test-nfs-XXXXXX";

/* A server that is away hangs every process that looks, as it does by default. */
static void load_real(struct storage_config *c, const char *export)
{
	_cleanup_free_ char *text =
		xasprintf("nfs: real\n\tserver 127.0.0.1\n\texport %s\n\tpath %s/mnt\n"
			  "\tcontent images,backup\n\toptions hard,timeo=20\n\n"
			  "nfs: wrong\n\tserver 127.0.0.1\n\texport /nowhere\n\tpath %s/wrong\n"
			  "\toptions vers=4.2\n\n"
			  "nfs: nodir\n\tserver 127.0.0.1\n\texport %s\n\tpath %s/nodir\n"
			  "\tcreate-base-path 0\n\n",
			  export, base, base, export, base);

	storage_config_parse(text, "f", "me", "/nonexistent", NULL, c);
}

static unsigned count_mounts(const char *path)
{
	_cleanup_buf_ struct buf mounts = BUF_INIT;
	_cleanup_free_ char *want = xasprintf(" %s ", path);
	unsigned n = 0;

	io_read_file("/proc/self/mounts", MIB, &mounts, NULL);
	for (const char *at = buf_str(&mounts); (at = strstr(at, want)); at++)
		n++;
	return n;
}

static void test_failures(const struct storage_config *c)
{
	_cleanup_free_ char *nodir = xasprintf("%s/nodir", base);
	struct error *err = NULL;

	fails(storage_activate(storage_find(c, "wrong"), NULL, &err), &err,
	      "'mount -t nfs 127.0.0.1:/nowhere", "what the server does not export");
	fails(storage_activate(storage_find(c, "nodir"), NULL, &err), &err, "nodir' does not exist",
	      "a missing directory is an error");
	ok(access(nodir, F_OK) != 0, "where none may be made");
}

/* Of another type: NFS is mounted over it, with a warning. */
static void test_foreign(const struct storage_config *c, const char *mnt)
{
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	const struct storage *s = storage_find(c, "real");
	struct storage_status st;
	struct error *err = NULL;
	bool active = true;

	mkdir(mnt, 0755);
	ok(RUN("mount", "-t", "tmpfs", "tmpfs", mnt), "something else is mounted there");
	fails(storage_status(s, &st, &err), &err, "is not mounted on", "which is not the storage");
	ok(storage_is_active(s, &active, NULL) == 0 && !active, "that is not active");
	works(storage_activate(s, &log, &err), &err, "it is mounted over");
	ok(strstr(buf_str(&lines), "W storage 'real': something else is mounted on") != NULL,
	   "which is said");
	ok(RUN("umount", mnt) && RUN("umount", mnt), "both go");
}

static void test_gone(const struct storage_config *c)
{
	const struct storage *s = storage_find(c, "real");
	uint64_t begin = units_now_ns();
	struct storage_status st;
	struct error *err = NULL;

	ok(RUN("ip", "link", "set", "lo", "down"), "the server goes away");
	fails(storage_activate(s, NULL, &err), &err, "storage 'real' is not online", "which is noticed");
	fails(storage_status(s, &st, &err), &err, "gave no result within 10 s and was killed",
	      "and nobody hangs for ever");
	ok(units_now_ns() - begin < UINT64_C(20000000000), "or for long");
	ok(RUN("ip", "link", "set", "lo", "up"), "it comes back");
	sleep(1);
	works(storage_activate(s, NULL, &err), &err, "and serves again");
}

static void test_real(const char *export)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	_cleanup_free_ char *mnt = NULL;

	ok(mkdtemp(base) != NULL, "a directory for mounts");
	mnt = xasprintf("%s/mnt", base);
	load_real(&c, export);
	test_failures(&c);
	test_foreign(&c, mnt);
	check_real_storage(&c, "real");
	ok(count_mounts(mnt) == 1, "it was mounted once");
	test_gone(&c);
	ok(RUN("umount", mnt), "nothing keeps it busy");
	io_remove_tree(base, NULL);
}

int main(void)
{
	const char *export = getenv("VZ_NFS");

	test_keys();
	if (export)
		test_real(export);
	else
		ok(true, "a real one # SKIP tests/storage/network.test does it");
	return done_testing();
}
