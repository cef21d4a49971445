/* Where a fleecing image goes, and whether it fits. */
#include <errno.h>

#include "base/strv.h"
#include "base/units.h"
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

static void limit_is(struct fleecing_amount limit, uint64_t per_job, uint64_t want, const char *want_why)
{
	const struct fleecing_config c = { .enabled = true, .limit = limit };
	const char *why;
	const uint64_t got = room_limit(&c, per_job, UINT64_C(100000000001), &why);

	ok(got == want && str_equal_null(why, want_why),
	   "a limit of %lu bytes or %u %%, and %lu per job (%lu, %s)", (unsigned long)limit.bytes,
	   limit.percent, (unsigned long)per_job, (unsigned long)got, why ? why : "-");
}

static void reserve_is(struct fleecing_amount reserve, uint64_t total, uint64_t want)
{
	const struct fleecing_config c = { .enabled = true, .reserve = reserve };
	const uint64_t got = room_reserve(&c, &(struct storage_status){ .total = total, .avail = total });

	ok(got == want, "of %lu bytes %lu stay free", (unsigned long)total, (unsigned long)got);
}

/* A full storage slows nobody from the beginning on, unless that was asked for. */
static void test_little_room(void)
{
	const struct storage_status st = { .total = 100 * MIB, .avail = 4 * MIB };
	const struct fleecing_config usual = { .enabled = true };
	const struct fleecing_config asked = { .enabled = true,
					       .reserve = { .set = true, .bytes = 50 * MIB } };

	ok(room_reserve(&usual, &st) == 2 * MIB, "of little that is free half stays free");
	ok(room_reserve(&asked, &st) == 50 * MIB, "a reserve that was asked for is what it is");
}

static void test_limits(void)
{
	const struct fleecing_amount none = { 0 }, bytes = { .set = true, .bytes = GIB };

	limit_is(none, 0, UINT64_MAX, NULL);
	limit_is(bytes, 0, GIB, "limit");
	limit_is(none, GIB, GIB, "fleecing-limit");
	limit_is(bytes, 2 * GIB, GIB, "limit");
	limit_is(bytes, GIB / 2, GIB / 2, "fleecing-limit");
	limit_is((struct fleecing_amount){ .set = true, .percent = 10 }, 0, UINT64_C(10000000000), "limit");
	limit_is((struct fleecing_amount){ .set = true, .percent = 100 }, 0, UINT64_C(100000000001), "limit");
	reserve_is(none, GIB, GIB / 20);
	reserve_is(none, 1024 * GIB, 4 * GIB);
	reserve_is(none, UINT64_MAX, 4 * GIB);
	reserve_is((struct fleecing_amount){ .set = true }, GIB, 0);
	reserve_is((struct fleecing_amount){ .set = true, .bytes = 5 * GIB }, GIB, 5 * GIB);
	reserve_is((struct fleecing_amount){ .set = true, .percent = 50 }, 1024 * GIB, 512 * GIB);
}

/* Less than that cannot be kept to, since a single write may be 1 MiB. */
static void test_smallest(void)
{
	const struct fleecing_config c = { .enabled = true, .limit = { .set = true, .percent = 1 } };
	const char *why;

	ok(room_limit(&c, 0, GIB, &why) == FLEECING_LIMIT_MIN, "a percent of a small disk is raised");
}

int main(void)
{
	struct tools t;

	tools_init(&t, config);
	test_storage(&t);
	test_room(&t);
	test_limits();
	test_little_room();
	test_smallest();
	tools_clear(&t);
	return done_testing();
}
