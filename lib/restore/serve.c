#include "restore/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"
#include "base/unix-socket.h"
#include "qemu/nbd.h"

#define START_TIMEOUT_MS 30000
#define STOP_MS          2000
#define PLUGIN           "nbdkit-vma-plugin.so"

/* In a build tree, the plugin beside this program; otherwise the installed one, which nbdkit finds. */
char *serve_plugin(void)
{
	_cleanup_free_ char *folder = proc_own_folder();
	_cleanup_free_ char *path = folder ? xasprintf("%s/../plugin/" PLUGIN, folder) : NULL;

	return path && access(path, R_OK) == 0 ? TAKE_PTR(path) : xstrdup("vma");
}

static bool socket_is_in_use(const char *path)
{
	_cleanup_close_ int fd = unix_socket_connect(path, SOCK_STREAM, NULL);

	/* EAGAIN: a server that hangs, with other clients waiting for it */
	return fd >= 0 || fd == -EAGAIN;
}

/* Does a whole handshake, as nbdkit complains about clients that only connect. */
static bool socket_serves(const char *path, const struct cancel *cancel)
{
	struct nbd_handle *h = nbd_create();
	bool good = h && nbd_set_opt_mode(h, true) == 0 &&
		    nbd_client_connect_unix(h, path, NBD_CONNECT_MS, cancel, NULL) == 0;

	if (good)
		nbd_opt_abort(h);
	nbd_close(h);
	return good;
}

/* A socket in use is not taken over, but one that a dead server left is removed. */
static int check_socket(const char *path, struct error **err)
{
	struct stat st;
	int r = unix_socket_check_path(path, err);

	if (r < 0)
		return r;
	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode) || socket_is_in_use(path))
		return error_set(err, -EEXIST, "'%s' exists and is in use; give another socket", path);
	return unlink(path) < 0 ? error_errno(err, errno, "cannot remove '%s'", path) : 0;
}

static int nbdkit_failed(const struct serve_options *o, int status, struct error **err)
{
	_cleanup_free_ char *words = o->log ? io_last_line(o->log) : NULL;

	return error_set(err, ERR_PEER, "nbdkit cannot serve '%s' (exit status %d)%s%s", o->archive, status,
			 words ? ": " : "", words ? words : "");
}

/* The child that has ended is the server, or, if that detaches, the process that started it. */
static int check_child(struct serve *s, const struct serve_options *o, struct error **err)
{
	int status;

	if (s->child <= 0 || process_wait(s->child, 0, &status, NULL) < 0)
		return 0;
	s->child = 0;
	if (status == 127)
		return error_set(err, ERR_NOT_FOUND, "nbdkit cannot be run; install the package nbdkit");
	return o->detach && status == 0 ? 0 : nbdkit_failed(o, status, err);
}

/* 0 as long as the file is not complete.  nbdkit writes it once it serves. */
static pid_t read_pid(const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t pid;

	if (io_read_file(path, 64, &text, NULL) < 0 || !text.len || !strchr(text.data, '\n') ||
	    units_parse_u64(str_strip(text.data), 1, INT32_MAX, "pid", &pid, NULL) < 0)
		return 0;
	return (pid_t)pid;
}

static bool server_is_up(struct serve *s, const char *pidfile, const struct cancel *cancel)
{
	if (!socket_serves(s->socket, cancel))
		return false;
	if (!pidfile)
		return true;
	s->detached = read_pid(pidfile);
	return s->detached > 0 && s->child == 0;
}

static int wait_until_it_answers(struct serve *s, const struct serve_options *o, const char *pidfile,
				 struct error **err)
{
	for (int waited = 0; waited < START_TIMEOUT_MS; waited += 20) {
		int r = check_child(s, o, err);

		if (r < 0)
			return r;
		if (server_is_up(s, pidfile, o->cancel))
			return 0;
		if (cancel_sleep(o->cancel, 20, err) < 0)
			return ERR_CANCELED;
	}
	return error_set(err, ERR_TIMEOUT, "nbdkit does not answer after %d s", START_TIMEOUT_MS / 1000);
}

static int open_log(const char *path, struct error **err)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? error_errno(err, errno, "cannot create '%s'", path) : fd;
}

/*
 * nbdkit ends with its parent process (seen with 1.32: PR_SET_PDEATHSIG in its main()).  Only as a
 * daemon (pidfile is not NULL) it has none.
 */
static int spawn_nbdkit(struct serve *s, const struct serve_options *o, const char *pidfile, int log_fd,
			struct error **err)
{
	_cleanup_free_ char *plugin = serve_plugin();
	_cleanup_free_ char *file = xasprintf("file=%s", o->archive);
	_cleanup_free_ char *disk = o->disk ? xasprintf("disk=%s", o->disk) : NULL;
	_cleanup_free_ char *alive = xasprintf("exit-when-pipe-closed=%d", o->alive_fd);
	struct process_options po = { .detach = o->detach, .stderr_fd = log_fd };
	const char *argv[16] = { "nbdkit", "--readonly", "--unix", o->socket };
	size_t n = 4;

	argv[n++] = pidfile ? "--pidfile" : "--foreground";
	if (pidfile)
		argv[n++] = pidfile;
	if (o->alive_fd > 0) {
		argv[n++] = "--filter=exitwhen";
		po.keep_fds = &o->alive_fd;
		po.n_keep_fds = 1;
	}
	argv[n++] = plugin;
	argv[n++] = file;
	if (o->alive_fd > 0) {
		argv[n++] = alive;
		/* by default it checks when the last client leaves, and then only once a minute */
		argv[n++] = "exit-when-poll=1";
	}
	if (disk)
		argv[n++] = disk;
	return process_spawn(argv, &po, &s->child, err);
}

int serve_start(struct serve *s, const struct serve_options *o, struct error **err)
{
	_cleanup_free_ char *pidfile = o->detach ? xasprintf("%s.pid", o->socket) : NULL;
	_cleanup_close_ int log_fd = -1;
	int r = check_socket(o->socket, err);

	*s = (struct serve){ 0 };
	if (r == 0 && o->log)
		r = log_fd = open_log(o->log, err);
	if (r >= 0)
		r = spawn_nbdkit(s, o, pidfile, o->log ? log_fd : 0, err);
	if (r < 0)
		return r;
	s->socket = xstrdup(o->socket);
	r = wait_until_it_answers(s, o, pidfile, err);
	if (r < 0)
		serve_stop(s);
	return r;
}

int serve_wait(struct serve *s, const struct cancel *cancel, struct error **err)
{
	for (;;) {
		int status;

		if (process_wait(s->child, 0, &status, NULL) == 0) {
			s->child = 0;
			return error_set(err, ERR_PEER, "nbdkit ended with exit status %d", status);
		}
		if (cancel_sleep(cancel, 200, NULL) < 0)
			return 0;
	}
}

static void stop_detached(pid_t pid)
{
	for (int waited = 0; kill(pid, waited < STOP_MS ? SIGTERM : SIGKILL) == 0 && waited < 2 * STOP_MS;
	     waited += 20)
		usleep(20000);
}

void serve_stop(struct serve *s)
{
	if (s->child > 0)
		process_stop(s->child);
	if (s->detached > 0)
		stop_detached(s->detached);
	if (s->socket)
		unlink(s->socket);
	serve_leave(s);
}

void serve_leave(struct serve *s)
{
	free(s->socket);
	*s = (struct serve){ 0 };
}
