/* The steps of nodes.h on every style of guest disk, against a real QEMU. */
#include "test-qemu.h"

#include "base/units.h"

#define DISK_SIZE (8 * MIB + 512)

struct style {
	const char *name;
	const char *key;
	bool throttle;
	bool iothread;
	size_t size;
	const char *args[16];
};

#define FILE_NODE(name) "driver=file,filename=@/disk.raw,node-name=" name

/* clang-format off */
static const struct style styles[] = {
	{ "-blockdev + virtio-blk", "virtio0",
	  false, false, DISK_SIZE,
	  { "-blockdev", "driver=raw,node-name=f1,discard=unmap,file.driver=file,"
	    "file.filename=@/disk.raw,file.discard=unmap",
	    "-device", "virtio-blk-pci,id=virtio0,drive=f1", NULL } },
	{ "virtio-blk with an iothread", "virtio0",
	  false, true, DISK_SIZE,
	  { "-object", "iothread,id=io0", "-blockdev",
	    "driver=raw,node-name=f1,file.driver=file,file.filename=@/disk.raw",
	    "-device", "virtio-blk-pci,id=virtio0,drive=f1,iothread=io0", NULL } },
	{ "virtio-scsi", "scsi0", false, false, DISK_SIZE,
	  { "-blockdev", "driver=raw,node-name=f1,file.driver=file,file.filename=@/disk.raw",
	    "-device", "virtio-scsi-pci,id=virtioscsi0",
	    "-device", "scsi-hd,id=scsi0,drive=f1,bus=virtioscsi0.0", NULL } },
	{ "virtio-scsi with an iothread", "scsi0", false, true, DISK_SIZE,
	  { "-object", "iothread,id=io0",
	    "-blockdev", "driver=raw,node-name=f1,file.driver=file,file.filename=@/disk.raw",
	    "-device", "virtio-scsi-pci,id=virtioscsi0,iothread=io0",
	    "-device", "scsi-hd,id=scsi0,drive=f1,bus=virtioscsi0.0", NULL } },
	{ "a throttle filter on top", "scsi0", true, false, DISK_SIZE,
	  { "-object", "throttle-group,id=throttle-drive-scsi0,x-bps-write=1000000000",
	    "-blockdev", "{\"driver\":\"throttle\",\"node-name\":\"drive-scsi0\","
	    "\"throttle-group\":\"throttle-drive-scsi0\",\"discard\":\"unmap\","
	    "\"detect-zeroes\":\"unmap\",\"cache\":{\"direct\":false,\"no-flush\":true},"
	    "\"file\":{\"driver\":\"raw\",\"node-name\":\"f1\",\"discard\":\"unmap\","
	    "\"detect-zeroes\":\"unmap\",\"file\":{\"driver\":\"file\",\"node-name\":\"e1\","
	    "\"discard\":\"unmap\",\"filename\":\"@/disk.raw\"}}}",
	    "-device", "virtio-scsi-pci,id=virtioscsi0",
	    "-device", "scsi-hd,id=scsi0,drive=drive-scsi0,bus=virtioscsi0.0", NULL } },
	{ "throttle, virtio-blk, iothread", "virtio1",
	  true, true, DISK_SIZE,
	  { "-object", "iothread,id=io0", "-object", "throttle-group,id=tg",
	    "-blockdev", "driver=raw,node-name=f1,file.driver=file,file.filename=@/disk.raw",
	    "-blockdev", "driver=throttle,node-name=drive-virtio1,throttle-group=tg,file=f1",
	    "-device", "virtio-blk-pci,id=virtio1,drive=drive-virtio1,iothread=io0", NULL } },
	{ "-drive if=none + ide-hd", "ide0", false, false, DISK_SIZE,
	  { "-drive", "if=none,id=drive-ide0,file=@/disk.raw,format=raw,discard=unmap",
	    "-device", "ide-hd,id=ide0,drive=drive-ide0", NULL } },
	{ "-drive if=none + scsi-hd", "scsi3", false, false, DISK_SIZE,
	  { "-drive", "if=none,id=drive-scsi3,file=@/disk.raw,format=raw",
	    "-device", "virtio-scsi-pci,id=virtioscsi3",
	    "-device", "scsi-hd,id=scsi3,drive=drive-scsi3,bus=virtioscsi3.0", NULL } },
	{ "-drive if=virtio, found by its file", "virtio2", false, false, DISK_SIZE,
	  { "-drive", "if=virtio,file=@/disk.raw,format=raw", NULL } },
	{ "pflash", "efidisk0", false, false, 256 * KIB,
	  { "-drive", "if=pflash,unit=0,id=drive-efi,format=raw,readonly=on,"
	    "file=/usr/share/seabios/bios-256k.bin",
	    "-drive", "if=pflash,unit=1,id=drive-efidisk0,format=raw,file=@/disk.raw", NULL } },
};
/* clang-format on */

/* Everything a test of one disk needs. */
struct bench {
	const struct style *style;
	struct vm vm;
	struct qmp *q;
	struct qemu_features features;
	struct graph_disk disk;
	struct graph_names names;
	char *image;
	char *socket;
	char *disk_path;
	char *before;
};

static void bench_init(struct bench *b, const struct style *style, bool running)
{
	struct error *err = NULL;

	*b = (struct bench){ .style = style };
	vm_init(&b->vm, running);
	vm_add(&b->vm, style->args);
	make_disk(&b->vm, "disk.raw", style->size);
	b->disk_path = vm_file(&b->vm, "disk.raw");
	b->image = vm_file(&b->vm, "fleece.raw");
	b->socket = vm_file(&b->vm, "nbd");
	vm_start(&b->vm);
	qmp_open(b->vm.qmp_path, 5000, NULL, &b->q, &err);
	die_on(err, "qmp_open");
	qemu_probe(b->q, &b->features, &err);
	die_on(err, "qemu_probe");
	graph_names_init(&b->names, style->key, &err);
	die_on(err, "graph_names_init");
	b->before = graph_text(b->vm.mon);
}

static void bench_clear(struct bench *b)
{
	qmp_close(b->q);
	graph_disk_clear(&b->disk);
	vm_clear(&b->vm);
	free(b->image);
	free(b->socket);
	free(b->disk_path);
	free(b->before);
}

static bool step(int r, struct error **err, const char *what)
{
	if (r < 0)
		diag("%s: %s", what, error_message(*err));
	error_free(TAKE_PTR(*err));
	return r == 0;
}

static void find(struct bench *b)
{
	struct error *err = NULL;

	ok(step(graph_find_disk(b->q, b->style->key, b->disk_path, &b->disk, &err), &err, "find"),
	   "the disk is found");
	ok(b->disk.size == b->style->size && str_equal_null(b->disk.filename, b->disk_path),
	   "with size and file");
	ok((b->disk.throttle != NULL) == b->style->throttle, "throttle filter seen as it is");
	ok((b->disk.iothread != NULL) == b->style->iothread, "iothread seen as it is");
	ok((graph_check_insert(&b->features, &b->disk, NULL) == 0) ==
		   !graph_iothread_crashes(&b->features, &b->disk),
	   "insertion is refused where QEMU may crash");
}

static bool add_image(struct bench *b, struct error **err)
{
	_cleanup_json_ struct json_object *protocol = json_new_str("driver", "file");
	struct graph_image image = { protocol, "raw", b->disk.size, false };

	make_sparse(b->image, 16 * MIB);
	json_put_str(protocol, "filename", b->image);
	return step(graph_add_image(b->q, &b->names, &image, err), err, "image");
}

static bool add_filter(struct bench *b, struct error **err)
{
	return step(graph_add_filter(b->q, &b->features, &b->disk, &b->names, 45, err), err, "filter") &&
	       step(graph_add_bitmap(b->q, &b->names, err), err, "bitmap");
}

static bool insert(struct bench *b, struct error **err)
{
	struct graph_insertion item = { &b->disk, &b->names };
	struct graph_instant instant;
	bool good = step(graph_insert(b->q, &item, 1, &instant, err), err, "insert");

	if (instant.paused)
		diag("paused for %.1f ms", (double)instant.paused_ns / 1e6);
	return good;
}

static bool guard(struct bench *b, struct error **err)
{
	_cleanup_free_ char *image = vm_file(&b->vm, "guard"), *sink = vm_file(&b->vm, "guard-sink");

	return step(graph_guard_image(image, err), err, "guard's image") &&
	       step(graph_guard_sink(sink, b->disk.size, err), err, "guard's sink") &&
	       step(graph_add_guard(b->q, &b->disk, &b->names, image, sink, err), err, "guard");
}

static bool publish(struct bench *b, struct error **err)
{
	return guard(b, err) && step(graph_add_snapshot(b->q, &b->names, err), err, "snapshot") &&
	       step(graph_server_start(b->q, b->socket, err), err, "server") &&
	       step(graph_add_export(b->q, &b->names, NULL, NULL, err), err, "export");
}

static bool set_up(struct bench *b)
{
	struct error *err = NULL;

	return add_image(b, &err) && add_filter(b, &err) && insert(b, &err) && publish(b, &err);
}

/* ---- the snapshot ---- */

static struct nbd_handle *connect_nbd(struct bench *b)
{
	struct nbd_handle *nbd = nbd_create();
	_cleanup_free_ char *context = xasprintf("qemu:dirty-bitmap:%s", b->names.bitmap);

	if (!nbd || nbd_set_export_name(nbd, b->names.export) || nbd_add_meta_context(nbd, context) ||
	    nbd_connect_unix(nbd, b->socket)) {
		diag("nbd: %s", nbd_get_error());
		nbd_close(nbd);
		return NULL;
	}
	return nbd;
}

static bool reads_old(struct nbd_handle *nbd, size_t size)
{
	_cleanup_free_ unsigned char *data = xmalloc(size);

	if (nbd_pread(nbd, data, size, 0, 0)) {
		diag("nbd: %s", nbd_get_error());
		return false;
	}
	for (size_t i = 0; i < size; i++) {
		if (data[i] != disk_byte(i)) {
			diag("differs at %zu", i);
			return false;
		}
	}
	return true;
}

static int count_dirty(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n,
		       int *error)
{
	uint64_t *dirty = opaque;

	(void)context;
	(void)offset;
	(void)error;
	for (size_t i = 0; i + 1 < n; i += 2)
		if (entries[i + 1] & 1)
			*dirty += entries[i];
	return 0;
}

static uint64_t dirty_bytes(struct nbd_handle *nbd, size_t size)
{
	uint64_t dirty = 0;

	if (nbd_block_status(nbd, size, 0,
			     (nbd_extent_callback){ .callback = count_dirty, .user_data = &dirty }, 0))
		diag("nbd: %s", nbd_get_error());
	return dirty;
}

static void check_snapshot(struct bench *b)
{
	size_t size = b->style->size;
	struct nbd_handle *nbd = connect_nbd(b);
	struct error *err = NULL;
	uint64_t before;

	ok(nbd != NULL, "the snapshot can be reached over NBD");
	if (!nbd)
		return;
	ok(guest_io(&b->vm, b->disk.qom_path, "write -P 0xee 0 128k"), "the guest writes");
	ok(dirty_bytes(nbd, size) == 128 * KIB, "the bitmap tells what it wrote");
	ok(reads_old(nbd, size), "the snapshot is the disk as it was");
	before = allocated(b->image);
	ok(before >= 128 * KIB, "old data went to the image (%llu)", (unsigned long long)before);
	ok(nbd_trim(nbd, size & ~(uint64_t)65535, 0, 0) == 0, "TRIM is taken");
	ok(allocated(b->image) == 0, "the image shrinks to nothing (%llu)",
	   (unsigned long long)allocated(b->image));
	ok(guest_io(&b->vm, b->disk.qom_path, "write -P 0xdd 0 256k") && allocated(b->image) == 0,
	   "writes to what was trimmed copy nothing");
	/* The server lets go first, see qemu/server.h. */
	ok(step(graph_del_export(b->q, &b->names, &err), &err, "del export") && vm_alive(&b->vm),
	   "the export goes before its clients");
	nbd_close(nbd);
}

static bool disk_has(struct bench *b, unsigned char byte, size_t len)
{
	_cleanup_close_ int fd = open(b->disk_path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ unsigned char *data = xmalloc(len);

	if (fd < 0 || io_pread_full(fd, data, len, 0) != (ssize_t)len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (data[i] != byte)
			return false;
	return true;
}

static void check_restored(struct bench *b)
{
	_cleanup_free_ char *after = graph_text(b->vm.mon);
	bool same = !strcmp(b->before, after);

	ok(same, "the graph is what it was");
	if (!same)
		diag("before:\n%s\nafter:\n%s", b->before, after);
}

/* ---- tests ---- */

static bool undo_in_order(struct bench *b, struct error **err)
{
	return step(graph_del_export(b->q, &b->names, err), err, "del export") &&
	       step(graph_server_stop(b->q, err), err, "server stop") &&
	       step(graph_del_guard(b->q, &b->names, err), err, "del guard") &&
	       step(graph_del_snapshot(b->q, &b->names, err), err, "del snapshot") &&
	       step(graph_remove(b->q, &b->names, err), err, "remove") &&
	       step(graph_cleanup(b->q, 0, NULL, err), err, "filter, bitmap, target");
}

static void test_style(const struct style *style, bool running)
{
	struct error *err = NULL;
	struct bench b;

	diag("%s, vCPUs %s", style->name, running ? "running" : "stopped");
	bench_init(&b, style, running);
	find(&b);
	ok(set_up(&b), "all steps work");
	check_snapshot(&b);
	ok(undo_in_order(&b, &err), "step by step undo works");
	check_restored(&b);
	ok(undo_in_order(&b, &err), "and once more, with nothing there");
	ok(guest_io(&b.vm, b.disk.qom_path, "write -P 0x77 0 64k") &&
		   guest_io(&b.vm, b.disk.qom_path, "flush") && disk_has(&b, 0x77, 65536),
	   "the guest's writes arrive on its disk");
	ok(vm_alive(&b.vm), "QEMU lives");
	bench_clear(&b);
}

/*
 * A client that is killed with answers on the way, more than a socket buffers.  Disks whose QEMU does not
 * survive one are refused, so they never have any.
 */
static void abandon_client(struct bench *b)
{
	static char buf[8][512 * 1024];
	struct nbd_handle *nbd;

	if (graph_iothread_crashes(&b->features, &b->disk))
		return;
	nbd = connect_nbd(b);
	for (unsigned i = 0; i < ARRAY_SIZE(buf); i++)
		nbd_aio_pread(nbd, buf[i], sizeof(buf[i]), i * sizeof(buf[i]), NBD_NULL_COMPLETION, 0);
	usleep(100000);
	nbd_close(nbd);
}

/* After a crash at any step, what QEMU says is enough to clean up. */
static void test_crash(const struct style *style, int steps)
{
	struct error *err = NULL;
	struct bench b;
	bool left;

	diag("%s, crash after step %d", style->name, steps);
	bench_init(&b, style, true);
	graph_find_disk(b.q, style->key, b.disk_path, &b.disk, &err);
	die_on(err, "find");
	if (steps >= 1)
		add_image(&b, &err);
	if (steps >= 2)
		add_filter(&b, &err);
	if (steps >= 3)
		insert(&b, &err);
	if (steps >= 4)
		publish(&b, &err);
	if (steps >= 4)
		abandon_client(&b);
	if (steps >= 3)
		guest_io(&b.vm, b.disk.qom_path, "write -P 0xee 0 128k");
	qmp_close(b.q);
	qmp_open(b.vm.qmp_path, 5000, NULL, &b.q, &err);
	die_on(err, "qmp_open");
	ok(step(graph_has_leftovers(b.q, &left, &err), &err, "leftovers") && left == (steps > 0),
	   "leftovers are seen");
	if (steps >= 3) {
		struct graph_disk d = { 0 };

		ok(graph_find_disk(b.q, style->key, NULL, &d, &err) == ERR_INVALID &&
			   strstr(error_message(err), "--cleanup"),
		   "a leftover filter is named");
		error_free(TAKE_PTR(err));
	}
	ok(step(graph_cleanup(b.q, GRAPH_OURS_SERVER | GRAPH_OURS_PAUSED, NULL, &err), &err, "cleanup"),
	   "cleanup works");
	ok(step(graph_has_leftovers(b.q, &left, &err), &err, "leftovers") && !left, "nothing is left");
	check_restored(&b);
	bench_clear(&b);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(styles); i++) {
		if (getenv("STYLE") && !strstr(styles[i].name, getenv("STYLE")))
			continue;
		test_style(&styles[i], false);
		test_style(&styles[i], true);
	}
	for (int steps = 0; !getenv("STYLE") && steps <= 4; steps++) {
		test_crash(&styles[0], steps);
		test_crash(&styles[4], steps);
		test_crash(&styles[6], steps);
		test_crash(&styles[1], steps);
		test_crash(&styles[3], steps);
	}
	return done_testing();
}
