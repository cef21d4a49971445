/* Where a fleecing image goes, and whether it fits. */
#include <errno.h>

#include "source/room.h"
#include "test-storage-tools.h"

static const char config[] = "dir: files\n"
			     "\tpath /nonexistent\n"
			     "\tcontent images\n"
			     "\n"
			     "dir: archives\n"
			     "\tpath /nonexistent\n"
			     "\tcontent backup\n"
			     "\n"
			     "lvm: thick\n"
			     "\tvgname vgt\n"
			     "\tcontent images\n"
			     "\n"
			     "iscsi: remote\n"
			     "\tportal 192.0.2.1\n"
			     "\ttarget iqn.2026-01.example:x\n"
			     "\tcontent images\n";
#define FREE_BYTES 641728512
static const char vgs[] =
	"  {\"report\": [{\"vg\": [{\"vg_size\":\"1069547520\", \"vg_free\":\"641728512\"}]}]}";

static void test_storage(struct tools *t)
{
	char thick_id[] = "thick:vm-1-disk-0", device[] = "/dev/sdx";
	const struct volume on_thick = { .storage = storage_find(&t->c, "thick"), .volid = thick_id };
	const struct volume on_none = { .volid = device };
	const struct storage *s = NULL;
	struct error *err = NULL;

	works(room_storage(&t->c, NULL, &on_thick, &s, &err), &err, "without a name: the disk's own storage");
	ok(s == on_thick.storage, "  is found");
	works(room_storage(&t->c, "files", &on_thick, &s, &err), &err, "a storage that is named");
	ok(s == storage_find(&t->c, "files"), "  is taken");
	works(room_storage(&t->c, "files", &on_none, &s, &err), &err, "also for a disk of no storage");
	fails(room_storage(&t->c, NULL, &on_none, &s, &err), &err,
	      "'/dev/sdx' belongs to no storage: say where", "which needs a name");
	fails(room_storage(&t->c, "archives", &on_thick, &s, &err), &err, "'archives'",
	      "a storage that is not for images is refused");
	fails(room_storage(&t->c, "fiels", &on_thick, &s, &err), &err, "did you mean 'files'",
	      "an unknown one too");
}

static void test_room(struct tools *t)
{
	const struct storage *thick = storage_find(&t->c, "thick");
	_cleanup_buf_ struct buf lines = BUF_INIT;
	const struct log log = LOG_INTO(lines);
	struct error *err = NULL;

	works(room_check(storage_find(&t->c, "files"), IMAGE_RAW, UINT64_MAX, 0, "drive-scsi0", &log, &err),
	      &err, "thin storage takes images of any size");
	ok(!lines.len, "  and nothing is logged");
	fails(room_check(storage_find(&t->c, "remote"), IMAGE_RAW, 1, 0, "drive-scsi0", &log, &err), &err,
	      "images cannot be made on storages of type 'iscsi'", "storage without images is refused");
	tool_prints(t, "vgs", vgs, "", 0);
	works(room_check(thick, IMAGE_RAW, FREE_BYTES, 0, "drive-scsi0", &log, &err), &err,
	      "thick storage that is just large enough");
	ok(strstr(buf_str(&lines), "I drive-scsi0: fleecing image on storage 'thick' reserves its full size"),
	   "  which is logged");
	ok(room_check(thick, IMAGE_RAW, FREE_BYTES + 1, 0, "drive-scsi0", &log, &err) == -ENOSPC,
	   "a byte more does not fit");
	fails(-1, &err, "storage 'thick' has only 612.0 MiB free", "  and the error says what is free");
	ok(room_check(thick, IMAGE_RAW, FREE_BYTES - 9, 10, "drive-scsi0", &log, &err) == -ENOSPC,
	   "what is promised to other images is not free");
	fails(-1, &err, "storage 'thick' has only 612.0 MiB free", "  nor does the error count it");
	works(room_check(thick, IMAGE_RAW, FREE_BYTES - 10, 10, "drive-scsi0", &log, &err), &err,
	      "the rest is");
	tool_prints(t, "vgs", "", "  no such group", 5);
	works(room_check(thick, IMAGE_RAW, FREE_BYTES + 1, 0, "drive-scsi0", &log, &err), &err,
	      "storage that cannot tell its space refuses by itself");
}

int main(void)
{
	struct tools t;

	tools_init(&t, config);
	test_storage(&t);
	test_room(&t);
	tools_clear(&t);
	return done_testing();
}
