/* btrfs: on a real one, in a file. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "test-storage-real.h"

static char base[] = "/tmp/test-btrfs-XXXXXX";

static void load(struct storage_config *c, struct buf *lines)
{
	const struct log log = LOG_INTO(*lines);
	_cleanup_free_ char *text =
		xasprintf("btrfs: bt\n\tpath %s/mnt/vm\n\tcontent images,backup\n"
			  "\tis_mountpoint %s/mnt\n\tpreallocation falloc\n\n"
			  "btrfs: nocow\n\tpath %s/mnt/nocow\n\tnocow 1\n\n"
			  "btrfs: full\n\tpath %s/mnt/full\n\tpreallocation full\n\n"
			  "btrfs: ext\n\tpath %s/other\n\tcontent-dirs backup=elsewhere\n\n",
			  base, base, base, base, base);

	storage_config_parse(text, "f", "me", "/nonexistent", &log, c);
}

static void test_keys(const struct storage_config *c, const struct buf *lines)
{
	const struct storage *s = storage_find(c, "bt");
	struct image_traits t;

	same(buf_str(lines),
	     "W file f line 17 (section 'ext') - unable to parse value of 'content-dirs': "
	     "unexpected property\n",
	     "content-dirs is no key of this type, as in PVE");
	storage_traits(s, IMAGE_RAW, &t);
	ok(t.thin && t.punches_holes && storage_fleecing_format(s) == IMAGE_RAW,
	   "fleecing images are raw and thin, whatever preallocation says");
	storage_traits(s, IMAGE_QCOW2, &t);
	ok(!t.thin, "which counts for qcow2");
}

static void test_elsewhere(const struct storage_config *c)
{
	_cleanup_free_ char *subdir = xasprintf("%s/other/images", base);
	const struct storage *s = storage_find(c, "ext");
	struct storage_status st;
	struct error *err = NULL;

	fails(storage_activate(s, NULL, &err), &err, "is not a btrfs file system",
	      "another file system is refused");
	ok(access(subdir, F_OK) != 0, "and left as it was");
	fails(storage_status(s, &st, &err), &err, "is not a btrfs file system",
	      "its space is not taken for the storage's");
	fails(storage_activate(storage_find(c, "bt"), NULL, &err), &err,
	      "expected to be a mount point but is not mounted", "a mount point must be one");
}

static bool mount_it(void)
{
	_cleanup_free_ char *image = xasprintf("%s/image", base);
	_cleanup_free_ char *mnt = xasprintf("%s/mnt", base);

	return mkdir(mnt, 0755) == 0 && RUN("truncate", "-s", "128M", image) &&
	       RUN("mkfs.btrfs", "-q", image) && RUN("mount", "-o", "loop", image, mnt);
}

static void test_names(const struct storage_config *c)
{
	static const char *const bad[] = { "bt:100/vm-100-disk-0@s.raw", "bt:100/a@b.qcow2",
					   "bt:100/../x.raw", "bt:100/.raw", "bt:100/x" };
	_cleanup_free_ char *want = xasprintf("%s/mnt/vm/images/100/vm-100-disk-0/disk.raw", base);
	_cleanup_volume_ struct volume v = { 0 }, clone = { 0 };
	struct error *err = NULL;

	works(volume_open(c, "bt:100/vm-100-disk-0.raw", NULL, &v, &err), &err, "a raw image");
	same(v.path, want, "is disk.raw in a subvolume of its name");
	works(volume_open(c, "bt:9/base-9-disk-0.qcow2/100/vm-100-disk-1.qcow2", NULL, &clone, &err), &err,
	      "a linked clone");
	ok(clone.vmid == 100 && strstr(clone.path, "/images/100/vm-100-disk-1.qcow2") != NULL,
	   "is a file in its guest's directory");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct volume none = { 0 };

		fails(volume_open(c, bad[i], NULL, &none, &err), &err, bad[i], bad[i]);
	}
}

/* Snapshots are PVE's: not listed as images, and gone with their image. */
static void test_snapshots(const struct storage_config *c)
{
	const struct storage *s = storage_find(c, "bt");
	const struct volume_alloc a = { .vmid = 100, .size = 512 };
	_cleanup_volume_ struct volume v = { 0 }, second = { 0 };
	_cleanup_free_ char *subvolume = xasprintf("%s/mnt/vm/images/100/vm-100-disk-0", base);
	_cleanup_free_ char *snapshot = xasprintf("%s@before", subvolume);
	_cleanup_free_ char *other = xasprintf("%s0@before", subvolume);
	struct storage_image *images = NULL;
	struct error *err = NULL;
	struct stat st = { 0 };
	size_t n = 0;

	works(volume_alloc(s, &a, &v, &err), &err, "an image without a name");
	same(v.volid, "bt:100/vm-100-disk-0.raw", "gets the first");
	ok(stat(subvolume, &st) == 0 && st.st_ino == 256, "it lies in a subvolume");
	ok(stat(v.path, &st) == 0 && (st.st_mode & 0777) == 0640, "which only its owner may write");
	works(volume_alloc(s, &a, &second, &err), &err, "the next");
	same(second.volid, "bt:100/vm-100-disk-1.raw", "gets the next");
	ok(RUN("btrfs", "-q", "subvolume", "snapshot", "-r", subvolume, snapshot) &&
		   RUN("btrfs", "-q", "subvolume", "create", other),
	   "with a snapshot of the first, and of a guest with a longer name");
	works(storage_list(s, 100, &images, &n, &err), &err, "the images");
	ok(n == 2, "are still two");
	storage_images_free(images, n);
	works(volume_free(&v, &err), &err, "the image is removed");
	ok(access(snapshot, F_OK) != 0 && access(other, F_OK) == 0, "with its own snapshot alone");
	works(volume_free(&second, &err), &err, "so is the other");
	ok(RUN("btrfs", "-q", "subvolume", "delete", other), "the stranger was left alone");
}

static void test_nocow(const struct storage_config *c)
{
	const struct storage *s = storage_find(c, "nocow");
	const struct volume_alloc a = { .vmid = 100, .size = 512 };
	_cleanup_volume_ struct volume v = { 0 };
	struct error *err = NULL;
	int flags = 0, fd;

	storage_activate(s, NULL, NULL);
	works(volume_alloc(s, &a, &v, &err), &err, "with nocow");
	fd = open(v.path ? v.path : "/", O_RDONLY | O_CLOEXEC);
	ok(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL), "files have that flag");
	close(fd);
	works(volume_free(&v, &err), &err, "and can be removed");
}

static void test_failures(const struct storage_config *c)
{
	const struct storage *s = storage_find(c, "full");
	struct volume_alloc a = { .vmid = 100, .name = "vm-100-big", .size = GIB, .format = IMAGE_QCOW2 };
	_cleanup_free_ char *dir = xasprintf("%s/mnt/full/images/100", base);
	struct volume v = { 0 };
	struct error *err = NULL;

	storage_activate(s, NULL, NULL);
	fails(volume_alloc(s, &a, &v, &err), &err, "No space left on device",
	      "an image that does not fit is refused");
	ok(access(dir, F_OK) != 0, "and nothing is left of it");
	a.format = IMAGE_RAW;
	setenv("PATH", "/nonexistent", 1);
	fails(volume_alloc(s, &a, &v, &err), &err,
	      "command 'btrfs' not found: install the package btrfs-progs",
	      "a missing tool is named with its package");
	ok(access(dir, F_OK) != 0, "and nothing is left of it");
}

int main(void)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	_cleanup_free_ char *mnt = NULL;

	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	ok(mkdtemp(base) != NULL, "a directory for files");
	mnt = xasprintf("%s/mnt", base);
	load(&c, &lines);
	test_keys(&c, &lines);
	test_elsewhere(&c);
	test_names(&c);
	if (geteuid() != 0) {
		ok(true, "a btrfs in a file # SKIP needs root");
	} else if (ok(mount_it(), "a btrfs in a file")) {
		check_real_storage(&c, "bt");
		test_snapshots(&c);
		test_nocow(&c);
		test_failures(&c);
		ok(umount2(mnt, 0) == 0, "nothing keeps it busy");
	}
	io_remove_tree(base, NULL);
	return done_testing();
}
