/* rbd, iscsi, iscsidirect: names, QEMU's options, and what Ceph 16.2.15 prints. */
#include <errno.h>

#include <json-c/json.h>

#include "storage/in-use.h"
#include "test-storage-tools.h"

static const char config[] = "rbd: ceph\n\tpool vms\n\tcontent images\n\n"
			     "rbd: far\n\tpool vms\n\tnamespace ns\n\tusername u\n"
			     "\tmonhost 10.0.0.1 [fd00::2]:6789 fd00::3\n\n"
			     "rbd: kernel\n\tpool vms\n\tkrbd 1\n\n"
			     "rbd: odd\n\tpool a/b\n\n"
			     "iscsi: san\n\tportal 10.0.0.9\n\ttarget iqn.2003-01.org.x:sn.1\n\n"
			     "iscsidirect: lun\n\tportal 10.0.0.9\n\ttarget iqn.2003-01.org.x:sn.1\n\n";

static const char ls[] =
	"[{\"image\":\"vm-100-disk-0\",\"id\":\"100f3b63c9c7\",\"size\":34603008,\"format\":2},"
	"{\"image\":\"vm-101-disk-0\",\"id\":\"1\",\"size\":4194304,\"parent\":{\"pool\":\"vms\","
	"\"image\":\"base-9-disk-0\",\"snapshot\":\"__base__\"},\"format\":2},"
	"{\"image\":\"vm-100-disk-0\",\"id\":\"2\",\"snapshot\":\"s\",\"size\":1,\"format\":2},"
	"{\"image\":\"other\",\"id\":\"3\",\"size\":1,\"format\":2}]";
static const char info[] =
	"{\"name\":\"vm-100-disk-0\",\"id\":\"100f3b63c9c7\",\"size\":34603008,\"objects\":9,"
	"\"order\":22,\"object_size\":4194304,\"snapshot_count\":0,\"format\":2}";
static const char du[] = "{\"images\":[{\"name\":\"vm-100-disk-0\",\"id\":\"100f3b63c9c7\","
			 "\"provisioned_size\":34603008,\"used_size\":8388608}]}";

static void test_names(struct tools *t)
{
	static const char *const bad[] = {
		"ceph:vm-100-a@snap", "ceph:vm-100-a/b",  "ceph:x",       "ceph:vm-100-a:conf=/x",
		"san:0.0.1.../x",     "san:0.0.1.a/../b", "san:0.0.x",    "san:0.0.1.",
		"lun:lunx",           "lun:lun",          "lun:lun99999",
	};
	struct error *err = NULL;
	const struct storage *s;

	good_name(t, "ceph:vm-100-disk-0", 100, NULL);
	good_name(t, "ceph:base-9-disk-0/vm-101-disk-0", 101, NULL);
	good_name(t, "kernel:vm-100-disk-0", 100, "/dev/rbd/vms/vm-100-disk-0");
	good_name(t, "san:0.0.1.scsi-36001", 0, "/dev/disk/by-id/scsi-36001");
	good_name(t, "lun:lun7", 0, NULL);
	bad_names(t, bad, ARRAY_SIZE(bad));
	fails(storage_get(&t->c, "odd", 0, &s, &err), &err, "pool 'a/b' is not a valid Ceph name",
	      "a pool is one word");
}

static void check_blockdev(struct tools *t, const char *volid, const char *want)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct json_object *o = NULL;
	struct error *err = NULL;

	volume_open(&t->c, volid, NULL, &v, NULL);
	works(volume_blockdev(&v, &o, &err), &err, volid);
	same(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), want,
	     "  QEMU's options");
	json_object_put(o);
}

static void check_name(struct tools *t, const char *volid, const char *want)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_free_ char *name = NULL;

	volume_open(&t->c, volid, NULL, &v, NULL);
	name = volume_qemu_name(&v);
	same(name, want, "  what qemu-img takes");
}

static void test_qemu_names(struct tools *t)
{
	check_name(t, "ceph:vm-100-disk-0", "rbd:vms/vm-100-disk-0");
	check_name(t, "far:base-9-disk-0/vm-101-disk-0",
		   "rbd:vms/ns/vm-101-disk-0:mon_host=10.0.0.1;[fd00\\:\\:2]\\:6789;[fd00\\:\\:3]:"
		   "auth_supported=none:id=u");
	check_name(t, "kernel:vm-100-disk-0", "/dev/rbd/vms/vm-100-disk-0");
	check_name(t, "lun:lun7", "iscsi://10.0.0.9/iqn.2003-01.org.x:sn.1/7");
}

static void test_blockdev(struct tools *t)
{
	check_blockdev(t, "ceph:vm-100-disk-0",
		       "{\"driver\":\"rbd\",\"pool\":\"vms\",\"image\":\"vm-100-disk-0\"}");
	check_blockdev(t, "far:base-9-disk-0/vm-101-disk-0",
		       "{\"driver\":\"rbd\",\"pool\":\"vms\",\"namespace\":\"ns\","
		       "\"image\":\"vm-101-disk-0\",\"server\":["
		       "{\"host\":\"10.0.0.1\",\"port\":\"3300\"},"
		       "{\"host\":\"fd00::2\",\"port\":\"6789\"},"
		       "{\"host\":\"fd00::3\",\"port\":\"3300\"}],"
		       "\"auth-client-required\":[\"none\"],\"user\":\"u\"}");
	check_blockdev(t, "kernel:vm-100-disk-0",
		       "{\"driver\":\"host_device\",\"filename\":\"/dev/rbd/vms/vm-100-disk-0\"}");
	check_blockdev(t, "lun:lun7",
		       "{\"driver\":\"iscsi\",\"transport\":\"tcp\",\"portal\":\"10.0.0.9\","
		       "\"target\":\"iqn.2003-01.org.x:sn.1\",\"lun\":7}");
}

static void test_output(struct tools *t)
{
	_cleanup_buf_ struct buf got = BUF_INIT;
	_cleanup_volume_ struct volume v = { 0 };
	struct volume_alloc a = { .vmid = 100, .name = "vm-100-fleece-0", .size = 512 };
	struct image_traits traits;
	struct storage_image *images;
	struct error *err = NULL;
	uint64_t value = 0;
	size_t n;

	tool_prints(t, "rbd", ls, "", 0);
	works(storage_list(storage_find(&t->c, "ceph"), 0, &images, &n, &err), &err, "images");
	for (size_t i = 0; i < n; i++)
		buf_addf(&got, "%s %lu;", images[i].volname, (unsigned long)images[i].size);
	same(buf_str(&got), "base-9-disk-0/vm-101-disk-0 4194304;vm-100-disk-0 34603008;",
	     "  without snapshots and strangers");
	storage_images_free(images, n);
	volume_open(&t->c, "ceph:vm-100-disk-0", NULL, &v, NULL);
	tool_prints(t, "rbd", info, "", 0);
	works(volume_size(&v, &value, &err), &err, "an image's size");
	ok(value == 34603008, "  is rbd info's");
	works(volume_traits(&v, &traits, &err), &err, "its granularity");
	ok(traits.thin && traits.discard_granularity == 4194304, "  is the object");
	tool_prints(t, "rbd", du, "", 0);
	works(volume_used(&v, &value, &err), &err, "what it takes");
	ok(value == 8388608, "  is rbd du's");
	tool_prints(t, "rbd", "", "rbd: error opening image x: (2) No such file or directory", 2);
	ok(volume_free(&v, &err) == ERR_NOT_FOUND, "an image that is gone is known as such");
	fails(-1, &err, "error opening image", "  in rbd's words");
	tool_prints(t, "rbd", "",
		    "auth: unable to find a keyring on /etc/ceph/x: (2) No such file or directory\n"
		    "rbd: couldn't connect to the cluster!",
		    2);
	ok(volume_free(&v, &err) == ERR_PEER, "without a keyring nobody knows whether it is gone");
	fails(-1, &err, "couldn't connect", "  in rbd's words");
	tool_prints(t, "rbd", "",
		    "rbd: create error: 2026-11-23T03:09:00.193+0000 7f984a7c6380 -1 librbd: rbd "
		    "image vm-100-fleece-0 already exists\n(17) File exists",
		    17);
	volume_clear(&v);
	ok(volume_alloc(storage_find(&t->c, "ceph"), &a, &v, &err) == -EEXIST, "so is a taken name");
	fails(-1, &err, "already exists", "  with both lines");
	fails(volume_alloc(storage_find(&t->c, "lun"), &a, &v, &err), &err, "cannot be allocated or removed",
	      "LUNs are not made");
}

/* PVE maps the TPM's state for swtpm: a watcher that "rbd status" gives no name. */
static void test_users(struct tools *t)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct error *err = NULL;
	struct cancel cancel;

	volume_open(&t->c, "ceph:vm-100-disk-0", NULL, &v, NULL);
	tool_prints(t, "rbd", "{\"watchers\":[]}", "", 0);
	works(volume_check_unused(&v, NULL, NULL, &err), &err, "an image that nobody watches is unused");
	tool_prints(t, "rbd", "{\"watchers\":[{\"address\":\"10.0.0.7:0/42\",\"client\":4,\"cookie\":1}]}",
		    "", 0);
	works(volume_check_unused(&v, "swtpm", NULL, &err), &err,
	      "a watcher may be the swtpm that does not count");
	/* one that died is forgotten after half a minute, which a signal ends */
	cancel_init(&cancel, NULL);
	cancel_request(&cancel);
	fails(volume_check_unused(&v, NULL, &cancel, &err), &err, "interrupted",
	      "of other images a watcher is waited for");
	cancel_clear(&cancel);
}

int main(void)
{
	struct tools t = { 0 };

	tools_init(&t, config);
	test_names(&t);
	test_blockdev(&t);
	test_qemu_names(&t);
	test_output(&t);
	test_users(&t);
	tools_clear(&t);
	return done_testing();
}
