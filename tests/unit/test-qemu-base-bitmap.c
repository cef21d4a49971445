/* Base bitmaps on every style of guest disk, against a real QEMU: which are trusted, and which are not. */
#include "test-qemu-bench.h"

#include "qemu/base-bitmap.h"

#define CHAIN "11111111-2222-4333-8444-555555555555"
#define OTHER "99999999-2222-4333-8444-555555555555"
#define GEN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define GEN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define GEN_C "cccccccccccccccccccccccccccccccc"

static const struct style *const plain = &styles[2];

/* ---- helpers ---- */

static void find_quietly(struct bench *b, const char *key)
{
	struct error *err = NULL;

	graph_disk_clear(&b->disk);
	find_disk(b->q, key, b->disk_path, &b->disk, &err);
	die_on(err, "find");
}

static void bench_open(struct bench *b, const struct style *style)
{
	bench_init(b, style, true);
	find_quietly(b, style->key);
}

static bool add(struct bench *b, const char *chain, const char *gen)
{
	_cleanup_free_ char *name = base_bitmap_name(chain, gen, b->style->key);
	struct error *err = NULL;

	return step(base_bitmap_add(b->q, &b->disk, &b->names, name, &err), &err, "add");
}

/* NULL: it is trusted.  Caller frees. */
static char *reject(struct bench *b, const char *gen, const char *key)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	struct error *err = NULL;

	base_bitmaps_load(b->q, &l, &err);
	die_on(err, "load");
	return base_bitmaps_reject(&l, &b->disk, CHAIN, gen, key);
}

static bool trusted(struct bench *b)
{
	_cleanup_free_ char *why = reject(b, GEN_A, b->style->key);

	if (why)
		diag("not trusted: %s", why);
	return !why;
}

static void rejected(struct bench *b, const char *gen, const char *key, const char *because, const char *text)
{
	_cleanup_free_ char *why = reject(b, gen, key);

	ok(why && strstr(why, because) && !strchr(why, '\n'), "%s: %s", text, why ? why : "(trusted)");
}

/* One command of the tests' own. */
static bool command(struct bench *b, const char *name, const char *args)
{
	_cleanup_error_ struct error *err = NULL;
	struct json_object *o = NULL;

	if (json_parse(args, strlen(args), 1 << 20, &o, NULL) < 0)
		printf("Bail out! not JSON: %s\n", args);
	if (qmp_execute(b->vm.mon, name, o, NULL, &err) < 0) {
		diag("%s", error_message(err));
		return false;
	}
	return true;
}

__attribute__((format(printf, 3, 4))) static bool commandf(struct bench *b, const char *name, const char *fmt,
							   ...)
{
	_cleanup_free_ char *args = NULL;
	va_list ap;

	va_start(ap, fmt);
	args = xvasprintf(fmt, ap);
	va_end(ap);
	return command(b, name, args);
}

static bool resize(struct bench *b, const char *node, unsigned long long size)
{
	return commandf(b, "block_resize", "{\"node-name\":\"%s\",\"size\":%llu}", node, size);
}

static bool take_snapshot(struct bench *b, const char *node, const char *name)
{
	return commandf(b, "blockdev-snapshot-sync",
			"{\"node-name\":\"%s\",\"snapshot-file\":\"%s/%s\",\"snapshot-node-name\":\"%s\"}",
			node, b->vm.dir, name, name);
}

/* The node that the guest's device has now.  Caller frees. */
static char *top_node(struct bench *b)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };

	blockgraph_load(b->q, &g, NULL);
	return xstrdup(blockgraph_device_node(graph_find_device(&g, b->style->key, NULL, b->disk_path)));
}

/* Each has its sentinel, but those that the tests have made themselves. */
static size_t count_all(struct bench *b)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	size_t n = 0;

	base_bitmaps_load(b->q, &l, NULL);
	for (size_t i = 0; i < l.n; i++)
		n += !l.list[i].end;
	return n;
}

static bool none_left(struct bench *b)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };

	return base_bitmaps_load(b->q, &l, NULL) == 0 && l.n == 0;
}

/* ---- single bits, as a copy sees them ---- */

struct bits {
	const char *context;
	struct buf text; /* "3 128 " */
};

static int note_bits(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n,
		     int *error)
{
	struct bits *bits = opaque;

	(void)error;
	for (size_t i = 0; i + 1 < n && !strcmp(context, bits->context); i += 2) {
		for (uint64_t at = offset; entries[i + 1] & 1 && at < offset + entries[i]; at += 65536)
			buf_addf(&bits->text, "%llu ", (unsigned long long)(at / 65536));
		offset += entries[i];
	}
	return 0;
}

/* The dirty clusters of the exported base bitmap.  Caller frees. */
static char *read_bits(struct bench *b)
{
	_cleanup_free_ char *context = xasprintf("qemu:dirty-bitmap:%s", b->base);
	struct bits bits = { .context = context, .text = BUF_INIT };
	struct nbd_handle *nbd = nbd_create();
	struct error *err = NULL;

	if (!nbd || nbd_set_export_name(nbd, b->names.export) || nbd_add_meta_context(nbd, context) ||
	    nbd_connect_unix(nbd, b->socket) ||
	    nbd_block_status(nbd, b->disk.size, 0,
			     (nbd_extent_callback){ .callback = note_bits, .user_data = &bits }, 0))
		buf_addf(&bits.text, "%s", nbd_get_error());
	step(del_export(b->q, &b->names, &err), &err, "del export");
	nbd_close(nbd);
	return buf_steal(&bits.text);
}

/* The same for the time of a backup, with two clusters that the guest writes in it, if it is to. */
static char *bits_in_backup(struct bench *b, bool write)
{
	_cleanup_free_ char *name = base_bitmap_name(CHAIN, GEN_A, b->style->key);
	struct error *err = NULL;
	char *bits;

	b->base = name;
	if (!set_up(b))
		return xstrdup("no backup");
	if (write)
		guest_io(&b->vm, b->disk.qom_path, "write -P 0xee 64k 66k");
	bits = read_bits(b);
	undo_in_order(b, &err);
	b->base = NULL;
	return bits;
}

static bool has_bits(struct bench *b, const char *want)
{
	_cleanup_free_ char *bits = bits_in_backup(b, false);

	if (strcmp(bits, want) != 0)
		diag("dirty: %s, want: %s", bits, want);
	return !strcmp(bits, want);
}

/* ---- tests ---- */

/* Guard and bitmap together: what would change the disk below a bitmap that is in use is refused. */
static void test_in_use(struct bench *b)
{
	_cleanup_free_ char *name = base_bitmap_name(CHAIN, GEN_A, b->style->key), *top = NULL;
	struct error *err = NULL;

	b->base = name;
	ok(set_up(b), "the bitmap is exported beside that of the filter");
	rejected(b, GEN_A, b->style->key, "in use", "it is not trusted while somebody has it");
	top = top_node(b);
	ok(!resize(b, b->disk.node, 16 * MIB) && !resize(b, top, 16 * MIB) && vm_alive(&b->vm),
	   "block_resize is refused, and QEMU lives");
	ok(!take_snapshot(b, top, "over") && vm_alive(&b->vm),
	   "an external snapshot of the guest's disk is refused, and QEMU lives");
	undo_in_order(b, &err);
	b->base = NULL;
}

/* An external snapshot by the name of the disk's own node, which no guard can keep away. */
static void test_snapshot_in_use(const struct style *style)
{
	_cleanup_free_ char *name = base_bitmap_name(CHAIN, GEN_A, style->key);
	const struct base_bitmap_choice all = { 0 };
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	struct error *err = NULL;
	struct bench b;

	diag("%s", style->name);
	bench_open(&b, style);
	add(&b, CHAIN, GEN_A);
	b.base = name;
	ok(set_up(&b), "the bitmap is exported");
	base_bitmaps_load(b.q, &l, NULL);
	ok(base_bitmaps_remove(b.q, &l, &all, NULL, &err) == ERR_PEER, "it cannot be removed: %s",
	   error_message(err));
	error_free(TAKE_PTR(err));
	ok(take_snapshot(&b, b.disk.node, "over") && vm_alive(&b.vm), "the snapshot is made, and QEMU lives");
	ok(guest_io(&b.vm, b.disk.qom_path, "write -P 0xee 64k 64k"), "the guest writes");
	ok(undo_in_order(&b, &err) && vm_alive(&b.vm), "the backup ends");
	b.base = NULL;
	find_quietly(&b, style->key);
	rejected(&b, GEN_A, style->key, "another node", "the bitmap is not used any more");
	bench_clear(&b);
}

static void test_style(const struct style *style)
{
	const size_t last = (style->size - 1) / 65536;
	const struct base_bitmap_choice all = { 0 };
	struct error *err = NULL;
	struct bench b;
	bool left = true;

	diag("%s", style->name);
	bench_open(&b, style);
	ok(add(&b, CHAIN, GEN_A) && trusted(&b), "a new bitmap is trusted");
	ok(graph_has_leftovers(b.q, &left, NULL) == 0 && !left, "nothing of making it is left");
	{
		_cleanup_free_ char *want = xasprintf("%zu ", last);
		_cleanup_free_ char *more = xasprintf("1 2 %zu ", last);
		_cleanup_free_ char *bits = NULL;

		ok(has_bits(&b, want), "of it only the last cluster is dirty, the %zuth", last);
		bits = bits_in_backup(&b, true);
		ok(!strcmp(bits, more), "then what the guest writes, too: %s", bits);
		ok(has_bits(&b, more), "it keeps that after the backup");
	}
	ok(trusted(&b), "and is trusted");
	test_in_use(&b);
	ok(step(graph_cleanup(b.q, GRAPH_OURS_SERVER, NULL, &err), &err, "cleanup") && trusted(&b),
	   "cleaning up after a backup leaves it alone");
	{
		_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
		size_t n = 0;

		base_bitmaps_load(b.q, &l, NULL);
		ok(step(base_bitmaps_remove(b.q, &l, &all, &n, &err), &err, "remove") && n == 1 &&
			   none_left(&b),
		   "it can be removed");
	}
	check_restored(&b);
	ok(vm_alive(&b.vm), "QEMU lives");
	bench_clear(&b);
}

static void test_identity(void)
{
	struct bench b;

	bench_open(&b, plain);
	rejected(&b, GEN_A, "scsi0", "restarted since", "there is none");
	add(&b, OTHER, GEN_A);
	rejected(&b, GEN_A, "scsi0", "restarted since", "one of another chain is none");
	add(&b, CHAIN, GEN_A);
	ok(trusted(&b), "chain, generation and key are right");
	rejected(&b, GEN_B, "scsi0", "another backup", "another generation");
	rejected(&b, GEN_A, "scsi1", "was scsi0", "another key");
	bench_clear(&b);
}

/* Others can do with a bitmap what they want. */
static void test_strange(void)
{
	static const struct {
		const char *options, *because, *text;
	} cases[] = {
		{ "\"disabled\":true,\"granularity\":65536", "disabled", "a disabled one" },
		{ "\"granularity\":131072", "131072", "a coarser one" },
		{ "\"granularity\":32768", "32768", "a finer one" },
		{ "\"granularity\":65536", "does not show", "one without a sentinel" },
	};

	struct bench b;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {

		bench_open(&b, plain);
		commandf(&b, "block-dirty-bitmap-add",
			 "{\"node\":\"f1\",\"name\":\"vzbase-" CHAIN "-" GEN_A "-scsi0\",%s}",
			 cases[i].options);
		rejected(&b, GEN_A, "scsi0", cases[i].because, cases[i].text);
		bench_clear(&b);
	}
	bench_open(&b, plain);
	add(&b, CHAIN, GEN_A);
	command(&b, "block-dirty-bitmap-enable",
		"{\"node\":\"f1\",\"name\":\"vzbase-" CHAIN "-" GEN_A "-scsi0-end\"}");
	rejected(&b, GEN_A, "scsi0", "was enabled", "one with a sentinel that the guest may have marked");
	bench_clear(&b);
}

static void test_sizes(void)
{
	struct bench b;

	bench_open(&b, plain);
	add(&b, CHAIN, GEN_A);
	resize(&b, "f1", 12 * MIB);
	find_quietly(&b, "scsi0");
	ok(trusted(&b) && has_bits(&b, "128 "),
	   "one of a disk that has grown is trusted, and has its old end");
	resize(&b, "f1", DISK_SIZE);
	ok(trusted(&b), "that of one that is as large as it was, too");
	resize(&b, "f1", 4 * MIB);
	rejected(&b, GEN_A, "scsi0", "was smaller", "one of a disk that is smaller now is not");
	resize(&b, "f1", DISK_SIZE);
	rejected(&b, GEN_A, "scsi0", "was smaller", "nor after it has grown again");
	guest_io(&b.vm, b.disk.qom_path, "write -P 1 8M 512");
	rejected(&b, GEN_A, "scsi0", "was smaller", "nor when the guest has written its end");
	bench_clear(&b);
}

static bool wait_for_event(struct bench *b, bool (*is_over)(struct bench *b))
{
	for (int i = 0; i < 1000; i++) {
		if (is_over(b))
			return true;
		usleep(10000);
	}
	return false;
}

static bool no_jobs(struct bench *b)
{
	_cleanup_json_ struct json_object *jobs = NULL;

	return qmp_execute(b->vm.mon, "query-jobs", NULL, &jobs, NULL) == 0 && !json_array_len(jobs);
}

/* query-block-jobs tells when an active commit can be completed. */
static bool is_ready(struct bench *b)
{
	_cleanup_json_ struct json_object *jobs = NULL;

	return qmp_execute(b->vm.mon, "query-block-jobs", NULL, &jobs, NULL) == 0 && json_array_len(jobs) &&
	       json_get_bool(json_array_at(jobs, 0), "ready", false);
}

static void test_snapshot(void)
{
	const struct base_bitmap_choice all = { .chain = CHAIN };
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	struct error *err = NULL;
	struct bench b;
	size_t n = 0;

	bench_open(&b, plain);
	add(&b, CHAIN, GEN_A);
	take_snapshot(&b, "f1", "over");
	find_quietly(&b, "scsi0");
	ok(str_equal_null(b.disk.node, "over"), "the guest has an external snapshot");
	rejected(&b, GEN_A, "scsi0", "'f1'", "it is not trusted then");
	guest_io(&b.vm, b.disk.qom_path, "write -P 0xee 320k 64k");
	ok(command(&b, "block-commit", "{\"job-id\":\"c\",\"device\":\"over\"}") &&
		   wait_for_event(&b, is_ready) && command(&b, "job-complete", "{\"id\":\"c\"}") &&
		   wait_for_event(&b, no_jobs),
	   "the snapshot is committed back");
	find_quietly(&b, "scsi0");
	ok(trusted(&b) && has_bits(&b, "5 128 "), "it is trusted again, and has what was written meanwhile");
	take_snapshot(&b, "f1", "over2");
	base_bitmaps_load(b.q, &l, NULL);
	ok(step(base_bitmaps_remove(b.q, &l, &all, &n, &err), &err, "remove") && n == 1,
	   "below a snapshot it can be removed, too");
	bench_clear(&b);
}

static bool is_unplugged(struct bench *b)
{
	struct graph_disk d = { 0 };
	const bool there = find_disk(b->q, "scsi0", NULL, &d, NULL) == 0;

	graph_disk_clear(&d);
	return !there;
}

static void test_plug(void)
{
	struct bench b;

	bench_open(&b, plain);
	add(&b, CHAIN, GEN_A);
	ok(command(&b, "device_del", "{\"id\":\"scsi0\"}") && wait_for_event(&b, is_unplugged) &&
		   command(&b, "device_add",
			   "{\"driver\":\"scsi-hd\",\"id\":\"scsi1\",\"drive\":\"f1\","
			   "\"bus\":\"virtioscsi0.0\"}"),
	   "the disk is plugged in again as another one");
	find_quietly(&b, "scsi1");
	rejected(&b, GEN_A, "scsi1", "was scsi0", "the bitmap is not that of the new key");
	commandf(&b, "blockdev-add",
		 "{\"driver\":\"file\",\"node-name\":\"new\",\"filename\":\"%s\",\"locking\":\"off\"}",
		 b.disk_path);
	ok(command(&b, "device_add",
		   "{\"driver\":\"scsi-hd\",\"id\":\"scsi0\",\"drive\":\"new\","
		   "\"bus\":\"virtioscsi0.0\",\"share-rw\":true}"),
	   "another one takes its place");
	find_quietly(&b, "scsi0");
	rejected(&b, GEN_A, "scsi0", "'f1'", "which has none");
	rejected(&b, GEN_A, "scsi2", "exchanged since", "nor has one that is new");
	bench_clear(&b);
}

/* ---- a qcow2 image ---- */

static const struct style qcow2 = {
	"qcow2",
	"scsi0",
	false,
	false,
	DISK_SIZE,
	{ "-blockdev", "driver=qcow2,node-name=f1,file.driver=file,file.filename=@/disk.qcow2", "-device",
	  "virtio-scsi-pci,id=virtioscsi0", "-device", "scsi-hd,id=scsi0,drive=f1,bus=virtioscsi0.0", NULL }
};

/* how: the command that ends QEMU; NULL: it is killed. */
static void restart(struct bench *b, const char *how)
{
	struct error *err = NULL;

	if (how && qmp_execute(b->vm.mon, how, NULL, NULL, NULL) == 0) {
		waitpid(b->vm.pid, NULL, 0);
		b->vm.pid = 0;
	}
	qmp_close(TAKE_PTR(b->q));
	qmp_close(TAKE_PTR(b->vm.mon));
	vm_kill(&b->vm);
	unlink(b->vm.qmp_path);
	unlink(b->vm.mon_path);
	vm_start(&b->vm);
	qmp_open(b->vm.qmp_path, 5000, NULL, &b->q, &err);
	die_on(err, "qmp_open");
	find_quietly(b, "scsi0");
}

static void make_qcow2(struct vm *vm)
{
	_cleanup_free_ char *path = vm_file(vm, "disk.qcow2");
	char image[] = "qemu-img", create[] = "create", f[] = "-f", format[] = "qcow2", size[] = "8M";
	char *args[] = { image, create, f, format, path, size, NULL };

	waitpid(start_program(args), NULL, 0);
}

static void qcow2_open(struct bench *b)
{
	struct error *err = NULL;

	*b = (struct bench){ .style = &qcow2 };
	vm_init(&b->vm, true);
	make_qcow2(&b->vm);
	vm_add(&b->vm, qcow2.args);
	vm_start(&b->vm);
	qmp_open(b->vm.qmp_path, 5000, NULL, &b->q, &err);
	die_on(err, "qmp_open");
	graph_names_init(&b->names, "scsi0", &err);
	find_quietly(b, "scsi0");
}

/* What QEMU's monitor for people says.  Caller frees. */
static char *human(struct bench *b, const char *line)
{
	_cleanup_json_ struct json_object *out = NULL;

	qmp_execute(b->vm.mon, "human-monitor-command", json_new_str("command-line", line), &out, NULL);
	return xstrdup(out ? json_object_get_string(out) : "");
}

static void test_qcow2(void)
{
	_cleanup_free_ char *save = NULL, *load = NULL;
	struct bench b;

	qcow2_open(&b);
	save = human(&b, "savevm before");
	ok(add(&b, CHAIN, GEN_A) && trusted(&b), "a qcow2 image has one, too%s", save);
	load = human(&b, "loadvm before");
	ok(strstr(load, "bitmap"), "with it QEMU loads no internal snapshot of a running guest: %s", load);
	restart(&b, "quit");
	rejected(&b, GEN_A, "scsi0", "restarted since", "it is gone when QEMU was started anew");
	command(&b, "block-dirty-bitmap-add",
		"{\"node\":\"f1\",\"name\":\"vzbase-" CHAIN "-" GEN_A "-scsi0\",\"persistent\":true}");
	restart(&b, "quit");
	rejected(&b, GEN_A, "scsi0", "persistent", "one that somebody has put into the image");
	restart(&b, NULL);
	rejected(&b, GEN_A, "scsi0", "inconsistent", "the same after QEMU was killed");
	bench_clear(&b);
}

/* ---- removing ---- */

static const char *const chains[] = {
	"00000000-0000-4000-8000-000000000000", "00000001-0000-4000-8000-000000000000",
	"00000002-0000-4000-8000-000000000000", "00000003-0000-4000-8000-000000000000",
	"00000004-0000-4000-8000-000000000000", "00000005-0000-4000-8000-000000000000",
};

static bool has_chain(struct bench *b, const char *chain)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };

	base_bitmaps_load(b->q, &l, NULL);
	for (size_t i = 0; i < l.n; i++)
		if (!strcmp(l.list[i].chain, chain))
			return true;
	return false;
}

static void test_old(void)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	struct error *err = NULL;
	struct bench b;

	bench_open(&b, plain);
	add(&b, CHAIN, GEN_A);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		add(&b, chains[i], GEN_A);
	base_bitmaps_load(b.q, &l, NULL);
	ok(l.n == 14 && !strcmp(l.list[0].chain, chains[5]) && !strcmp(l.list[13].chain, CHAIN),
	   "QEMU names the newest first");
	ok(step(base_bitmaps_remove_old(b.q, &l, CHAIN, &err), &err, "remove old") && count_all(&b) == 5,
	   "four of other chains stay on a node");
	ok(!has_chain(&b, chains[0]) && !has_chain(&b, chains[1]) && has_chain(&b, chains[2]),
	   "the oldest go");
	ok(trusted(&b), "that of this chain stays");
	bench_clear(&b);
}

static size_t remove_some(struct bench *b, const struct base_bitmap_choice *c)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	struct error *err = NULL;
	size_t n = 0;

	base_bitmaps_load(b->q, &l, &err);
	die_on(err, "load");
	return step(base_bitmaps_remove(b->q, &l, c, &n, &err), &err, "remove") ? n : 99;
}

static void test_remove(void)
{
	const struct base_bitmap_choice but = { .chain = CHAIN, .but = GEN_A, .but_too = GEN_B };
	const struct base_bitmap_choice gen = { .chain = CHAIN, .gen = GEN_B };
	const struct base_bitmap_choice chain = { .chain = OTHER }, all = { 0 };
	struct bench b;

	bench_open(&b, plain);
	add(&b, OTHER, GEN_A);
	add(&b, OTHER, GEN_C);
	add(&b, CHAIN, GEN_A);
	add(&b, CHAIN, GEN_B);
	add(&b, CHAIN, GEN_C);
	command(&b, "block-dirty-bitmap-add", "{\"node\":\"f1\",\"name\":\"vzbase-what\"}");
	command(&b, "block-dirty-bitmap-add", "{\"node\":\"f1\",\"name\":\"pbs-incremental-dirty-bitmap\"}");
	ok(count_all(&b) == 6, "all of ours are seen, and no other");
	ok(remove_some(&b, &but) == 1 && count_all(&b) == 5, "generations of a chain but two go");
	ok(remove_some(&b, &gen) == 1 && trusted(&b), "one generation goes");
	ok(remove_some(&b, &chain) == 2 && trusted(&b), "a chain goes");
	ok(remove_some(&b, &all) == 2 && none_left(&b), "all go, whatever is behind our prefix");
	ok(command(&b, "block-dirty-bitmap-remove",
		   "{\"node\":\"f1\",\"name\":\"pbs-incremental-dirty-bitmap\"}"),
	   "that of another program stays");
	bench_clear(&b);
}

/* ---- failures ---- */

static void test_failures(void)
{
	_cleanup_free_ char *name = base_bitmap_name(CHAIN, GEN_A, "scsi0");
	struct error *err = NULL;
	struct bench b;
	bool left = true;

	bench_open(&b, plain);
	b.disk.size += MIB;
	ok(base_bitmap_add(b.q, &b.disk, &b.names, name, &err) == ERR_PEER,
	   "a disk whose size has changed gets none: %s", error_message(err));
	error_free(TAKE_PTR(err));
	ok(none_left(&b) && graph_has_leftovers(b.q, &left, NULL) == 0 && !left, "and nothing is left");
	b.disk.size -= MIB;
	ok(add(&b, CHAIN, GEN_A), "else it gets one");
	ok(base_bitmap_add(b.q, &b.disk, &b.names, name, &err) == ERR_PEER && trusted(&b),
	   "not twice, and the first stays: %s", error_message(err));
	error_free(TAKE_PTR(err));
	bench_clear(&b);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(styles); i++)
		if (!getenv("STYLE") || strstr(styles[i].name, getenv("STYLE")))
			test_style(&styles[i]);
	if (getenv("STYLE"))
		return done_testing();
	test_snapshot_in_use(plain);
	test_snapshot_in_use(&styles[4]);
	test_identity();
	test_strange();
	test_sizes();
	test_snapshot();
	test_plug();
	test_qcow2();
	test_old();
	test_remove();
	test_failures();
	return done_testing();
}
