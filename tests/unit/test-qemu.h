/*
 * A stock QEMU without guest code, for the unit tests of lib/qemu.  QEMU_DIR=<directory> (see
 * scripts/fetch-qemu) or QEMU_BIN=<program> pick another one.
 */
#ifndef VZDUMP_TESTS_QEMU_H
#define VZDUMP_TESTS_QEMU_H

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <libnbd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "qemu/disk.h"
#include "qemu/guard.h"
#include "qemu/instant.h"
#include "qemu/leftovers.h"
#include "qemu/nodes.h"
#include "qemu/server.h"
#include "tap.h"

/* Not every test uses every helper. */
#define HELPER static __attribute__((unused))

struct vm {
	char *dir; /* temporary folder, everything of this VM is in it */
	char **args;
	pid_t pid;
	char *qmp_path; /* what the code under test uses */
	char *mon_path; /* the tests' own monitor */
	struct qmp *mon;
};

HELPER void die_on(struct error *err, const char *what)
{
	if (!err)
		return;
	printf("Bail out! %s: %s\n", what, error_message(err));
	exit(1);
}

HELPER char *vm_file(const struct vm *vm, const char *name)
{
	return xasprintf("%s/%s", vm->dir, name);
}

HELPER void vm_init(struct vm *vm, bool running)
{
	char dir[] = "/tmp/vzdump-unit-XXXXXX";

	*vm = (struct vm){ 0 };
	if (!mkdtemp(dir)) {
		printf("Bail out! mkdtemp: %m\n");
		exit(1);
	}
	vm->dir = xstrdup(dir);
	vm->qmp_path = vm_file(vm, "qmp");
	vm->mon_path = vm_file(vm, "mon");
	strv_add(&vm->args, "qemu-system-x86_64");
	strv_add(&vm->args, "-M");
	strv_add(&vm->args, "pc,accel=tcg");
	strv_add(&vm->args, "-m");
	strv_add(&vm->args, "64");
	strv_add(&vm->args, "-nodefaults");
	strv_add(&vm->args, "-display");
	strv_add(&vm->args, "none");
	if (!running)
		strv_add(&vm->args, "-S");
	strv_add(&vm->args, "-qmp");
	strv_addf(&vm->args, "unix:%s,server=on,wait=off", vm->qmp_path);
	strv_add(&vm->args, "-qmp");
	strv_addf(&vm->args, "unix:%s,server=on,wait=off", vm->mon_path);
}

/* Arguments of a device style; every @ stands for the VM's folder. */
HELPER void vm_add(struct vm *vm, const char *const *args)
{
	for (; *args; args++) {
		_cleanup_buf_ struct buf b = BUF_INIT;

		for (const char *s = *args; *s; s++) {
			if (*s == '@')
				buf_adds(&b, vm->dir);
			else
				buf_addc(&b, *s);
		}
		strv_add(&vm->args, buf_str(&b));
	}
}

HELPER char *vm_program(const char *name)
{
	const char *dir = getenv("QEMU_DIR"), *bin = getenv("QEMU_BIN");

	if (bin && *bin && !strcmp(name, "qemu-system-x86_64"))
		return xstrdup(bin);
	return dir && *dir ? xasprintf("%s/bin/%s", dir, name) : xstrdup(name);
}

HELPER pid_t start_program(char **args)
{
	_cleanup_free_ char *program = vm_program(args[0]);
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(2, 1);
		execvp(program, args);
		_exit(127);
	}
	return pid;
}

HELPER bool wait_for_socket(const char *path, pid_t pid)
{
	for (int i = 0; i < 1000; i++) {
		struct stat st;

		if (!stat(path, &st) && S_ISSOCK(st.st_mode))
			return true;
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return false;
		usleep(10000);
	}
	return false;
}

HELPER void vm_start(struct vm *vm)
{
	struct error *err = NULL;

	vm->pid = start_program(vm->args);
	if (!wait_for_socket(vm->mon_path, vm->pid)) {
		printf("Bail out! QEMU does not start\n");
		exit(1);
	}
	/* The socket exists a little before QEMU listens on it. */
	for (int i = 0; i < 100 && !vm->mon; i++) {
		error_free(TAKE_PTR(err));
		if (qmp_open(vm->mon_path, 20000, NULL, &vm->mon, &err) < 0)
			usleep(20000);
	}
	die_on(err, "the tests' monitor");
}

HELPER void vm_kill(struct vm *vm)
{
	if (vm->pid > 0) {
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
	}
	vm->pid = 0;
}

HELPER bool vm_alive(const struct vm *vm)
{
	return waitpid(vm->pid, NULL, WNOHANG) == 0;
}

HELPER void vm_clear(struct vm *vm)
{
	qmp_close(vm->mon);
	vm_kill(vm);
	io_remove_tree(vm->dir, NULL);
	strv_free(vm->args);
	free(vm->dir);
	free(vm->qmp_path);
	free(vm->mon_path);
}

/* Byte at an offset of a test disk: no two clusters alike, never zero. */
HELPER unsigned char disk_byte(uint64_t offset)
{
	return (unsigned char)(1 + (offset / 512 * 7 + offset / 65536 * 13 + offset % 251) % 255);
}

HELPER void make_disk(const struct vm *vm, const char *name, size_t size)
{
	_cleanup_free_ char *path = vm_file(vm, name);
	_cleanup_free_ unsigned char *data = xmalloc(size);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (size_t i = 0; i < size; i++)
		data[i] = disk_byte(i);
	if (fd < 0 || io_write_all(fd, data, size)) {
		printf("Bail out! %s: %m\n", path);
		exit(1);
	}
}

HELPER void make_sparse(const char *path, uint64_t size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size)) {
		printf("Bail out! %s: %m\n", path);
		exit(1);
	}
}

HELPER uint64_t allocated(const char *path)
{
	struct stat st;

	return stat(path, &st) ? UINT64_MAX : (uint64_t)st.st_blocks * 512;
}

/* What the guest would do: through the device's own backend. */
__attribute__((format(printf, 3, 4))) HELPER bool guest_io(struct vm *vm, const char *device, const char *fmt,
							   ...)
{
	_cleanup_free_ char *io = NULL, *line = NULL;
	_cleanup_json_ struct json_object *out = NULL;
	_cleanup_error_ struct error *err = NULL;
	va_list ap;

	va_start(ap, fmt);
	io = xvasprintf(fmt, ap);
	va_end(ap);
	line = xasprintf("qemu-io -d %s \"%s\"", device, io);
	if (qmp_execute_timeout(vm->mon, "human-monitor-command", json_new_str("command-line", line), 60000,
				&out, &err) < 0) {
		diag("%s: %s", line, error_message(err));
		return false;
	}
	/* 7.2 tells what came out, newer QEMU prints that on its own stdout. */
	if (strstr(json_object_get_string(out), "rror") || strstr(json_object_get_string(out), "failed")) {
		diag("%s: %s", line, json_object_get_string(out));
		return false;
	}
	return true;
}

/* Finds a disk in the graph as it is now. */
HELPER int find_disk(struct qmp *q, const char *key, const char *path, struct graph_disk *ret,
		     struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	int r = blockgraph_load(q, &g, err);

	return r < 0 ? r : graph_find_disk(q, &g, key, NULL, path, ret, err);
}

/* Names, drivers and edges of the graph, as text that can be compared. */
HELPER char *graph_text(struct qmp *q)
{
	_cleanup_json_ struct json_object *nodes = NULL, *devices = NULL;
	struct buf b = BUF_INIT;
	struct error *err = NULL;

	qmp_execute(q, "query-named-block-nodes", json_put_bool(json_object_new_object(), "flat", true),
		    &nodes, &err);
	die_on(err, "query-named-block-nodes");
	qmp_execute(q, "query-block", NULL, &devices, &err);
	die_on(err, "query-block");
	for (size_t i = 0; i < json_array_len(nodes); i++) {
		struct json_object *n = json_array_at(nodes, i);
		const char *detect = json_get_str(n, "detect_zeroes");

		buf_addf(&b, "%s %s %s ro=%d %s %s\n", json_get_str(n, "node-name"), json_get_str(n, "drv"),
			 json_get_str(n, "file"), json_get_bool(n, "ro", false), detect,
			 json_object_to_json_string(json_get_obj(n, "cache")));
		if (json_get_array(n, "dirty-bitmaps"))
			buf_adds(&b, " bitmaps\n");
	}
	for (size_t i = 0; i < json_array_len(devices); i++) {
		struct json_object *d = json_array_at(devices, i);

		buf_addf(&b, "%s: %s\n", json_get_str(d, "qdev"),
			 json_get_str(json_get_obj(d, "inserted"), "node-name"));
	}
	return buf_steal(&b);
}

#endif
