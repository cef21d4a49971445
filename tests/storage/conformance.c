/*
 * What every storage type must do, on a real one that is ready for use:
 *
 *	conformance <storage id>
 *
 * VZDUMP_ROOT has the storage.cfg.  In the environment:
 *	VZ_TOOL		the program by which the type asks for space; unset: none
 *	VZ_SYNC		a command after which all is counted; unset: sync
 *	VZ_NO_FILL	1: a full storage does not answer any more (Ceph waits)
 *	VZ_NO_WAIT	1: what the storage has available is asked for, but it is not waited for
 *	VZ_SNAPSHOT	a command that makes a snapshot as PVE does, of the volume $1 at path $2, named $3;
 *			unset: raw volumes can have none
 *	VZ_CHAIN	a command that makes a qcow2 volume which stands on its snapshot "before", and prints
 *			its name; unset: the type does not do that
 *
 * Lines "# numbers: ..." say what space was given back.
 */
#include <fcntl.h>
#include <signal.h>

#include "../unit/test-storage-real.h"
#include "base/buf.h"
#include "base/strv.h"

/* No multiple of any storage's unit. */
#define IMAGE_SIZE (33 * MIB + 512)
#define DATA_AT    (8 * MIB)
#define DATA       (8 * MIB)
/* What a thin storage has less when DATA was written, with what it needs to keep books. */
#define DATA_LOST_MIN (DATA - MIB)
#define DATA_LOST_MAX (DATA + DATA / 4)

struct subject {
	struct storage_config c;
	const struct storage *s;
	char dir[32]; /* of our own */
	char *data;   /* file with 1 MiB that nothing can make small */
	char *node;   /* qemu-io's name of the image at hand */
};

static int open_config(struct subject *t, const char *id, struct error **err)
{
	_cleanup_free_ char *file = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r;

	file = xasprintf("%s/etc/pve/storage.cfg", getenv("VZDUMP_ROOT"));
	r = io_read_file(file, MIB, &text, err);
	if (r == 0)
		storage_config_parse(buf_str(&text), file, "me", "/nonexistent", NULL, &t->c);
	return r < 0 ? r : storage_get(&t->c, id, STORAGE_IMAGES, &t->s, err);
}

static void make_data(struct subject *t)
{
	_cleanup_free_ char *bytes = xmalloc(MIB);
	uint64_t x = 88172645463325252;

	for (size_t i = 0; i < MIB; i += sizeof(x)) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		memcpy(bytes + i, &x, sizeof(x));
	}
	t->data = xasprintf("%s/data", t->dir);
	io_write_file_atomic(t->data, bytes, MIB, 0600, NULL, NULL);
}

/* ---- QEMU, as the writer and the discarder that it is for fleecing images ---- */

static void use_image(struct subject *t, const struct volume *v)
{
	struct json_object *node = NULL;
	struct error *err = NULL;

	free(t->node);
	t->node = NULL;
	works(volume_activate(v, &err), &err, "  it is made ready");
	if (!works(volume_blockdev(v, &node, &err), &err, "  QEMU's options"))
		return;
	json_object_object_add(node, "discard", json_object_new_string("unmap"));
	t->node = xasprintf("json:{\"driver\":\"raw\",\"discard\":\"unmap\",\"file\":%s}",
			    json_object_to_json_string(node));
	json_object_put(node);
}

/*
 * qemu-io's commands, one a line; false, with what it says, if one fails.  What need not succeed goes
 * past the page cache, which would take all and fail page by page (minutes on a full zvol).
 */
static bool qemu_io(struct subject *t, const char *commands, bool must)
{
	_cleanup_free_ char *file = xasprintf("%s/commands", t->dir);
	_cleanup_(process_result_clear) struct process_result result = { 0 };
	struct process_options o = { .timeout_ms = 300000 };
	bool good;
	int fd;

	io_write_file_atomic(file, commands, strlen(commands), 0600, NULL, NULL);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	o.stdin_fd = fd;
	good = t->node &&
	       process_run(
		       (const char *const[]){ "qemu-io", "-t", must ? "writeback" : "none", t->node, NULL },
		       &o, &result, NULL) == 0 &&
	       result.status == 0 && !strstr(result.out, "failed") && !strstr(result.out, "rror");
	close(fd);
	if (!good && must)
		diag("%s%s", result.out ? result.out : "", result.errout ? result.errout : "");
	return good;
}

static bool qemu_does(struct subject *t, const char *commands)
{
	return qemu_io(t, commands, true);
}

static bool write_data(struct subject *t)
{
	_cleanup_free_ char *command =
		xasprintf("write -s %s %" PRIu64 " %" PRIu64 "\nflush\n", t->data, DATA_AT, DATA);

	return qemu_does(t, command);
}

/* Every piece of that length from the first on, skipping as many bytes between two. */
static bool discard(struct subject *t, uint64_t first, uint64_t piece, uint64_t skip)
{
	_cleanup_buf_ struct buf commands = BUF_INIT;

	for (uint64_t at = first; at + piece <= DATA_AT + DATA; at += piece + skip)
		buf_addf(&commands, "discard %" PRIu64 " %" PRIu64 "\n", at, piece);
	buf_addf(&commands, "flush\n");
	return qemu_does(t, buf_str(&commands));
}

/* ---- space ---- */

static void settle(void)
{
	const char *command = getenv("VZ_SYNC");

	sync();
	if (command && !run_tool((const char *const[]){ "sh", "-c", command, NULL }))
		diag("%s fails", command);
}

/* What it takes, when that does not change any more: some count a second or a transaction late. */
static uint64_t settled(const struct volume *v)
{
	uint64_t used = 0, last = UINT64_MAX;

	for (int same = 0, i = 0; same < 2 && i < 60; i++) {
		settle();
		volume_used(v, &used, NULL);
		same = used == last ? same + 1 : 0;
		last = used;
		usleep(700000);
	}
	return used;
}

static bool between(uint64_t value, uint64_t min, uint64_t max)
{
	if (value >= min && value <= max)
		return true;
	diag("%" PRIu64 " is not between %" PRIu64 " and %" PRIu64, value, min, max);
	return false;
}

/*
 * How many bytes fewer are available than before.  The storage tells it later than the image what it takes:
 * Ceph's manager hears of writes some seconds after.
 */
static uint64_t avail_lost(const struct storage *s, uint64_t before)
{
	struct storage_status now = { 0 };
	uint64_t lost = 0;

	for (int i = 0; i < 20 && lost < DATA_LOST_MIN; i++) {
		if (i > 0)
			sleep(1);
		settle();
		if (storage_status(s, &now, NULL) == 0 && now.avail < before)
			lost = before - now.avail;
	}
	return lost;
}

/* Zero it must be, also where others' data lay before. */
static bool all_zero(struct subject *t)
{
	_cleanup_free_ char *command = xasprintf("read -P 0 0 %" PRIu64 "\n", IMAGE_SIZE);

	return qemu_does(t, command);
}

/* ---- what must hold ---- */

static void check_status(const struct storage *s, struct storage_status *st)
{
	struct error *err = NULL;

	works(storage_activate(s, NULL, &err), &err, "it is made usable");
	works(storage_activate(s, NULL, &err), &err, "twice does no harm");
	works(storage_status(s, st, &err), &err, "it tells its space");
	ok(st->total > 0 && st->used <= st->total && st->avail <= st->total,
	   "which makes sense: %" PRIu64 " used, %" PRIu64 " available of %" PRIu64, st->used, st->avail,
	   st->total);
}

static void check_space(struct subject *t, const struct volume *v)
{
	struct storage_status before = { 0 };
	struct image_traits traits;
	struct error *err = NULL;
	uint64_t size = 0, empty, full, small, large, g;

	works(volume_traits(v, &traits, &err), &err, "  it is known how it behaves");
	works(volume_size(v, &size, &err), &err, "  its size");
	ok(between(size, IMAGE_SIZE, IMAGE_SIZE + traits.size_granularity),
	   "  is as asked for, rounded up by less than %" PRIu64, traits.size_granularity);
	storage_status(t->s, &before, NULL);
	empty = settled(v);
	ok(traits.thin ? between(empty, 0, MIB) : between(empty, 0, size * 2), "  at first it takes %s",
	   traits.thin ? "next to nothing" : "what it takes");
	ok(write_data(t), "  it can be written");
	full = settled(v);
	if (traits.thin) {
		/* LVM tells hundredths of a percent */
		ok(between(full, DATA - DATA / 100, DATA + DATA / 4), "  and takes as much");
		if (!getenv("VZ_NO_WAIT"))
			ok(between(avail_lost(t->s, before.avail), DATA_LOST_MIN, DATA_LOST_MAX),
			   "  of what was available");
	}
	g = traits.discard_granularity;
	/* halves of a unit, at odd places: what a naive discarder would send */
	ok(g < 1024 || discard(t, DATA_AT, g / 2, g / 2), "  parts of its units can be discarded");
	small = settled(v);
	ok(write_data(t) && discard(t, DATA_AT, g > 64 * KIB ? g : 64 * KIB, 0), "  and whole units");
	large = settled(v);
	if (traits.punches_holes)
		ok(between(large, 0, empty + MIB), "  which gives all back");
	diag("numbers: %s: unit %" PRIu64 " KiB; of %" PRIu64
	     " KiB, every other half unit discarded gave back "
	     "%" PRId64 " KiB, whole units %" PRId64 " KiB",
	     t->s->type, g / KIB, DATA / KIB, ((int64_t)full - (int64_t)small) / (int64_t)KIB,
	     ((int64_t)full - (int64_t)large) / (int64_t)KIB);
}

static void check_taken_name(struct subject *t, const struct volume_alloc *a)
{
	struct volume again = { 0 };
	struct error *err = NULL;

	int r = volume_alloc(t->s, a, &again, &err);

	ok(r == -EEXIST, "  its name is taken");
	ok(strstr(error_message(err), a->name) != NULL, "  and the error says it: %s", error_message(err));
	error_free(err);
	ok(qemu_does(t, "read -P 0x5a 1048576 65536\n"), "  and what it holds stays");
}

static void check_image(struct subject *t)
{
	const struct volume_alloc a = {
		.vmid = 123, .name = "vm-123-fleece-0", .format = IMAGE_RAW, .size = IMAGE_SIZE
	};
	struct volume v = { 0 };
	struct error *err = NULL;
	int r;

	if (!works(volume_alloc(t->s, &a, &v, &err), &err, "a fleecing image is made"))
		return;
	check_listed(t->s, &v, true);
	use_image(t, &v);
	ok(all_zero(t), "  it reads as zeroes");
	check_space(t, &v);
	ok(qemu_does(t, "write -P 0x5a 1048576 65536\nflush\n"), "  it holds what is written");
	check_taken_name(t, &a);
	works(volume_deactivate(&v, &err), &err, "  it can be put to rest");
	works(volume_activate(&v, &err), &err, "  and used again");
	ok(qemu_does(t, "read -P 0x5a 1048576 65536\n"), "  with what it held");
	works(volume_free(&v, &err), &err, "  it can be removed");
	check_listed(t->s, &v, false);
	r = volume_free(&v, &err);
	ok(r == ERR_NOT_FOUND, "  once: %s", error_message(err));
	error_free(err);
	volume_clear(&v);
}

/* The next image may get the blocks of one that was full of data. */
static void check_old_data(struct subject *t)
{
	const struct volume_alloc a = { .vmid = 123, .format = IMAGE_RAW, .size = IMAGE_SIZE };
	struct error *err = NULL;

	for (int i = 0; i < 2; i++) {
		struct volume v = { 0 };

		if (!works(volume_alloc(t->s, &a, &v, &err), &err, "an image is made without a name"))
			return;
		ok(strstr(v.volname, "vm-123-disk-0") != NULL, "  and gets one: %s", v.volname);
		use_image(t, &v);
		ok(all_zero(t), "  it reads as zeroes%s", i ? ", which the one before did not" : "");
		ok(qemu_does(t, "write -P 0x77 0 33M\n"), "  and is overwritten");
		works(volume_free(&v, &err), &err, "  and removed");
		volume_clear(&v);
	}
}

/* What volume_snapshots() gives: names with a blank behind each. */
static bool has_snapshots(const struct volume *v, const char *want)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_buf_ struct buf got = BUF_INIT;
	struct error *err = NULL;

	if (!works(volume_snapshots(v, &names, &err), &err, "  its snapshots are told"))
		return false;
	for (size_t i = 0; names && names[i]; i++)
		buf_addf(&got, "%s ", names[i]);
	if (strcmp(buf_str(&got), want) == 0)
		return true;
	diag("snapshots: %s", buf_str(&got));
	return false;
}

static void check_qcow2(struct subject *t)
{
	const struct volume_alloc a = {
		.vmid = 123, .name = "vm-123-disk-7", .format = IMAGE_QCOW2, .size = IMAGE_SIZE
	};
	struct volume v = { 0 };
	struct error *err = NULL;
	uint64_t size = 0;

	if (!(t->s->ops->formats & 1U << IMAGE_QCOW2)) {
		fails(volume_alloc(t->s, &a, &v, &err), &err, "qcow2",
		      "a format that it does not have is refused");
		return;
	}
	if (!works(volume_alloc(t->s, &a, &v, &err), &err, "a qcow2 image is made"))
		return;
	check_listed(t->s, &v, true);
	works(volume_size(&v, &size, &err), &err, "  its size");
	ok(size == IMAGE_SIZE, "  is exact");
	ok(has_snapshots(&v, "") && RUN("qemu-img", "snapshot", "-c", "before", v.path) &&
		   has_snapshots(&v, "before "),
	   "  its snapshot is known");
	works(volume_snapshot_delete(&v, "before", &err), &err, "  and can be removed");
	ok(has_snapshots(&v, ""), "  alone");
	works(volume_free(&v, &err), &err, "  it can be removed");
	volume_clear(&v);
}

/*
 * Writes as much as there is room for; true if it was less than size.  In small pieces: btrfs has room for a
 * large request, or none, while there is half of it.
 */
static bool fill_storage(struct subject *t, uint64_t size)
{
	for (uint64_t at = 0; at < size;) {
		_cleanup_buf_ struct buf commands = BUF_INIT;

		for (int i = 0; i < 32 && at < size; i++, at += MIB)
			buf_addf(&commands, "write -P 1 %" PRIu64 " 1M\n", at);
		buf_addf(&commands, "flush\n");
		if (!qemu_io(t, buf_str(&commands), false))
			return true;
	}
	return false;
}

/* ---- snapshots ---- */

static bool make_snapshot(const struct volume *v, const char *name)
{
	return run_tool((const char *const[]){ "sh", "-c", getenv("VZ_SNAPSHOT"), "sh", v->volname,
					       v->path ? v->path : "", name, NULL });
}

static void check_snapshots(struct subject *t)
{
	const struct volume_alloc a = {
		.vmid = 123, .name = "vm-123-disk-3", .format = IMAGE_RAW, .size = IMAGE_SIZE
	};
	struct volume v = { 0 };
	struct error *err = NULL;
	int r;

	if (!works(volume_alloc(t->s, &a, &v, &err), &err, "an image for snapshots"))
		return;
	ok(has_snapshots(&v, ""), "  has none at first");
	if (getenv("VZ_SNAPSHOT")) {
		use_image(t, &v);
		qemu_does(t, "write -P 0x5a 1M 64k\nflush\n");
		ok(make_snapshot(&v, "before") && make_snapshot(&v, "after") &&
			   has_snapshots(&v, "after before "),
		   "  then those that were made");
		check_listed(t->s, &v, true);
		ok(qemu_does(t, "write -P 0x5b 1M 64k\nflush\n"), "  it can be written");
		works(volume_snapshot_delete(&v, "before", &err), &err, "  a snapshot is removed");
		ok(has_snapshots(&v, "after "), "  the other stays");
		ok(qemu_does(t, "read -P 0x5b 1M 64k\n"), "  and so does what the image holds");
	}
	r = volume_snapshot_delete(&v, "before", &err);
	ok(r == ERR_NOT_FOUND, "  one that is not there is told: %s", error_message(err));
	error_free(err);
	err = NULL;
	works(volume_free(&v, &err), &err, "  all go with the image");
	check_listed(t->s, &v, false);
	volume_clear(&v);
}

static void check_chain(struct subject *t)
{
	_cleanup_(process_result_clear) struct process_result result = { 0 };
	const char *const argv[] = { "sh", "-ec", getenv("VZ_CHAIN"), NULL };
	_cleanup_free_ char *volid = NULL;
	struct error *err = NULL;
	struct volume v = { 0 };
	int r;

	if (!argv[2] || !works(process_run_ok(argv, NULL, &result, &err), &err, "a volume chain"))
		return;
	result.out[strcspn(result.out, "\n")] = '\0';
	volid = xasprintf("%s:%s", t->s->id, result.out);
	if (!works(volume_open(&t->c, volid, NULL, &v, &err), &err, "  can be used"))
		return;
	works(volume_activate(&v, &err), &err, "  it is made ready");
	ok(RUN("qemu-io", "-r", "-f", "qcow2", "-c", "read 0 64k", v.path), "  with what it stands on");
	ok(has_snapshots(&v, "before "), "  its snapshot is known");
	r = volume_snapshot_delete(&v, "before", &err);
	ok(r == ERR_UNSUPPORTED, "  but not taken from under it: %s", error_message(err));
	error_free(err);
	err = NULL;
	works(volume_free(&v, &err), &err, "  both go together");
	check_listed(t->s, &v, false);
	volume_clear(&v);
}

/* A thin one can be larger than the storage, which then fills up; a thick one cannot be made. */
static void check_too_large(struct subject *t)
{
	struct volume_alloc a = { .vmid = 123, .name = "vm-123-fleece-1", .format = IMAGE_RAW };
	struct storage_status st = { 0 };
	struct image_traits traits;
	struct volume v = { 0 };
	struct error *err = NULL;

	storage_traits(t->s, IMAGE_RAW, &traits);
	storage_status(t->s, &st, NULL);
	a.size = (st.avail + 64 * MIB) / MIB * MIB;
	if (!traits.thin) {
		int r = volume_alloc(t->s, &a, &v, &err);

		ok(r < 0, "what does not fit is refused: %s", error_message(err));
		ok(strstr(error_message(err), t->s->id) && !strchr(error_message(err), '\n'),
		   "  in one line that names the storage");
		error_free(err);
	} else {
		if (!works(volume_alloc(t->s, &a, &v, &err), &err, "an image may be larger than the storage"))
			return;
		if (!getenv("VZ_NO_FILL")) {
			use_image(t, &v);
			ok(fill_storage(t, a.size), "  until the storage is full");
			storage_status(t->s, &st, NULL);
			ok(st.avail < 32 * MIB, "  as it says (%" PRIu64 " available)", st.avail);
		}
		works(volume_free(&v, &err), &err, "  it can be removed all the same");
	}
	volume_clear(&v);
	v = (struct volume){ .vmid = 123, .volname = "vm-123-fleece-1", .format = IMAGE_RAW };
	check_listed(t->s, &v, false);
}

static void check_names(struct subject *t)
{
	static const char *const bad[] = {
		"../vm-123-disk-0",
		"vm-123-disk-0/../../../etc/passwd",
		"vm-123-disk-0;reboot",
		"vm-123-disk-0\nvm-124-disk-0",
		"vm-123-disk-0@snap",
		"-rf",
		"",
		"vm-123-$(id)",
		"/etc/passwd",
		"vm--123-x",
		"vm-123-a b",
		"123/../vm-1-disk-0.raw",
		"123/vm-124-disk-0.raw/..",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *volid = xasprintf("%s:%s", t->s->id, bad[i]);
		struct volume v = { 0 };
		struct error *err = NULL;
		int r = volume_open(&t->c, volid, NULL, &v, &err);

		ok(r < 0 && !strchr(error_message(err), '\n'), "a hostile name is refused: %s",
		   r < 0 ? error_message(err) : "no");
		error_free(err);
	}
}

/* ---- tools that are not well ---- */

/* PATH begins with a folder where the tool hangs. */
static void check_hanging_tool(struct subject *t, const char *tool)
{
	static const char script[] = "#!/bin/sh\nsleep 4242.5\n";
	_cleanup_free_ char *folder = xasprintf("%s/bin", t->dir);
	_cleanup_free_ char *wrapper = xasprintf("%s/%s", folder, tool);
	_cleanup_free_ char *old = xstrdup(getenv("PATH"));
	_cleanup_free_ char *path = xasprintf("%s:%s", folder, old);
	_cleanup_(process_result_clear) struct process_result result = { 0 };
	struct storage_status st;
	struct error *err = NULL;
	uint64_t begin = units_now_ns();
	int r;

	mkdir(folder, 0700);
	io_write_file_atomic(wrapper, script, strlen(script), 0755, NULL, NULL);
	setenv("PATH", path, 1);
	r = storage_status(t->s, &st, &err);
	setenv("PATH", old, 1);
	ok(r == ERR_TIMEOUT, "a tool that hangs is given up: %s", error_message(err));
	ok(strstr(error_message(err), tool) != NULL, "  and named");
	error_free(err);
	ok(units_now_ns() - begin < 20 * UINT64_C(1000000000), "  soon");
	process_run((const char *const[]){ "pgrep", "-f", "^sleep 4242.5$", NULL }, NULL, &result, NULL);
	ok(result.status == 1, "  and killed with what it started");
}

static void check_missing_tool(struct subject *t, const char *tool)
{
	_cleanup_free_ char *old = xstrdup(getenv("PATH"));
	struct storage_status st;
	struct error *err = NULL;
	int r;

	setenv("PATH", "/nonexistent", 1);
	r = storage_status(t->s, &st, &err);
	setenv("PATH", old, 1);
	ok(r == ERR_UNSUPPORTED && strstr(error_message(err), tool) &&
		   strstr(error_message(err), "install the package"),
	   "a tool that is missing is named with its package: %s", error_message(err));
	error_free(err);
}

/* Ceph's manager hears of it some seconds later. */
static void check_given_back(const struct subject *t, const struct storage_status *begin)
{
	struct storage_status end = { 0 };

	for (int i = 0; i < 15; i++) {
		settle();
		if (storage_status(t->s, &end, NULL) == 0 && end.used <= begin->used + 2 * MIB)
			break;
		sleep(1);
	}
	ok(end.used <= begin->used + 2 * MIB,
	   "all that was taken is back (%" PRIu64 " used, %" PRIu64 " before)", end.used, begin->used);
}

int main(int argc, char **argv)
{
	struct subject t = { 0 };
	struct storage_status begin = { 0 };
	struct error *err = NULL;
	const char *tool = getenv("VZ_TOOL");

	if (argc != 2 || !getenv("VZDUMP_ROOT")) {
		fputs("usage: VZDUMP_ROOT=... conformance <storage id>\n", stderr);
		return 2;
	}
	memcpy(t.dir, "/tmp/conformance-XXXXXX", sizeof("/tmp/conformance-XXXXXX"));
	ok(mkdtemp(t.dir) != NULL, "a folder of our own");
	make_data(&t);
	if (works(open_config(&t, argv[1], &err), &err, argv[1])) {
		check_status(t.s, &begin);
		check_image(&t);
		check_old_data(&t);
		check_qcow2(&t);
		check_snapshots(&t);
		check_chain(&t);
		check_too_large(&t);
		check_names(&t);
		if (tool) {
			check_hanging_tool(&t, tool);
			check_missing_tool(&t, tool);
		}
		if (!getenv("VZ_NO_WAIT"))
			check_given_back(&t, &begin);
	}
	io_remove_tree(t.dir, NULL);
	free(t.data);
	free(t.node);
	storage_config_clear(&t.c);
	return done_testing();
}
