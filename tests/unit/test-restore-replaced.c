#include "base/mem.h"
#include "base/strv.h"
#include "restore/replaced.h"
#include "test-config-util.h"

static const char old_text[] = "scsi0: local:100/vm-100-disk-0.raw\n"
			       "scsi1: local:100/vm-100-disk-1.raw\n"
			       "scsi2: local:100/vm-100-disk-2.raw,backup=0\n"
			       "scsi3: local:7/vm-7-disk-0.raw\n"
			       "scsi4: /dev/sdz\n"
			       "scsi5: away:vm-100-disk-5\n"
			       "virtio0: local:100/vm-100-disk-9.raw\n"
			       "ide2: local:100/vm-100-cloudinit.qcow2,media=cdrom\n"
			       "unused3: local:100/vm-100-disk-3.raw\n"
			       "[snap]\n"
			       "scsi0: local:100/vm-100-disk-0.raw\n"
			       "scsi2: local:100/vm-100-disk-7.raw\n"
			       "vmstate: local:100/vm-100-state-snap.raw\n";

/* The archive has scsi0, scsi2, virtio0 and a cloud-init image. */
static void make_plan(struct plan *p)
{
	static const char *const keys[] = { "scsi0", "scsi2", "virtio0", "ide2" };

	*p = (struct plan){ .disks = xcalloc(ARRAY_SIZE(keys), sizeof(struct plan_disk)),
			    .n = ARRAY_SIZE(keys) };
	for (size_t i = 0; i < p->n; i++)
		snprintf(p->disks[i].key, sizeof(p->disks[i].key), "%s", keys[i]);
}

static void test_sort(const struct restore_context *c, struct buf *lines)
{
	struct replaced old = { .context = c, .exists = true };
	_cleanup_plan_ struct plan p = { 0 };
	_cleanup_buf_ struct buf config = BUF_INIT;

	make_plan(&p);
	guest_config_parse(100, old_text, NULL, &old.config);
	buf_adds(&config, "virtio0: local:100/vm-100-disk-9.raw\n");
	replaced_sort(&old, &p, &config);
	ok(strv_contains(old.doomed, "local:100/vm-100-disk-0.raw"), "a disk that the archive has goes");
	ok(strv_contains(old.doomed, "local:100/vm-100-cloudinit.qcow2"), "so does a cloud-init image");
	ok(strv_contains(old.doomed, "local:100/vm-100-state-snap.raw"), "and a snapshot's memory");
	ok(strv_len(old.doomed) == 3, "and nothing else");
	ok(strv_contains(old.kept, "local:100/vm-100-disk-1.raw"), "a disk that it does not have stays");
	ok(strv_contains(old.kept, "local:100/vm-100-disk-2.raw"), "so does one that backups leave out");
	ok(strv_contains(old.kept, "local:100/vm-100-disk-3.raw"), "and one that was unused");
	ok(strv_contains(old.kept, "local:100/vm-100-disk-7.raw"),
	   "and one that only a snapshot has, even where the archive has another");
	ok(strv_contains(old.kept, "away:vm-100-disk-5") && strstr(buf_str(lines), "W ") != NULL,
	   "a disk whose storage is not known stays, with a warning");
	ok(!strv_contains(old.kept, "local:7/vm-7-disk-0.raw") && !strv_contains(old.kept, "/dev/sdz"),
	   "what is not the guest's own is passed over");
	ok(!strv_contains(old.kept, "local:100/vm-100-disk-9.raw") &&
		   !strv_contains(old.doomed, "local:100/vm-100-disk-9.raw"),
	   "so is what the new configuration names");
	ok(strv_len(old.kept) == 5, "and of others there are none");
	ok(strv_contains(old.snapshots, "snap"), "snapshots are known by name");
	ok(strstr(buf_str(&config), "\nunused0: ") && strstr(buf_str(&config), "\nunused4: ") &&
		   !strstr(buf_str(&config), "unused5"),
	   "each volume that stays has a line in the new configuration");
	replaced_clear(&old);
}

static void test_own(const struct restore_context *c)
{
	const struct replaced old = { .context = c };

	ok(replaced_may_own(&old, "local:100/vm-100-disk-0.raw"), "a volume of its id may be the guest's");
	ok(!replaced_may_own(&old, "local:7/vm-7-disk-0.raw"), "one of another id is not");
	ok(!replaced_may_own(&old, "/dev/sdz"), "nor is a path");
	ok(replaced_may_own(&old, "away:vm-100-disk-5"), "what nobody can tell may be");
}

int main(void)
{
	static const struct restore_params params = { .vmid = 100 };
	struct storage_config storages = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	const struct log log = LOG_INTO(lines);
	const struct host host = { .storages = &storages, .log = &log };
	const struct restore_context c = { .host = &host, .params = &params };

	storage_config_parse("dir: local\n\tpath /nonexistent\n\tcontent images\n", "f", "me", "/nonexistent",
			     NULL, &storages);
	test_sort(&c, &lines);
	test_own(&c);
	storage_config_clear(&storages);
	return done_testing();
}
