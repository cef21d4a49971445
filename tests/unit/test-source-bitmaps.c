/* Incremental backups of a guest with two disks, in a real QEMU: which base bitmaps come, stay and go. */
#include "test-qemu.h"

#include "base/units.h"
#include "journal/recover.h"
#include "journal/run-dir.h"
#include "qemu/base-bitmap.h"
#include "restore/undo.h"
#include "source/bitmaps.h"
#include "source/source.h"
#include "test-root.h"

#define CHAIN "11111111-2222-4333-8444-555555555555"
#define OTHER "99999999-2222-4333-8444-555555555555"
#define GEN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define GEN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define GEN_C "cccccccccccccccccccccccccccccccc"

#define VMID 123

static const char *const arguments[] = {
	"-object",   "throttle-group,id=tg",
	"-blockdev", "driver=raw,node-name=f0,file.driver=file,file.filename=@/a.raw",
	"-blockdev", "driver=throttle,node-name=drive-scsi0,throttle-group=tg,file=f0",
	"-blockdev", "driver=raw,node-name=f1,file.driver=file,file.filename=@/b.raw",
	"-device",   "virtio-scsi-pci,id=virtioscsi0",
	"-device",   "scsi-hd,id=scsi0,drive=drive-scsi0,bus=virtioscsi0.0",
	"-device",   "virtio-blk-pci,id=virtio1,drive=f1",
	NULL,
};
static const char *const keys[] = { "scsi0", "virtio1" };
static const char *const nodes[] = { "f0", "f1" };

static const struct journal_kind *const kinds[] = {
	&journal_kind_pid,
	&journal_kind_qemu,
	&journal_kind_graph,
	&journal_kind_server,
	&journal_kind_stopped,
	&journal_kind_frozen,
	&journal_kind_image,
	&journal_kind_bitmap,
	&journal_kind_file,
	&journal_kind_dir,
	NULL,
};

static struct buf said = BUF_INIT; /* warnings */

static void keep_line(const struct log *log, enum log_level level, const char *line)
{
	(void)log;
	diag("%s", line);
	if (level == LOG_LEVEL_WARN)
		buf_addf(&said, "%s\n", line);
}

static const struct log keep = { .line = keep_line };

/* ---- a guest, in whose QEMU somebody may do something right before its monitor is opened ---- */

static void (*meddle)(void);

static int open_monitor(const struct guest *g, const struct cancel *cancel, struct qmp **ret,
			struct error **err)
{
	if (meddle)
		meddle();
	return guest_ops_pve.monitor(g, cancel, ret, err);
}

static struct guest_ops guest_ops;
static struct storage_config storages;
static const struct settings_commands commands;
static const struct host host = { .paths = &paths,
				  .storages = &storages,
				  .log = &keep,
				  .guest_ops = &guest_ops,
				  .commands = &commands,
				  .kinds = kinds };
static struct vm vm;
static char *archive;

static void link_as(const char *name, const char *file)
{
	_cleanup_free_ char *from = vm_file(&vm, name), *to = paths_get(&paths, "%s", file);
	_cleanup_free_ char *folder = io_parent(to);

	io_mkdir_p(folder, 0755, NULL);
	unlink(to);
	if (symlink(from, to) < 0)
		printf("Bail out! %s: %m\n", to);
}

static void guest_make(void)
{
	_cleanup_free_ char *config = NULL;

	root_make();
	guest_ops = guest_ops_pve;
	guest_ops.monitor = open_monitor;
	config = xasprintf("dir: local\n\tpath %s/disks\n\tcontent images\n", paths.root);
	put("/etc/pve/storage.cfg", config);
	put("/etc/pve/qemu-server/123.conf",
	    "scsi0: local:123/vm-123-disk-0.raw,size=4M\nvirtio1: local:123/vm-123-disk-1.raw,size=4M\n");
	io_mkdir_p(paths.root, 0755, NULL);
	storage_config_load(&paths, NULL, &storages, NULL);
	vm_init(&vm, true);
	vm_add(&vm, arguments);
	make_disk(&vm, "a.raw", 4 * MIB);
	make_disk(&vm, "b.raw", 4 * MIB);
	link_as("a.raw", "/disks/images/123/vm-123-disk-0.raw");
	link_as("b.raw", "/disks/images/123/vm-123-disk-1.raw");
	vm_start(&vm);
	link_as("qmp", "/run/qemu-server/123.qmp");
	archive = paths_get(&paths, "/archive of 123.vma.zst");
}

static void guest_stop(void)
{
	qmp_close(TAKE_PTR(vm.mon));
	vm_kill(&vm);
	unlink(vm.qmp_path);
	unlink(vm.mon_path);
}

/* ---- its backup ---- */

struct backup {
	struct guest_config conf;
	struct guest_disks disks;
	struct guest_status power;
	struct volume volumes[2];
	struct source *source[2];
	struct fleecing_config fleecing;
	struct source_chain chain;
	struct journal *journal;
	struct sources *sources;
	char *run_dir;
	struct error *err;
};

static void make_sources(struct backup *b)
{
	guest_status(&(struct guest){ &guest_ops, &paths, &commands, VMID }, &b->power, &b->err);
	die_on(b->err, "status");
	guest_config_load(&paths, VMID, NULL, &b->conf, &b->err);
	die_on(b->err, "configuration");
	guest_config_disks(&b->conf, &b->disks, &b->err);
	b->fleecing.enabled = true;
	b->sources = sources_new(&(struct source_params){ .host = &host,
							  .log = &keep,
							  .guest = guest_of(&host, VMID),
							  .conf = &b->conf,
							  .conf_disks = &b->disks,
							  .power = &b->power,
							  .fleecing = &b->fleecing,
							  .journal = b->journal,
							  .chain = b->chain.uuid ? &b->chain : NULL });
	for (size_t i = 0; i < b->disks.n && i < 2; i++) {
		const struct guest_disk *d = &b->disks.disks[i];

		volume_open(&storages, d->volid, d->format, &b->volumes[i], &b->err);
		die_on(b->err, "volume");
		b->source[i] = sources_add(b->sources, d, d->key, &b->volumes[i]);
	}
}

/* Takes the snapshot.  base and superseded may be NULL. */
static bool backup_begin(struct backup *b, const char *gen, const char *base, const char *superseded)
{
	int r;

	buf_clear(&said);
	*b = (struct backup){ .chain = { CHAIN, gen, base, superseded, archive } };
	unlink(archive);
	(void)journal_create(&paths, kinds, VMID, &b->journal, &b->err);
	die_on(b->err, "journal");
	make_sources(b);
	r = run_dir_make(&paths, b->journal, &b->run_dir, &b->err);
	if (r == 0 && b->power.running)
		r = recover_note_process(b->journal, &b->power.process, &b->err);
	if (r == 0 && b->power.running)
		r = sources_clean(b->sources, &b->err);
	if (r == 0 && b->power.running)
		r = sources_find(b->sources, &b->err);
	if (r == 0)
		r = sources_open(b->sources, b->run_dir, &b->err);
	if (r == 0)
		r = sources_begin(b->sources, SOURCES_NO_FREEZE, &b->err);
	if (r < 0)
		diag("%s", error_message(b->err));
	return r == 0;
}

static void backup_end(struct backup *b, bool publish)
{
	recover_guest(&host, b->journal, &keep, NULL);
	if (publish) {
		put("/archive of 123.vma.zst", "x");
		sources_published(b->sources);
		ok(!journal_has(b->journal, JOURNAL_BITMAP), "bitmaps of an archive are not in the journal");
	}
	sources_end(b->sources);
	recover_rest(&host, b->journal, &keep, NULL);
	ok(journal_finish(b->journal), "nothing is left in the journal");
	journal_free(b->journal);
	sources_free(b->sources);
	for (size_t i = 0; i < ARRAY_SIZE(b->volumes); i++)
		volume_clear(&b->volumes[i]);
	guest_disks_clear(&b->disks);
	guest_config_clear(&b->conf);
	error_free(b->err);
	free(b->run_dir);
}

/* ---- what is in QEMU ---- */

static bool has(const char *chain, const char *gen, size_t disk)
{
	_cleanup_free_ char *name = base_bitmap_name(chain, gen, keys[disk]);
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };

	base_bitmaps_load(vm.mon, &l, NULL);
	for (size_t i = 0; i < l.n; i++)
		if (!strcmp(l.list[i].name, name) && !strcmp(l.list[i].node, nodes[disk]))
			return true;
	return false;
}

/* Whether there are those on both disks, and no other. */
static bool has_only(const char *gen)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };

	base_bitmaps_load(vm.mon, &l, NULL);
	return l.n == (gen ? 4 : 0) && (!gen || (has(CHAIN, gen, 0) && has(CHAIN, gen, 1)));
}

static void do_bitmap(const char *what, const char *chain, const char *gen, size_t disk)
{
	_cleanup_free_ char *name = base_bitmap_name(chain, gen, keys[disk]);
	struct json_object *args = json_put_str(json_new_str("node", nodes[disk]), "name", name);
	struct error *err = NULL;

	qmp_execute(vm.mon, what, args, NULL, &err);
	die_on(err, what);
}

static bool is_exported(struct backup *b, size_t disk, const char *gen)
{
	_cleanup_free_ char *name = base_bitmap_name(CHAIN, gen, keys[disk]);
	struct source_endpoint e;

	sources_endpoint(b->sources, b->source[disk], &e);
	return str_equal_null(e.base_bitmap, name) && !e.no_base_bitmap;
}

static const char *why_not(struct backup *b, size_t disk)
{
	struct source_endpoint e;

	sources_endpoint(b->sources, b->source[disk], &e);
	return e.base_bitmap ? NULL : e.no_base_bitmap;
}

static int note_dirty(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n,
		      int *error)
{
	struct buf *text = opaque;

	(void)error;
	for (size_t i = 0; i + 1 < n && strstr(context, BASE_BITMAP_PREFIX); i += 2) {
		if (entries[i + 1] & 1)
			buf_addf(text, "%llu+%u ", (unsigned long long)offset / 65536, entries[i] / 65536);
		offset += entries[i];
	}
	return 0;
}

/* The clusters that the endpoint's base bitmap has, "3+1 63+1 ".  Caller frees. */
static char *read_base(struct backup *b, size_t disk)
{
	struct nbd_handle *nbd = nbd_create();
	_cleanup_free_ char *context = NULL;
	struct buf text = BUF_INIT;
	struct source_endpoint e;

	sources_endpoint(b->sources, b->source[disk], &e);
	context = xasprintf("qemu:dirty-bitmap:%s", e.base_bitmap);
	if (nbd_set_export_name(nbd, e.export) || nbd_add_meta_context(nbd, context) ||
	    nbd_connect_unix(nbd, e.socket) ||
	    nbd_block_status(nbd, 4 * MIB, 0,
			     (nbd_extent_callback){ .callback = note_dirty, .user_data = &text }, 0))
		buf_addf(&text, "%s", nbd_get_error());
	nbd_close(nbd);
	return buf_steal(&text);
}

/* ---- tests ---- */

static void test_first(void)
{
	struct backup b;

	ok(backup_begin(&b, GEN_A, NULL, NULL), "the first generation of a chain begins");
	ok(!why_not(&b, 0) && !is_exported(&b, 0, GEN_A), "no base bitmap is looked for");
	ok(has_only(GEN_A) && journal_has(b.journal, JOURNAL_BITMAP),
	   "both disks get one, which the journal has");
	recover_guest(&host, b.journal, &keep, NULL);
	ok(has_only(GEN_A), "they are there when the graph has gone");
	backup_end(&b, false);
	ok(has_only(NULL), "without an archive they go");
	backup_begin(&b, GEN_A, NULL, NULL);
	backup_end(&b, true);
	ok(has_only(GEN_A), "with one they stay");
	ok(!said.len, "nobody is warned of anything");
}

static void test_next(void)
{
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct backup b;

	guest_io(&vm, "/machine/peripheral/scsi0", "write -P 1 64k 64k");
	ok(backup_begin(&b, GEN_B, GEN_A, NULL) && is_exported(&b, 0, GEN_A) && is_exported(&b, 1, GEN_A),
	   "the bitmaps of the base are exported");
	guest_io(&vm, "/machine/peripheral/virtio1/virtio-backend", "write -P 1 128k 64k");
	first = read_base(&b, 0);
	second = read_base(&b, 1);
	ok(!strcmp(first, "1+1 63+1 ") && !strcmp(second, "2+1 63+1 "), "they are read: %s and %s", first,
	   second);
	backup_end(&b, false);
	ok(has_only(GEN_A), "without an archive the base's stay, and the new ones go");
	backup_begin(&b, GEN_C, GEN_A, NULL);
	free(first);
	first = read_base(&b, 0);
	ok(!strcmp(first, "1+1 63+1 "), "the next backup has all that has changed: %s", first);
	backup_end(&b, true);
	ok(has_only(GEN_C), "with an archive the new ones stay, and the base's go");
	backup_begin(&b, GEN_A, GEN_C, NULL);
	free(first);
	first = read_base(&b, 0);
	ok(!strcmp(first, "63+1 "), "the one after it does not have it any more: %s", first);
	backup_end(&b, true);
	ok(!said.len, "nobody is warned of anything");
}

/* From here on the base is GEN_A. */
static void test_others(void)
{
	struct backup b;

	do_bitmap("block-dirty-bitmap-add", CHAIN, GEN_C, 0);
	do_bitmap("block-dirty-bitmap-add", OTHER, GEN_C, 1);
	ok(backup_begin(&b, GEN_B, GEN_A, NULL) && !has(CHAIN, GEN_C, 0) && has(CHAIN, GEN_A, 0),
	   "what an earlier backup has left is removed at the beginning");
	ok(has(OTHER, GEN_C, 1), "that of another chain is not");
	backup_end(&b, true);
	ok(has(OTHER, GEN_C, 1), "nor at the end");
	backup_begin(&b, GEN_A, GEN_B, OTHER);
	backup_end(&b, true);
	ok(has_only(GEN_A), "unless the archive takes the place of that chain");
}

static void test_missing(void)
{
	struct backup b;

	do_bitmap("block-dirty-bitmap-remove", CHAIN, GEN_A, 1);
	ok(backup_begin(&b, GEN_B, GEN_A, NULL) && is_exported(&b, 0, GEN_A) && why_not(&b, 1),
	   "one disk has no bitmap any more: %s", why_not(&b, 1));
	backup_end(&b, true);
	ok(has_only(GEN_B), "then it has one again");
}

/* A bitmap is never a reason to fail. */
static void test_refused(void)
{
	struct backup b;

	do_bitmap("block-dirty-bitmap-add", CHAIN, GEN_A, 1);
	ok(backup_begin(&b, GEN_A, GEN_B, NULL) && is_exported(&b, 1, GEN_B) &&
		   strstr(buf_str(&said), "virtio1: QEMU takes no dirty bitmap"),
	   "QEMU refuses a bitmap: there is a warning, and the backup goes on");
	backup_end(&b, true);
	ok(has(CHAIN, GEN_A, 0), "the other disk has its");
	free(archive);
	archive = xstrdup("/no\nline");
	ok(backup_begin(&b, GEN_C, GEN_A, NULL) && strstr(buf_str(&said), "no dirty bitmaps are made") &&
		   is_exported(&b, 0, GEN_A),
	   "without an entry in the journal none are made, and the base's are used all the same");
	backup_end(&b, false);
	ok(!has(CHAIN, GEN_C, 0) && has(CHAIN, GEN_A, 0), "the base's stay");
	free(archive);
	archive = paths_get(&paths, "/archive of 123.vma.zst");
	/* the one of GEN_A that this test has made itself */
	backup_begin(&b, GEN_B, GEN_A, NULL);
	ok(why_not(&b, 1), "a bitmap that was not made by a backup is not used: %s", why_not(&b, 1));
	backup_end(&b, true);
	backup_begin(&b, GEN_A, GEN_B, NULL);
	backup_end(&b, true);
}

/* When the filters are in, it is too late to look for bitmaps once more. */
static void take_base_away(void)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };

	blockgraph_load(vm.mon, &g, NULL);
	if (!blockgraph_node(&g, "vzdump-scsi0-cbw") || !blockgraph_device_of(&g, "vzdump-virtio1-cbw"))
		return;
	meddle = NULL;
	do_bitmap("block-dirty-bitmap-remove", CHAIN, GEN_A, 1);
}

static void test_taken_away(void)
{
	struct backup b;

	meddle = take_base_away;
	ok(backup_begin(&b, GEN_B, GEN_A, NULL) && !meddle && is_exported(&b, 0, GEN_A) && why_not(&b, 1) &&
		   strstr(buf_str(&said), "virtio1: the dirty bitmap of the backup before cannot be read"),
	   "a bitmap that is gone when it is to be exported is a warning, too");
	backup_end(&b, true);
	ok(has_only(GEN_B), "the new ones stay");
	backup_begin(&b, GEN_A, GEN_B, NULL);
	backup_end(&b, true);
}

static void test_not_incremental(void)
{
	struct backup b;
	bool good;

	backup_begin(&b, GEN_B, GEN_A, NULL);
	backup_end(&b, true);
	b = (struct backup){ 0 };
	journal_create(&paths, kinds, VMID, &b.journal, NULL);
	make_sources(&b);
	run_dir_make(&paths, b.journal, &b.run_dir, NULL);
	good = sources_clean(b.sources, NULL) == 0 && sources_find(b.sources, NULL) == 0 &&
	       sources_open(b.sources, b.run_dir, NULL) == 0 &&
	       sources_begin(b.sources, SOURCES_NO_FREEZE, NULL) == 0;
	ok(good && !why_not(&b, 0) && !is_exported(&b, 0, GEN_B) && !journal_has(b.journal, JOURNAL_BITMAP),
	   "a backup that is not incremental looks for none and makes none");
	backup_end(&b, true);
	ok(has_only(GEN_B), "and leaves them alone");
}

static void test_off(void)
{
	struct backup b;

	vm_start(&vm);
	ok(backup_begin(&b, GEN_C, GEN_B, NULL) &&
		   str_equal_null(why_not(&b, 0), "the guest was restarted since "
						  "(no dirty bitmap)"),
	   "a guest that was started anew has none");
	backup_end(&b, true);
	guest_stop();
	ok(backup_begin(&b, GEN_A, GEN_C, NULL) && str_equal_null(why_not(&b, 0), "the guest is off"),
	   "nor has one that is off");
	backup_end(&b, true);
	ok(!said.len, "nobody is warned of anything");
}

static void test_ended(void)
{
	struct backup b;

	vm_start(&vm);
	backup_begin(&b, GEN_A, GEN_C, NULL);
	recover_guest(&host, b.journal, &keep, NULL);
	guest_stop();
	backup_end(&b, true);
	ok(strstr(buf_str(&said), "of the backup before"),
	   "a QEMU that has ended before the archive is complete is a "
	   "warning");
}

int main(void)
{
	guest_make();
	test_first();
	test_next();
	test_others();
	test_missing();
	test_refused();
	test_taken_away();
	test_not_incremental();
	guest_stop();
	test_off();
	test_ended();
	vm_clear(&vm);
	storage_config_clear(&storages);
	buf_clear(&said);
	free(archive);
	root_remove();
	return done_testing();
}
