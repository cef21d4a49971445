#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include <json-c/json.h>

#include "base/io.h"
#include "base/mem.h"
#include "storage/storage.h"
#include "test-config-util.h"

static char base[] = "/tmp/test-storage-XXXXXX";

static void setup(struct storage_config *c)
{
	_cleanup_free_ char *text =
		xasprintf("dir: aa\n\tpath %s/a/b\n\tcontent images,backup\n\n"
			  "dir: full\n\tpath %s/full\n\tpreallocation full\n\n"
			  "dir: nodir\n\tpath %s/none\n\tmkdir 0\n\n"
			  "dir: unmounted\n\tpath %s/mnt\n\tis_mountpoint 1\n\n"
			  "dir: proc\n\tpath /proc\n\tis_mountpoint 1\n\tcreate-subdirs 0\n\n"
			  "dir: twice\n\tpath %s/twice\n\tcontent images,backup\n"
			  "\tcontent-dirs images=x,backup=x\n",
			  base, base, base, base, base);

	storage_config_parse(text, "f", "me", "/nonexistent", NULL, c);
}

static void test_activate(const struct storage_config *c)
{
	struct error *err = NULL;
	struct storage_status st;
	bool active = true;
	_cleanup_free_ char *dump = xasprintf("%s/a/b/dump", base);
	_cleanup_free_ char *iso = xasprintf("%s/a/b/template", base);

	works(storage_is_active(storage_find(c, "aa"), &active, &err), &err, "a directory can be looked for");
	ok(!active && access(dump, F_OK) != 0, "and is not made by that");
	works(storage_activate(storage_find(c, "aa"), NULL, &err), &err, "a directory is made");
	ok(storage_is_active(storage_find(c, "aa"), &active, NULL) == 0 && active, "then it is found");
	fails(storage_is_active(storage_find(c, "nodir"), &active, &err), &err,
	      "unable to activate storage 'nodir' - directory", "one that is not made is an error");
	fails(storage_is_active(storage_find(c, "unmounted"), &active, &err), &err,
	      "expected to be a mount point but is not mounted", "as is a mount point that is none");
	ok(access(dump, F_OK) == 0 && access(iso, F_OK) != 0, "with those of its content types only");
	works(storage_activate(storage_find(c, "aa"), NULL, &err), &err, "twice does no harm");
	fails(storage_activate(storage_find(c, "nodir"), NULL, &err), &err,
	      "unable to activate storage 'nodir' - directory", "mkdir 0 makes none");
	fails(storage_activate(storage_find(c, "unmounted"), NULL, &err), &err,
	      "expected to be a mount point but is not mounted", "a mount point must be one");
	works(storage_activate(storage_find(c, "proc"), NULL, &err), &err, "and is found if it is");
	fails(storage_activate(storage_find(c, "twice"), NULL, &err), &err, "for multiple content types",
	      "two content types in one directory are refused");
	works(storage_status(storage_find(c, "aa"), &st, &err), &err, "space can be asked for");
	ok(st.total > 0 && st.used <= st.total && st.avail <= st.total, "and makes sense");
	fails(storage_status(storage_find(c, "nodir"), &st, &err), &err, "storage 'nodir'",
	      "of a missing directory it cannot");
}

static void bad_volume(const struct storage_config *c, const char *volid)
{
	struct volume v = { 0 };
	struct error *err = NULL;
	char name[200];

	snprintf(name, sizeof(name), "'%s' is no volume", volid);
	fails(volume_open(c, volid, NULL, &v, &err), &err, volid, name);
}

/* path: "@" stands for base. */
static void volume_at(const struct storage_config *c, const char *volid, const char *format, const char *path)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_free_ char *want = path[0] == '@' ? xasprintf("%s%s", base, path + 1) : xstrdup(path);
	struct error *err = NULL;

	works(volume_open(c, volid, format, &v, &err), &err, volid);
	same(v.path, want, "  its path");
}

static void test_names(const struct storage_config *c)
{
	struct volume v = { 0 };
	struct error *err = NULL;

	static const char *const bad[] = {
		"aa:",
		"aa",
		":x",
		"",
		"aa:vm-1.raw",
		"aa:100/",
		"aa:/100/x.raw",
		"aa:100/../x.raw",
		"aa:../100/x.raw",
		"aa:100/x",
		"aa:100/.raw",
		"aa:100/x.raw/",
		"aa:100//x.raw",
		"aa:100/a b.raw",
		"aa:100/x.iso",
		"aa:1a/x.raw",
		"aa:0/x.raw",
		"aa:100/snap-a-x.qcow2",
		"aa:100/base-1.raw/100",
		"aa:100/base-1.raw/../x.raw",
		"aa:1/b.raw/2/x.raw/3",
		"aa:backup/",
		"aa:backup/..",
		"aa:backup/../x",
		"aa:backup/a/b",
		"none",
		"aa:99999999999999999999/x.raw",
		"a/a:100/x.raw",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad_volume(c, bad[i]);
	volume_at(c, "aa:100/vm-100-disk-0.qcow2", NULL, "@/a/b/images/100/vm-100-disk-0.qcow2");
	volume_at(c, "/dev/null", NULL, "/dev/null");
	fails(volume_open(c, "/x", "qed", &v, &err), &err, "format 'qed' is not supported",
	      "formats are those we know");
	fails(volume_open(c, "aa:100/x.raw", "qcow2", &v, &err), &err,
	      "'format=qcow2' option different from storage format 'raw'",
	      "format= must agree with the name");
	fails(volume_open(c, "nope:100/x.raw", NULL, &v, &err), &err, "storage 'nope' does not exist",
	      "the storage must exist");
}

static void test_paths(const struct storage_config *c)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_free_ char *want = xasprintf("%s/a/b/images/200/vm-200-disk-0.qcow2", base);
	struct error *err = NULL;

	works(volume_open(c, "aa:100/base-100-disk-0.raw/200/vm-200-disk-0.qcow2", NULL, &v, &err), &err,
	      "a linked clone has a name of its own");
	same(v.path, want, "and lies in its guest's directory");
	ok(v.vmid == 200 && v.format == IMAGE_QCOW2 && v.content == STORAGE_IMAGES,
	   "owner, format and content are known");
	volume_clear(&v);
	works(volume_open(c, "aa:backup/vzdump-qemu-1.vma", NULL, &v, &err), &err,
	      "a backup is a volume too");
	ok(v.content == STORAGE_BACKUP, "of its own kind");
	volume_clear(&v);
	works(volume_open(c, "/tmp/some.img", "qcow2", &v, &err), &err, "a path is a volume");
	ok(!v.storage && v.format == IMAGE_QCOW2, "without storage, its format as given");
}

static void check_image(const struct storage *s, const struct volume_alloc *a, const char *name)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct json_object *node = NULL;
	struct volume again = { 0 };
	struct error *err = NULL;
	uint64_t size = 0, used = 0;

	if (!works(volume_alloc(s, a, &v, &err), &err, name))
		return;
	works(volume_size(&v, &size, &err), &err, "  its size can be asked for");
	ok(size == a->size, "  and is exact (%" PRIu64 ")", size);
	works(volume_used(&v, &used, &err), &err, "  so can what it takes");
	ok(s->preallocation == PREALLOC_FULL ? used >= size : used < 1024 * 1024, "  which is %" PRIu64,
	   used);
	ok(!volume_errors_come_late(&v), "  a local file system refuses at once");
	works(volume_blockdev(&v, &node, &err), &err, "  QEMU's node");
	same(json_object_get_string(json_object_object_get(node, "driver")), "file", "  is a file");
	same(json_object_get_string(json_object_object_get(node, "filename")), v.path, "  at its path");
	json_object_put(node);
	if (a->name)
		ok(volume_alloc(s, a, &again, &err) == -EEXIST, "  its name is taken");
	error_free(err);
	err = NULL;
	ok(access(v.path, F_OK) == 0, "  and it stays");
	works(volume_free(&v, &err), &err, "  it can be removed");
	ok(access(v.path, F_OK) != 0, "  and is gone");
	ok(volume_free(&v, &err) == ERR_NOT_FOUND, "  once");
	error_free(err);
}

static void test_alloc(const struct storage_config *c)
{
	const struct storage *aa = storage_find(c, "aa");
	const struct storage *full = storage_find(c, "full");
	_cleanup_free_ char *dir = xasprintf("%s/a/b/images/100", base);
	_cleanup_free_ char *id = NULL;
	struct volume_alloc a = { .vmid = 100, .name = "vm-100-fleece-0", .size = 512 * 2049 };
	struct volume v = { 0 };
	struct error *err = NULL;

	check_image(aa, &a, "a raw image of a size that is no multiple of 1 KiB");
	ok(access(dir, F_OK) != 0, "the guest's empty directory goes too");
	works(volume_alloc_id(aa, &a, &id, &err), &err, "its id is known beforehand");
	same(id, "aa:100/vm-100-fleece-0.raw", "  as it will be");
	a.size = 1ULL << 40;
	check_image(aa, &a, "a sparse image of 1 TiB");
	a.format = IMAGE_QCOW2;
	a.size = 512 * 2049;
	check_image(aa, &a, "a qcow2 image");
	a.format = IMAGE_RAW;
	check_image(full, &a, "a preallocated image");
	a.name = NULL;
	check_image(aa, &a, "an image without a name");

	a.name = "../x";
	fails(volume_alloc(aa, &a, &v, &err), &err, "aa:100/../x.raw", "a name may not leave the directory");
	a.name = "vm-100-x";
	a.size = 1000;
	fails(volume_alloc(aa, &a, &v, &err), &err, "not a multiple of 512", "sizes are whole sectors");
	a.size = 512;
	a.format = IMAGE_SUBVOL;
	fails(volume_alloc(aa, &a, &v, &err), &err, "format 'subvol' is for containers",
	      "no volumes of containers are made");
	ok(access(dir, F_OK) != 0, "errors leave nothing");
}

static void test_list(const struct storage_config *c)
{
	const struct storage *s = storage_find(c, "aa");
	struct volume_alloc a = { .vmid = 100, .size = 512 };
	struct volume v[3] = { 0 };
	struct storage_image *images;
	struct error *err = NULL;
	size_t n;

	volume_alloc(s, &a, &v[0], &err);
	volume_alloc(s, &a, &v[1], &err);
	a.vmid = 101;
	volume_alloc(s, &a, &v[2], &err);
	works(storage_list(s, 100, &images, &n, &err), &err, "images of one guest");
	ok(n == 2, "are two");
	same(n == 2 ? images[1].volname : NULL, "100/vm-100-disk-1.raw", "the second got the next number");
	storage_images_free(images, n);
	works(storage_list(s, 0, &images, &n, &err), &err, "images of all guests");
	ok(n == 3 && images[2].vmid == 101, "are three");
	storage_images_free(images, n);
	for (size_t i = 0; i < 3; i++) {
		volume_free(&v[i], NULL);
		volume_clear(&v[i]);
	}
}

static void test_traits(const struct storage_config *c)
{
	struct image_traits t;

	ok(storage_fleecing_format(storage_find(c, "aa")) == IMAGE_RAW, "fleecing images are raw");
	storage_traits(storage_find(c, "aa"), IMAGE_RAW, &t);
	ok(t.thin && t.punches_holes && t.size_granularity == 512, "sparse and to the sector");
	storage_traits(storage_find(c, "full"), IMAGE_RAW, &t);
	ok(!t.thin, "preallocation reserves in full");
}

int main(void)
{
	_cleanup_storage_config_ struct storage_config c = { 0 };

	ok(mkdtemp(base) != NULL, "a directory for files");
	setup(&c);
	test_activate(&c);
	test_names(&c);
	test_paths(&c);
	test_alloc(&c);
	test_list(&c);
	test_traits(&c);
	io_remove_tree(base, NULL);
	return done_testing();
}
