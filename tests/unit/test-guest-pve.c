/* lib/guest/pve, guest-ops: how guests are reached and started, and what one without QEMU answers. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/unix-socket.h"
#include "guest/guest-ops.h"
#include "tap.h"
#include "test-root.h"

static struct buf said = BUF_INIT;

static void keep_line(const struct log *log, enum log_level level, const char *line)
{
	(void)level;
	buf_addf(log->opaque, "%s;", line);
}

static const struct log keep = { .line = keep_line, .opaque = &said };

static void test_status(const struct guest *g)
{
	_cleanup_free_ char *dir = paths_get(g->paths, "/run/qemu-server");
	_cleanup_free_ char *path = xasprintf("%s/%u.qmp", dir, g->vmid);
	_cleanup_close_ int fd = -1;
	struct guest_status status = { .running = true };
	struct qmp *q = NULL;

	ok(guest_status(g, &status, NULL) == 0 && !status.running, "without a socket it does not run");
	ok(guest_is_lost(guest_monitor(g, NULL, &q, NULL)) && !q, "and has no monitor");
	ok(guest_quit(g, NULL) == 0, "ending it is no error");
	io_mkdir_p(dir, 0755, NULL);
	fd = unix_socket_listen(path, 1, NULL);
	ok(fd >= 0 && guest_status(g, &status, NULL) == 0 && status.running && status.uid == geteuid(),
	   "with somebody who listens it does, as that user");
	ok(!status.process.pid && !guest_process_lives(&status.process),
	   "who that is stays unknown, unless its command line has the socket in it");
	unlink(path);
}

static void test_lost(void)
{
	static const int lost[] = { ERR_GONE, -ECONNREFUSED, -ENOENT, -ECONNRESET, -EPIPE };
	static const int other[] = {
		0, 1, ERR_TIMEOUT, ERR_PEER, ERR_CORRUPT, ERR_CANCELED, -EACCES, -EAGAIN
	};
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(lost); i++)
		good = good && guest_is_lost(lost[i]);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		good = good && !guest_is_lost(other[i]);
	ok(good, "a QEMU is lost when its socket is gone or closed, not when it says no or is slow");
}

static void test_process(void)
{
	struct guest_process self = { .pid = getpid() };

	proc_start_ticks(self.pid, &self.start);
	ok(guest_process_lives(&self), "a process lives");
	self.start++;
	ok(!guest_process_lives(&self) && guest_process_ends(&self), "another one of its pid is not it");
}

static int start(struct guest *g, const char *command, enum guest_start how, struct error **err)
{
	_cleanup_free_ char *start_command = xstrdup_null(command);
	const struct settings_commands commands = { .start = how == GUEST_START ? start_command : NULL,
						    .start_paused =
							    how == GUEST_START ? NULL : start_command };
	int r;

	buf_reset(&said);
	g->commands = &commands;
	r = guest_start(g, how, NULL, &keep, err);
	g->commands = NULL;
	return r;
}

static void test_start(struct guest *g)
{
	_cleanup_error_ struct error *failed = NULL, *none = NULL, *open = NULL;

	ok(start(g, "echo 'guest {vmid}' {vmid}.conf", GUEST_START, NULL) == 0 &&
		   !strcmp(buf_str(&said), "guest 123 123.conf;"),
	   "the command gets the guest's number, and its output is logged: %s", buf_str(&said));
	ok(start(g, "echo paused {vmid}", GUEST_START_PAUSED, NULL) == 0 &&
		   !strcmp(buf_str(&said), "paused 123;"),
	   "there is another one that starts it paused");
	ok(start(g, "sh -c 'exit 3'", GUEST_START, &failed) == ERR_PEER &&
		   strstr(error_message(failed), "start-command 'sh -c 'exit 3'' failed with exit status 3"),
	   "one that fails is an error: %s", error_message(failed));
	ok(start(g, NULL, GUEST_START_PAUSED, &none) == ERR_INVALID &&
		   strstr(error_message(none), "start-paused-command"),
	   "one that is missing, too: %s", error_message(none));
	ok(start(g, "qm start 'x", GUEST_START, &open) == ERR_INVALID, "or that is not a command: %s",
	   error_message(open));
}

static void test_own_file(const struct guest *g)
{
	const struct guest_status other = { .running = true, .uid = 65534, .gid = 65534 };
	_cleanup_free_ char *path = paths_get(g->paths, "/file");
	struct stat st;

	io_write_file_atomic(path, "x", 1, 0600, NULL, NULL);
	ok(guest_own_file(g, &other, NULL, NULL) == 0, "no file needs no other owner");
	if (geteuid() != 0)
		return;
	ok(guest_own_file(g, &other, path, NULL) == 0 && stat(path, &st) == 0 && st.st_uid == 65534,
	   "a file becomes the one's who runs QEMU");
}

/* A container, say. */
static void test_bare(const struct guest *pve)
{
	static const struct guest_ops bare = { 0 };
	const struct guest g = { .ops = &bare, .paths = pve->paths, .vmid = 200 };
	const struct guest_status status = { 0 };
	struct qmp *q = NULL;
	struct qga *a = NULL;

	ok(guest_monitor(&g, NULL, &q, NULL) == ERR_UNSUPPORTED &&
		   guest_agent(&g, NULL, &a, NULL) == ERR_UNSUPPORTED,
	   "a guest without QEMU has neither monitor nor agent");
	ok(guest_own_file(&g, &status, "/nowhere", NULL) == 0, "and needs no files");
}

int main(void)
{
	struct host host = { .paths = &paths, .guest_ops = &guest_ops_pve };
	struct guest g;

	root_make();
	g = guest_of(&host, 123);
	test_status(&g);
	test_lost();
	test_process();
	test_start(&g);
	test_own_file(&g);
	test_bare(&g);
	root_remove();
	buf_clear(&said);
	return done_testing();
}
