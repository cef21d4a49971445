/* Finds out whether a guest runs, and in which process, from the files of PVE's qemu-server. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/pve-internal.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"
#include "base/units.h"
#include "base/unix-socket.h"

enum {
	POLL_MS = 50,
	DYING_MS = 2000,
};

/*
 * 1: a process listens, 0: none does, negative: unknown.  *ret_pid: the process that listens, or 0.
 */
static int probe_socket(const char *path, struct guest_status *ret, pid_t *ret_pid, struct error **err)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	_cleanup_error_ struct error *mine = NULL;
	_cleanup_close_ int fd = -1;

	*ret_pid = 0;
	fd = unix_socket_connect(path, SOCK_STREAM, &mine);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return 0;
	if (fd == -EAGAIN) /* its backlog is full, so it runs */
		return 1;
	error_keep_first(err, &mine);
	if (fd < 0)
		return fd;
	/* the peer of a connected socket is the process that listens */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		ret->uid = cred.uid;
		ret->gid = cred.gid;
		*ret_pid = cred.pid;
	}
	return 1;
}

/* The process that /run/qemu-server/<vmid>.pid names, if it lives, or 0. */
static pid_t living_pid(const struct paths *p, uint32_t vmid)
{
	_cleanup_free_ char *path = paths_get(p, "/run/qemu-server/%u.pid", vmid);
	_cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t pid;

	if (io_read_file(path, 64, &text, NULL) < 0 || !text.len)
		return 0;
	if (units_parse_u64(str_strip(text.data), 1, INT32_MAX, "pid", &pid, NULL) < 0)
		return 0;
	return proc_alive((pid_t)pid) ? (pid_t)pid : 0;
}

static bool is_qemu_of(pid_t pid, uint32_t vmid)
{
	_cleanup_free_ char *monitor = xasprintf("/%u.qmp", vmid), *pid_file = xasprintf("/%u.pid", vmid);
	_cleanup_strv_ char **words = pid > 1 ? proc_arguments(pid) : NULL;

	for (char **word = words; word && *word; word++)
		if (strstr(*word, monitor) || strstr(*word, pid_file))
			return true;
	return false;
}

/* The pid file comes first, since a proxy may listen at the socket. */
static void find_process(const struct paths *p, uint32_t vmid, pid_t listener, struct guest_process *ret)
{
	const pid_t candidates[] = { living_pid(p, vmid), listener };

	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
		if (!is_qemu_of(candidates[i], vmid) || !proc_start_ticks(candidates[i], &ret->start))
			continue;
		ret->pid = candidates[i];
		return;
	}
}

int pve_status(const struct guest *g, struct guest_status *ret, struct error **err)
{
	_cleanup_free_ char *path = paths_get(g->paths, "/run/qemu-server/%u.qmp", g->vmid);
	pid_t pid;
	int r;

	r = probe_socket(path, ret, &pid, err);
	if (r < 0)
		return r;
	ret->running = r > 0;
	if (ret->running) {
		find_process(g->paths, g->vmid, pid, &ret->process);
		return 0;
	}
	pid = living_pid(g->paths, g->vmid);
	/* a process that was killed closes its sockets first, and then needs time to free its memory */
	for (int ms = 0; pid && ms < DYING_MS; ms += POLL_MS) {
		usleep(POLL_MS * 1000);
		pid = living_pid(g->paths, g->vmid);
	}
	if (pid)
		return error_set(err, ERR_INVALID,
				 "VM %u runs (pid %d) but nothing answers at its QMP socket '%s': give "
				 "QEMU '-qmp unix:%s,server=on,wait=off'",
				 g->vmid, (int)pid, path, path);
	return 0;
}
