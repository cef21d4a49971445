/* The steps of nodes.h on every style of guest disk, against a real QEMU. */
#include "test-qemu-bench.h"

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
	ok(step(del_export(b->q, &b->names, &err), &err, "del export") && vm_alive(&b->vm),
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

/* ---- tests ---- */

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
	find_disk(b.q, style->key, b.disk_path, &b.disk, &err);
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

		ok(find_disk(b.q, style->key, NULL, &d, &err) == ERR_INVALID &&
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

static const struct style of_libvirt = {
	"as libvirt makes it",
	"scsi0",
	false,
	false,
	DISK_SIZE,
	{ "-blockdev", "driver=file,filename=@/disk.raw,node-name=libvirt-1-storage", "-blockdev",
	  "driver=raw,file=libvirt-1-storage,node-name=libvirt-1-format", "-device",
	  "virtio-scsi-pci,id=scsi", "-device", "scsi-hd,id=scsi0,drive=libvirt-1-format,bus=scsi.0", NULL },
};

static bool has_node(struct bench *b, const char *name)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	struct error *err = NULL;

	blockgraph_load(b->q, &g, &err);
	die_on(err, "graph");
	return blockgraph_node(&g, name);
}

/* What libvirt does when a disk is detached: the device goes, and QEMU refuses to delete the nodes. */
static void detach(struct bench *b)
{
	struct error *err = NULL;

	qmp_execute(b->q, "device_del", json_new_str("id", "scsi0"), NULL, &err);
	die_on(err, "device_del");
	ok(qmp_execute(b->q, "blockdev-del", json_new_str("node-name", "libvirt-1-format"), NULL, &err) ==
		   ERR_PEER,
	   "QEMU refuses: %s", error_message(err));
	error_free(err);
}

static void test_detached(void)
{
	struct error *err = NULL;
	struct bench b;

	diag("a disk that libvirt detaches");
	bench_init(&b, &of_libvirt, true);
	find_disk(b.q, "scsi0", b.disk_path, &b.disk, &err);
	die_on(err, "find");
	add_image(&b, &err);
	add_filter(&b, &err);
	insert(&b, &err);
	publish(&b, &err);
	detach(&b);
	ok(has_node(&b, "libvirt-1-format") && has_node(&b, "libvirt-1-storage"), "its nodes stay");
	ok(step(graph_cleanup(b.q, GRAPH_OURS_SERVER, NULL, &err), &err, "cleanup"), "cleanup works");
	ok(!has_node(&b, "libvirt-1-format") && !has_node(&b, "libvirt-1-storage"), "and takes them along");
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
		test_crash(&of_libvirt, steps);
	}
	test_detached();
	return done_testing();
}
