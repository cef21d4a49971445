/* Several disks in one instant, a sink that dies, strangers in the QEMU. */
#include "test-qemu.h"

#include "base/units.h"

static const char *const two_disks[] = {
	"-object",   "throttle-group,id=tg",
	"-blockdev", "driver=raw,node-name=f0,file.driver=file,file.filename=@/a.raw",
	"-blockdev", "driver=throttle,node-name=drive-scsi0,throttle-group=tg,file=f0",
	"-blockdev", "driver=raw,node-name=f1,file.driver=file,file.filename=@/b.raw",
	"-device",   "virtio-scsi-pci,id=virtioscsi0",
	"-device",   "scsi-hd,id=scsi0,drive=drive-scsi0,bus=virtioscsi0.0",
	"-device",   "virtio-blk-pci,id=virtio0,drive=f1",
	NULL,
};

static const char *const two_throttled[] = {
	"-object",   "throttle-group,id=tg0",
	"-object",   "throttle-group,id=tg1",
	"-blockdev", "driver=raw,node-name=f0,file.driver=file,file.filename=@/a.raw",
	"-blockdev", "driver=throttle,node-name=drive-scsi0,throttle-group=tg0,file=f0",
	"-blockdev", "driver=raw,node-name=f1,file.driver=file,file.filename=@/b.raw",
	"-blockdev", "driver=throttle,node-name=drive-virtio0,throttle-group=tg1,file=f1",
	"-device",   "virtio-scsi-pci,id=virtioscsi0",
	"-device",   "scsi-hd,id=scsi0,drive=drive-scsi0,bus=virtioscsi0.0",
	"-device",   "virtio-blk-pci,id=virtio0,drive=drive-virtio0",
	NULL,
};

struct lab {
	struct vm vm;
	struct qmp *q;
	struct qemu_features features;
	struct graph_disk disk[2];
	struct graph_names names[2];
	char *before;
	char *sink_path;
	pid_t sink;
};

static bool step(int r, struct error **err, const char *what)
{
	if (r < 0)
		diag("%s: %s", what, error_message(*err));
	error_free(TAKE_PTR(*err));
	return r == 0;
}

static void lab_init_with(struct lab *l, const char *const *args)
{
	static const char *const keys[] = { "scsi0", "virtio0" };
	struct error *err = NULL;

	*l = (struct lab){ 0 };
	vm_init(&l->vm, true);
	vm_add(&l->vm, args);
	make_disk(&l->vm, "a.raw", 4 * MIB);
	make_disk(&l->vm, "b.raw", 4 * MIB);
	l->sink_path = vm_file(&l->vm, "sink");
	vm_start(&l->vm);
	qmp_open(l->vm.qmp_path, 5000, NULL, &l->q, &err);
	die_on(err, "qmp_open");
	qemu_probe(l->q, &l->features, &err);
	die_on(err, "qemu_probe");
	for (int i = 0; i < 2; i++) {
		graph_names_init(&l->names[i], keys[i], &err);
		find_disk(l->q, keys[i], NULL, &l->disk[i], &err);
		die_on(err, "find");
	}
	l->before = graph_text(l->vm.mon);
}

static void lab_init(struct lab *l)
{
	lab_init_with(l, two_disks);
}

static void lab_clear(struct lab *l)
{
	if (l->sink > 0) {
		kill(l->sink, SIGKILL);
		waitpid(l->sink, NULL, 0);
	}
	qmp_close(l->q);
	for (int i = 0; i < 2; i++)
		graph_disk_clear(&l->disk[i]);
	vm_clear(&l->vm);
	free(l->before);
	free(l->sink_path);
}

static void check_restored(struct lab *l, const char *what)
{
	_cleanup_free_ char *after = graph_text(l->vm.mon);

	ok(!strcmp(l->before, after), "%s: the graph is what it was", what);
}

static bool add(struct lab *l, int i, unsigned timeout)
{
	_cleanup_free_ char *image = xasprintf("%s/fleece%d", l->vm.dir, i);
	_cleanup_json_ struct json_object *protocol = json_new_str("driver", "file");
	struct error *err = NULL;
	int r;

	make_sparse(image, 4 * MIB);
	json_put_str(protocol, "filename", image);
	if (l->sink)
		r = graph_add_sink(l->q, &l->names[i], l->sink_path, "", &err);
	else
		r = graph_add_image(l->q, &l->names[i],
				    &(struct graph_image){ protocol, "raw", 4 * MIB, false, NULL }, &err);
	return step(r, &err, "target") &&
	       step(graph_add_filter(l->q, &l->features, &l->disk[i], &l->names[i], timeout, &err), &err,
		    "filter");
}

static bool is_running(struct lab *l)
{
	_cleanup_json_ struct json_object *status = NULL;

	qmp_execute(l->vm.mon, "query-status", NULL, &status, NULL);
	return json_get_bool(status, "running", false);
}

static void test_instant(void)
{
	struct graph_insertion items[2];
	struct graph_instant instant;
	struct error *err = NULL;
	struct lab l;

	lab_init(&l);
	for (int i = 0; i < 2; i++) {
		items[i] = (struct graph_insertion){ &l.disk[i], &l.names[i] };
		ok(add(&l, i, 45), "disk %d is prepared", i);
	}
	ok(step(graph_insert(l.q, items, 2, &instant, &err), &err, "insert"), "both go in at once");
	ok(instant.paused && instant.paused_ns > 0, "with stopped vCPUs, for %.1f ms",
	   (double)instant.paused_ns / 1e6);
	ok(is_running(&l), "which run again");
	ok(step(graph_cleanup(l.q, 0, NULL, &err), &err, "cleanup"), "both come out");
	check_restored(&l, "two disks");

	ok(add(&l, 0, 45), "the first disk is prepared, the second is not");
	ok(graph_insert(l.q, items, 2, &instant, &err) == ERR_PEER, "insertion fails: %s",
	   error_message(err));
	error_free(TAKE_PTR(err));
	ok(is_running(&l), "the vCPUs run");
	ok(step(graph_del_node(l.q, l.names[0].cbw, &err), &err, "filter") &&
		   step(graph_del_node(l.q, l.names[0].target, &err), &err, "target"),
	   "the first filter was taken out again");
	check_restored(&l, "half an insertion");
	lab_clear(&l);
}

/* How many of the disks have their filter as the child of their throttle filter. */
static int filters_in(struct lab *l)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	int n = 0;

	blockgraph_load(l->vm.mon, &g, NULL);
	for (int i = 0; i < 2; i++)
		n += str_equal_null(blockgraph_child(&g, l->disk[i].throttle, "file"), l->names[i].cbw);
	return n;
}

/* QEMU changes all throttle filters or none, and nothing passes them meanwhile. */
static void test_throttled_instant(void)
{
	struct graph_insertion items[2];
	struct graph_instant instant;
	struct error *err = NULL;
	struct lab l;

	lab_init_with(&l, two_throttled);
	for (int i = 0; i < 2; i++)
		items[i] = (struct graph_insertion){ &l.disk[i], &l.names[i] };
	ok(add(&l, 0, 45), "the first disk is prepared, the second is not");
	ok(graph_insert(l.q, items, 2, &instant, &err) == ERR_PEER && !instant.paused, "insertion fails: %s",
	   error_message(err));
	error_free(TAKE_PTR(err));
	ok(step(graph_del_node(l.q, l.names[0].cbw, &err), &err, "filter"),
	   "the first filter was not put in");
	ok(step(graph_del_node(l.q, l.names[0].target, &err), &err, "target"), "its target goes");
	ok(add(&l, 0, 45) && add(&l, 1, 45), "both are prepared");
	ok(step(graph_insert(l.q, items, 2, &instant, &err), &err, "insert") && !instant.paused,
	   "and go in while the vCPUs run");
	ok(filters_in(&l) == 2, "below the throttle filters");
	ok(step(graph_cleanup(l.q, 0, NULL, &err), &err, "cleanup") && is_running(&l), "both come out");
	check_restored(&l, "two throttled disks");
	lab_clear(&l);
}

/* As blockdev-snapshot of an operator does; QEMU lets it through, as the guard is not there. */
static void add_overlay(struct lab *l, const char *node)
{
	_cleanup_free_ char *file = vm_file(&l->vm, "overlay.qcow2");
	struct json_object *args = json_new_str("node-name", node);
	struct error *err = NULL;

	json_put_str(args, "snapshot-file", file);
	json_put_str(args, "snapshot-node-name", "overlay");
	qmp_execute(l->vm.mon, "blockdev-snapshot-sync", args, NULL, &err);
	die_on(err, "overlay");
}

static bool has_drive(struct lab *l, int i, const char *node)
{
	_cleanup_free_ char *now = graph_qom_string(l->vm.mon, l->disk[i].qom_path, "drive");

	return str_equal_null(now, node);
}

/* `qom-set` would take an overlay away from the guest; and QEMU 7.2.22 hangs if nothing changes by it. */
static void test_changed_meanwhile(void)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	struct graph_insertion item;
	struct error *err = NULL;
	struct lab l;

	lab_init(&l);
	item = (struct graph_insertion){ &l.disk[1], &l.names[1] };
	ok(add(&l, 1, 45) && step(graph_insert(l.q, &item, 1, NULL, &err), &err, "insert") &&
		   blockgraph_load(l.q, &g, NULL) == 0,
	   "a filter is seen");
	add_overlay(&l, l.names[1].cbw);
	ok(step(graph_remove(l.q, &g, l.names[1].cbw, &err), &err, "remove") && has_drive(&l, 1, "overlay"),
	   "an overlay that came above it since stays");
	step(graph_place(l.q, &l.disk[1], l.names[1].cbw, &err), &err, "place");
	ok(step(graph_remove(l.q, &g, l.names[1].cbw, &err), &err, "remove") && has_drive(&l, 1, "f1"),
	   "the filter comes out");
	ok(step(graph_remove(l.q, &g, l.names[1].cbw, &err), &err, "remove") && has_drive(&l, 1, "f1"),
	   "and is not looked for where it was");
	lab_clear(&l);
}

static void start_sink(struct lab *l)
{
	_cleanup_free_ char *file = vm_file(&l->vm, "sink.raw");
	_cleanup_strv_ char **args = NULL;

	make_sparse(file, 4 * MIB);
	strv_add(&args, "qemu-nbd");
	strv_add(&args, "-f");
	strv_add(&args, "raw");
	strv_add(&args, "-t");
	strv_add(&args, "-k");
	strv_add(&args, l->sink_path);
	strv_add(&args, file);
	l->sink = start_program(args);
	wait_for_socket(l->sink_path, l->sink);
	usleep(100000);
}

/* `how` is what happens to the sink: SIGKILL or SIGSTOP. */
static void test_sink(int how, unsigned timeout)
{
	struct graph_insertion item;
	struct error *err = NULL;
	struct lab l;
	uint64_t start, ns;

	lab_init(&l);
	start_sink(&l);
	item = (struct graph_insertion){ &l.disk[1], &l.names[1] };
	ok(add(&l, 1, timeout) && step(graph_insert(l.q, &item, 1, NULL, &err), &err, "insert"),
	   "a filter with a sink goes in");
	ok(guest_io(&l.vm, l.disk[1].qom_path, "write -P 1 0 64k"), "the guest writes through it");
	kill(l.sink, how);
	start = units_now_ns();
	ok(guest_io(&l.vm, l.disk[1].qom_path, "write -P 2 1M 64k"),
	   "and goes on writing when the sink is %s", how == SIGKILL ? "killed" : "stuck");
	ns = units_now_ns() - start;
	ok(ns < (timeout + 3) * UINT64_C(1000000000), "after %.2f s with cbw-timeout %u s", (double)ns / 1e9,
	   timeout);
	ok(guest_io(&l.vm, l.disk[1].qom_path, "write -P 3 2M 64k"), "further writes are free");
	if (how == SIGSTOP)
		kill(l.sink, SIGKILL);
	ok(step(graph_cleanup(l.q, 0, NULL, &err), &err, "cleanup"), "cleanup works");
	check_restored(&l, "sink");
	lab_clear(&l);
}

static void test_strangers(void)
{
	struct error *err = NULL;
	struct lab l;
	_cleanup_free_ char *ours = NULL, *theirs = NULL;

	lab_init(&l);
	ours = vm_file(&l.vm, "ours");
	theirs = vm_file(&l.vm, "theirs");
	ok(step(graph_check_strangers(l.q, &err), &err, "strangers"), "nobody else is there");
	step(graph_server_start(l.vm.mon, theirs, &err), &err, "their server");
	ok(graph_server_start(l.q, ours, &err) == ERR_INVALID, "a server is there: %s", error_message(err));
	error_free(TAKE_PTR(err));
	qmp_execute(l.vm.mon, "block-export-add",
		    json_put_str(json_put_str(json_put_str(json_new_str("type", "nbd"), "id", "their"),
					      "node-name", "f1"),
				 "name", "x"),
		    NULL, &err);
	die_on(err, "their export");
	ok(graph_check_strangers(l.q, &err) == ERR_INVALID, "an export is there: %s", error_message(err));
	error_free(TAKE_PTR(err));
	ok(step(graph_cleanup(l.q, GRAPH_OURS_SERVER, NULL, &err), &err, "cleanup") &&
		   graph_check_strangers(l.q, NULL) == ERR_INVALID,
	   "cleanup leaves them alone");
	ok(find_disk(l.q, "scsi7", "/nonexistent", &l.disk[0], &err) == ERR_NOT_FOUND, "no such disk: %s",
	   error_message(err));
	error_free(TAKE_PTR(err));
	lab_clear(&l);
}

static void test_names(void)
{
	struct graph_names n;
	struct error *err = NULL;

	ok(graph_names_init(&n, "efidisk0", NULL) == 0 && !strcmp(n.cbw, "vzdump-efidisk0-cbw"),
	   "node names");
	ok(graph_names_init(&n, "a-very-long-name-of-a-disk", &err) == ERR_INVALID, "too long: %s",
	   error_message(err));
	error_free(err);
}

int main(void)
{
	test_names();
	test_instant();
	test_throttled_instant();
	test_changed_meanwhile();
	test_sink(SIGKILL, 45);
	test_sink(SIGSTOP, 2);
	test_strangers();
	return done_testing();
}
