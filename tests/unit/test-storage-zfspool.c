/* zfspool: names, and lines as zfs(8) describes its output with -Hp (not captured from a pool). */
#include <errno.h>

#include "test-storage-tools.h"

static const char config[] = "zfspool: local-zfs\n\tpool rpool/data\n\tsparse 1\n\n"
			     "zfspool: thick\n\tpool rpool\n\tblocksize 64k\n\n"
			     "zfspool: odd\n\tpool rpool/../x\n\n"
			     "zfspool: block\n\tpool rpool\n\tblocksize 5k\n\n";

/* name,volsize,origin,type,refquota,usedbydataset */
static const char list[] =
	"rpool/data\t-\t-\tfilesystem\t0\t98304\n"
	"rpool/data/vm-100-disk-0\t33554432\t-\tvolume\t-\t8462336\n"
	"rpool/data/base-101-disk-0\t1048576\t-\tvolume\t-\t57344\n"
	"rpool/data/vm-102-disk-0\t1048576\trpool/data/base-101-disk-0@__base__\tvolume\t-\t8192\n"
	"rpool/data/subvol-103-disk-0\t-\t-\tfilesystem\t8589934592\t98304\n"
	"rpool/data/swap\t1048576\t-\tvolume\t-\t57344";

static void test_names(struct tools *t)
{
	static const char *const bad[] = {
		"local-zfs:vm-100-a@snap",
		"local-zfs:vm-100-../x",
		"local-zfs:swap",
		"local-zfs:vm-100-a b",
		"local-zfs:vm-1-x/vm-100-disk-0",
		"local-zfs:/dev/sda",
		"local-zfs:subvol-103-disk-0",
		"local-zfs:base-1-x/base-2-x/vm-100-disk-0",
	};
	struct error *err = NULL;
	const struct storage *s;

	good_name(t, "local-zfs:vm-100-disk-0", 100, "/dev/zvol/rpool/data/vm-100-disk-0");
	good_name(t, "local-zfs:base-101-disk-0/vm-102-disk-0", 102, "/dev/zvol/rpool/data/vm-102-disk-0");
	bad_names(t, bad, ARRAY_SIZE(bad));
	fails(storage_get(&t->c, "odd", 0, &s, &err), &err, "'rpool/../x' is not a valid ZFS",
	      "a pool is no path");
	fails(storage_get(&t->c, "block", 0, &s, &err), &err, "blocksize '5k' is not a power of 2",
	      "blocks are powers of 2");
}

static void test_output(struct tools *t)
{
	const struct storage *s = storage_find(&t->c, "local-zfs");
	_cleanup_buf_ struct buf got = BUF_INIT;
	_cleanup_volume_ struct volume v = { 0 };
	struct storage_image *images;
	struct error *err = NULL;
	uint64_t size;
	size_t n;

	tool_prints(t, "zfs", list, "", 0);
	works(storage_list(s, 0, &images, &n, &err), &err, "zvols are listed");
	for (size_t i = 0; i < n; i++)
		buf_addf(&got, "%s %s %lu %lu;", images[i].volname, image_format_name(images[i].format),
			 (unsigned long)images[i].size, (unsigned long)images[i].used);
	same(buf_str(&got),
	     "base-101-disk-0 raw 1048576 57344;"
	     "base-101-disk-0/vm-102-disk-0 raw 1048576 8192;"
	     "subvol-103-disk-0 subvol 8589934592 98304;"
	     "vm-100-disk-0 raw 33554432 8462336;",
	     "  clones with their base, subvolumes as such");
	storage_images_free(images, n);
	volume_open(&t->c, "local-zfs:vm-100-disk-0", NULL, &v, NULL);
	tool_prints(t, "zfs", "33554432", "", 0);
	works(volume_size(&v, &size, &err), &err, "a zvol's size");
	ok(size == 33554432, "  is volsize");
	tool_prints(t, "zfs", "-", "", 0);
	fails(volume_size(&v, &size, &err), &err, "zfs get volsize rpool/data/vm-100-disk-0",
	      "a property without value is an error");
	tool_prints(t, "zfs", "", "cannot open 'rpool/data/vm-100-disk-0': dataset does not exist", 1);
	ok(volume_free(&v, &err) == ERR_NOT_FOUND, "a zvol that is gone is known as such");
	fails(-1, &err, "dataset does not exist", "  in zfs's words");
}

static void test_traits(struct tools *t)
{
	struct image_traits traits;

	storage_traits(storage_find(&t->c, "local-zfs"), IMAGE_RAW, &traits);
	ok(traits.thin && traits.punches_holes, "sparse is thin");
	storage_traits(storage_find(&t->c, "thick"), IMAGE_RAW, &traits);
	ok(!traits.thin && traits.discard_granularity == 65536, "without it, it is not");
}

/* Another process imports the pool meanwhile, so that the import here fails. */
static void test_import_race(struct tools *t)
{
	_cleanup_free_ char *path = xasprintf("%s/zpool", t->dir);
	_cleanup_free_ char *imported = xasprintf("%s/imported", t->dir);
	_cleanup_free_ char *script =
		xasprintf("#!/bin/sh\n[ \"$1\" = list ] && { cat '%s' && echo rpool; exit; }\n"
			  "touch '%s'\necho 'a pool with that name already exists' >&2\nexit 1\n",
			  imported, imported);
	struct error *err = NULL;
	bool active = true;

	io_write_file_atomic(path, script, strlen(script), 0755, NULL, NULL);
	works(storage_is_active(storage_find(&t->c, "local-zfs"), &active, &err), &err,
	      "a pool can be looked for");
	ok(!active && access(imported, F_OK) != 0, "and is not imported by that");
	works(storage_activate(storage_find(&t->c, "local-zfs"), NULL, &err), &err,
	      "an import that another one forestalls is no error");
}

int main(void)
{
	struct tools t = { 0 };

	tools_init(&t, config);
	test_names(&t);
	test_output(&t);
	test_traits(&t);
	test_import_race(&t);
	tools_clear(&t);
	return done_testing();
}
