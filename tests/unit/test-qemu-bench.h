/* A QEMU with one disk, in every style of guest disk, and the steps of nodes.h on it. */
#ifndef VZDUMP_TESTS_QEMU_BENCH_H
#define VZDUMP_TESTS_QEMU_BENCH_H

#include "base/units.h"
#include "test-qemu.h"

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
__attribute__((unused)) static const struct style styles[] = {
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
	const char *base; /* base bitmap that is exported too; NULL: none */
};

HELPER void bench_init(struct bench *b, const struct style *style, bool running)
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

HELPER void bench_clear(struct bench *b)
{
	qmp_close(b->q);
	graph_disk_clear(&b->disk);
	vm_clear(&b->vm);
	free(b->image);
	free(b->socket);
	free(b->disk_path);
	free(b->before);
}

HELPER int del_export(struct qmp *q, const struct graph_names *n, struct error **err)
{
	char export[32], *const ids[] = { export, NULL };

	memcpy(export, n->export, sizeof(export));
	return graph_del_exports(q, ids, err);
}

HELPER bool step(int r, struct error **err, const char *what)
{
	if (r < 0)
		diag("%s: %s", what, error_message(*err));
	error_free(TAKE_PTR(*err));
	return r == 0;
}

HELPER void find(struct bench *b)
{
	struct error *err = NULL;

	ok(step(find_disk(b->q, b->style->key, b->disk_path, &b->disk, &err), &err, "find"),
	   "the disk is found");
	ok(b->disk.size == b->style->size && str_equal_null(b->disk.filename, b->disk_path),
	   "with size and file");
	ok((b->disk.throttle != NULL) == b->style->throttle, "throttle filter seen as it is");
	ok((b->disk.iothread != NULL) == b->style->iothread, "iothread seen as it is");
	ok((graph_check_insert(&b->features, &b->disk, NULL) == 0) ==
		   !graph_iothread_crashes(&b->features, &b->disk),
	   "insertion is refused where QEMU may crash");
}

HELPER bool add_image(struct bench *b, struct error **err)
{
	_cleanup_json_ struct json_object *protocol = json_new_str("driver", "file");
	struct graph_image image = { protocol, "raw", b->disk.size, false, NULL };

	make_sparse(b->image, 16 * MIB);
	json_put_str(protocol, "filename", b->image);
	return step(graph_add_image(b->q, &b->names, &image, err), err, "image");
}

HELPER bool add_filter(struct bench *b, struct error **err)
{
	return step(graph_add_filter(b->q, &b->features, &b->disk, &b->names, 45, err), err, "filter") &&
	       step(graph_add_bitmap(b->q, &b->names, err), err, "bitmap");
}

HELPER bool insert(struct bench *b, struct error **err)
{
	struct graph_insertion item = { &b->disk, &b->names };
	struct graph_instant instant;
	bool good = step(graph_insert(b->q, &item, 1, &instant, err), err, "insert");

	if (instant.paused)
		diag("paused for %.1f ms", (double)instant.paused_ns / 1e6);
	return good;
}

HELPER bool guard(struct bench *b, struct error **err)
{
	_cleanup_free_ char *image = vm_file(&b->vm, "guard"), *sink = vm_file(&b->vm, "guard-sink");

	return step(graph_guard_image(image, err), err, "guard's image") &&
	       step(graph_guard_sink(sink, b->disk.size, err), err, "guard's sink") &&
	       step(graph_add_guard(b->q, &b->disk, &b->names, image, sink, err), err, "guard");
}

HELPER bool publish(struct bench *b, struct error **err)
{
	return guard(b, err) && step(graph_add_snapshot(b->q, &b->names, err), err, "snapshot") &&
	       step(graph_server_start(b->q, b->socket, err), err, "server") &&
	       step(graph_add_export(b->q, &b->names, b->disk.node, b->base, err), err, "export");
}

HELPER bool set_up(struct bench *b)
{
	struct error *err = NULL;

	return add_image(b, &err) && add_filter(b, &err) && insert(b, &err) && publish(b, &err);
}

HELPER bool undo_in_order(struct bench *b, struct error **err)
{
	return step(del_export(b->q, &b->names, err), err, "del export") &&
	       step(graph_server_stop(b->q, err), err, "server stop") &&
	       step(graph_cleanup(b->q, 0, NULL, err), err, "guard, snapshot, filter, bitmap, target");
}

HELPER void check_restored(struct bench *b)
{
	_cleanup_free_ char *after = graph_text(b->vm.mon);
	bool same = !strcmp(b->before, after);

	ok(same, "the graph is what it was");
	if (!same)
		diag("before:\n%s\nafter:\n%s", b->before, after);
}

#endif
