/* lvm and lvmthin: names, and what LVM 2.03.16 prints. */
#include <errno.h>

#include "storage/lvm-tools.h"
#include "test-storage-tools.h"

static const char config[] = "lvm: thick\n\tvgname vgt\n\tcontent images\n\n"
			     "lvm: tagged\n\tvgname vgt\n\ttagged_only 1\n\n"
			     "lvm: safe\n\tvgname vgt\n\tsaferemove 1\n\n"
			     "lvm: odd\n\tvgname ../vg\n\n"
			     "lvm: option\n\tvgname -f\n\n"
			     "lvm: none\n\tcontent images\n\n"
			     "lvmthin: thin\n\tvgname vgt\n\tthinpool pool\n\n";

static const char lvs[] =
	"  {\"report\": [{\"lv\": ["
	"{\"lv_name\":\"vm-100-disk-0\", \"lv_size\":\"54525952\", \"lv_attr\":\"-wi-a-----\", "
	"\"pool_lv\":\"\", \"data_percent\":\"\", \"lv_tags\":\"pve-vm-100\"},"
	"{\"lv_name\":\"vm-100-thin\", \"lv_size\":\"41943040\", \"lv_attr\":\"Vwi-a-tz--\", "
	"\"pool_lv\":\"pool\", \"data_percent\":\"12.50\", \"lv_tags\":\"\"},"
	"{\"lv_name\":\"vm-101-disk-0\", \"lv_size\":\"8388608\", \"lv_attr\":\"-wi-------\", "
	"\"pool_lv\":\"\", \"data_percent\":\"\", \"lv_tags\":\"\"},"
	"{\"lv_name\":\"vm-100-other\", \"lv_size\":\"41943040\", \"lv_attr\":\"Vwi-a-tz--\", "
	"\"pool_lv\":\"pool2\", \"data_percent\":\"0.00\", \"lv_tags\":\"\"},"
	"{\"lv_name\":\"root\", \"lv_size\":\"8388608\", \"lv_attr\":\"-wi-ao----\", "
	"\"pool_lv\":\"\", \"data_percent\":\"\", \"lv_tags\":\"\"}]}]}";
static const char pool[] = "  {\"report\": [{\"lv\": [{\"lv_name\":\"pool\", \"lv_size\":\"419430400\", "
			   "\"lv_attr\":\"twi-aotz--\", \"pool_lv\":\"\", \"data_percent\":\"1.25\", "
			   "\"lv_tags\":\"\"}]}]}";
static const char vgs[] =
	"  {\"report\": [{\"vg\": [{\"vg_size\":\"1069547520\", \"vg_free\":\"641728512\"}]}]}";

static void test_names(struct tools *t)
{
	static const char *const bad[] = {
		"thick:base-100-disk-0",  "thick:vm-100-",     "thick:vm--disk",
		"thick:vm-100-../../sda", "thick:vm-100-a b",  "thick:vm-1000000000-disk-0",
		"thick:vm-100-x:y",       "thick:root",        "thick:-f",
		"thin:vm-100-disk-0/x",   "thin:pool",         "thin:vm-100-disk-0@s",
		"thick:vm-0-disk-0",      "thin:../vm-1-disk",
	};
	struct error *err = NULL;
	const struct storage *s;

	good_name(t, "thick:vm-100-disk-0", 100, "/dev/vgt/vm-100-disk-0");
	good_name(t, "thick:vm-100-disk-0.qcow2", 100, "/dev/vgt/vm-100-disk-0.qcow2");
	good_name(t, "thin:base-123456789-disk-1", 123456789, "/dev/vgt/base-123456789-disk-1");
	bad_names(t, bad, ARRAY_SIZE(bad));
	fails(storage_get(&t->c, "odd", 0, &s, &err), &err, "'../vg' is not a valid LVM name",
	      "a group is no path");
	fails(storage_get(&t->c, "option", 0, &s, &err), &err, "'-f' is not a valid LVM name",
	      "nor an option");
	fails(storage_get(&t->c, "none", 0, &s, &err), &err, "no vgname in storage.cfg", "it must be named");
}

static void check_list(struct tools *t, const char *id, uint32_t vmid, const char *want)
{
	_cleanup_buf_ struct buf got = BUF_INIT;
	struct storage_image *images;
	struct error *err = NULL;
	size_t n;

	works(storage_list(storage_find(&t->c, id), vmid, &images, &n, &err), &err, id);
	for (size_t i = 0; i < n; i++)
		buf_addf(&got, "%s %lu %lu;", images[i].volname, (unsigned long)images[i].size,
			 (unsigned long)images[i].used);
	same(buf_str(&got), want, "  lists its images alone");
	storage_images_free(images, n);
}

static void test_output(struct tools *t)
{
	const struct storage *thin = storage_find(&t->c, "thin");
	struct storage_status st = { 0 };
	struct error *err = NULL;

	tool_prints(t, "lvs", lvs, "", 0);
	tool_prints(t, "vgs", vgs, "", 0);
	check_list(t, "thick", 0, "vm-100-disk-0 54525952 54525952;vm-101-disk-0 8388608 8388608;");
	check_list(t, "thick", 101, "vm-101-disk-0 8388608 8388608;");
	check_list(t, "tagged", 0, "vm-100-disk-0 54525952 54525952;");
	check_list(t, "thin", 0, "vm-100-thin 41943040 5242880;");
	works(storage_status(storage_find(&t->c, "thick"), &st, &err), &err, "a group's space");
	ok(st.total == 1069547520 && st.avail == 641728512 && st.used == 427819008, "  is vgs's");
	tool_prints(t, "lvs", pool, "", 0);
	works(storage_status(thin, &st, &err), &err, "a pool's space");
	ok(st.total == 419430400 && st.used == 5242880 && st.avail == 414187520, "  follows data_percent");
}

static void test_looking(struct tools *t)
{
	_cleanup_volume_ struct volume inactive = { 0 }, gone = { 0 };
	struct error *err = NULL;
	bool active = true;

	tool_prints(t, "lvs", lvs, "", 0);
	works(volume_open(&t->c, "thin:vm-100-thin", NULL, &inactive, &err), &err, "a volume without a path");
	works(volume_look(&inactive, &active, &err), &err, "  may be one that is not active");
	ok(!active, "  which is told");
	works(volume_open(&t->c, "thin:vm-100-gone", NULL, &gone, &err), &err, "another");
	ok(volume_look(&gone, &active, &err) == ERR_NOT_FOUND, "  is not there at all");
	fails(-1, &err, "storage 'thin' has no volume 'vm-100-gone'", "  and is named");
}

static void test_failures(struct tools *t)
{
	const struct storage *s = storage_find(&t->c, "thick");
	struct volume_alloc a = { .vmid = 100, .name = "vm-100-fleece-0", .size = 4194304 };
	struct storage_status st;
	struct storage_image *images;
	struct volume v = { 0 };
	struct error *err = NULL;
	size_t n;

	tool_prints(t, "lvcreate", "",
		    "  Logical Volume \"vm-100-fleece-0\" already exists in volume group \"vgt\"", 5);
	ok(volume_alloc(s, &a, &v, &err) == -EEXIST, "a taken name is known as such");
	fails(-1, &err, "storage 'thick': 'lvcreate ", "  and names storage and command");
	tool_prints(t, "lvcreate", "",
		    "  Volume group \"vgt\" has insufficient free space (153 extents): 4194304 "
		    "required.",
		    5);
	ok(volume_alloc(s, &a, &v, &err) == -ENOSPC, "so is a full group");
	fails(-1, &err, "insufficient free space", "  in LVM's words");
	tool_prints(t, "vgs", "", "  Volume group \"vgt\" not found\n  Cannot process volume group vgt", 5);
	ok(storage_status(s, &st, &err) == ERR_NOT_FOUND, "and a missing group");
	fails(-1, &err, "Cannot process volume group vgt", "  with the last lines");
	tool_prints(t, "lvs", "no json", "", 0);
	fails(storage_list(s, 0, &images, &n, &err), &err, "printed no JSON", "nonsense is refused");
	tool_prints(t, "lvs", "{\"report\":{}}", "", 0);
	works(storage_list(s, 0, &images, &n, &err), &err, "JSON of another shape");
	ok(n == 0, "  holds no images");
	setenv("PATH", "/nonexistent", 1);
	fails(storage_status(s, &st, &err), &err, "'vgs' not found: install the package lvm2",
	      "a missing tool is named with its package");
}

/* With saferemove, which renames an image before it is overwritten and removed. */
static void test_renamed(struct tools *t)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct error *err = NULL;

	volume_open(&t->c, "safe:vm-100-fleece-0", NULL, &v, NULL);
	tool_prints(t, "lvrename", "",
		    "  Existing logical volume \"vm-100-fleece-0\" not found in volume group \"vgt\"", 5);
	tool_prints(t, "lvs", "", "  Failed to find logical volume \"vgt/del-vm-100-fleece-0\"", 5);
	ok(volume_free(&v, &err) == ERR_NOT_FOUND, "an image that is gone under both names is known as such");
	fails(-1, &err, "Existing logical volume", "  in LVM's words");
	tool_prints(t, "lvs", "", "  Cannot get lock", 5);
	ok(volume_free(&v, &err) == ERR_PEER, "if that is unknown, it is not taken for gone");
	fails(-1, &err, "Cannot get lock", "  and the error says why");
}

static void test_percent(void)
{
	ok(lvm_percent_of("12.34", 1000000) == 123400, "12.34 %%");
	ok(lvm_percent_of("100.00", UINT64_C(1) << 50) == UINT64_C(1) << 50, "100 %% of a PiB");
	ok(lvm_percent_of("5", 1000) == 50, "without decimals");
	ok(lvm_percent_of("", 1000) == 0 && lvm_percent_of(NULL, 1000) == 0, "nothing is 0");
	ok(lvm_percent_of("x", 1000) == 0 && lvm_percent_of("-1", 1000) == 0, "so is nonsense");
}

int main(void)
{
	struct tools t = { 0 };

	tools_init(&t, config);
	test_names(&t);
	test_output(&t);
	test_looking(&t);
	test_renamed(&t);
	test_failures(&t);
	test_percent();
	tools_clear(&t);
	return done_testing();
}
