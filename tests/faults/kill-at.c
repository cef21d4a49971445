/*
 * For LD_PRELOAD under vzdump or qmrestore: ends the process by SIGKILL right before or right after its
 * n-th step, or lets that step fail with EIO (fsync() after it was done: the error is all that differs), or
 * ends whoever a message was sent to, that is QEMU, and lets this process go on.
 *
 *	KILL_AT=<kind>:<before|after|fails|peer>:<n>
 *
 * Kinds of steps:
 *	journal	a line of a journal gets to the disk: fdatasync() on *.journal
 *	file	what a crash may cut in two: fsync() of a file or folder, rename(), renameat2(), unlink()
 *	share	blocks of another file are shared: ioctl() with FICLONERANGE
 *	message	something is sent to QEMU's monitor or to the guest agent: sendmsg() to a unix socket
 *
 * Says on standard error where it struck.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static char kind[16], moment[16];
static int wanted;
static atomic_int count;

__attribute__((constructor)) static void configure(void)
{
	const char *text = getenv("KILL_AT");

	/* not for the programs that they start */
	const bool ours = !strcmp(program_invocation_short_name, "vzdump") ||
			  !strcmp(program_invocation_short_name, "vzdump-scheduler") ||
			  !strcmp(program_invocation_short_name, "qmrestore");

	if (text && ours && sscanf(text, "%15[a-z]:%15[a-z]:%d", kind, moment, &wanted) != 3) {
		dprintf(STDERR_FILENO, "kill-at: cannot read KILL_AT=%s\n", text);
		abort();
	}
	unsetenv("LD_PRELOAD");
	unsetenv("KILL_AT");
}

static void *next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		abort();
	return f;
}

static void strike(int n, const char *what)
{
	dprintf(STDERR_FILENO, "killed %s %s %d: %s\n", moment, kind, n, what);
	kill(getpid(), SIGKILL);
	pause();
}

/* Number of this step, or 0 if steps of its kind are not counted.  Does not return where it ends. */
static int before(const char *its_kind, const char *what)
{
	int n;

	if (strcmp(kind, its_kind) != 0)
		return 0;
	n = atomic_fetch_add(&count, 1) + 1;
	if (n == wanted && !strcmp(moment, "before"))
		strike(n, what);
	return n;
}

static void after(int n, const char *what)
{
	if (n && n == wanted && !strcmp(moment, "after"))
		strike(n, what);
}

/* True if this step fails. */
static bool fails(int n, const char *what)
{
	if (!n || n != wanted || strcmp(moment, "fails") != 0)
		return false;
	dprintf(STDERR_FILENO, "failed %s %d: %s\n", kind, n, what);
	errno = EIO;
	return true;
}

/* Who has made the socket that this one is connected to. */
static void strike_peer(int fd, int n, const char *what)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!n || n != wanted || strcmp(moment, "peer") != 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 1)
		abort();
	dprintf(STDERR_FILENO, "killed peer %s %d: %s\n", kind, n, what);
	kill(peer.pid, SIGKILL);
}

static void path_of(int fd, char path[4096])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, 4095);
	path[n > 0 ? n : 0] = '\0';
}

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && !strcmp(text + a - b, end);
}

/* The journal's last line, for the message. */
static void last_line(const char *path, char line[256])
{
	FILE *f = fopen(path, "r");

	line[0] = '\0';
	while (f && fgets(line, 256, f))
		;
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = '\0';
}

int fdatasync(int fd)
{
	int (*real)(int) = (int (*)(int))next("fdatasync");
	char path[4096], line[256];
	int n, r;

	path_of(fd, path);
	if (!ends_with(path, ".journal"))
		return real(fd);
	last_line(path, line);
	n = before("journal", line);
	r = real(fd);
	after(n, line);
	return fails(n, line) ? -1 : r;
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))next("fsync");
	char path[4096];
	int n, r;

	path_of(fd, path);
	n = before("file", path);
	r = real(fd);
	after(n, path);
	return fails(n, path) ? -1 : r;
}

int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = (int (*)(const char *, const char *))next("rename");
	int n = before("file", to);
	int r = fails(n, to) ? -1 : real(from, to);

	after(n, to);
	return r;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	int (*real)(int, const char *, int, const char *, unsigned) =
		(int (*)(int, const char *, int, const char *, unsigned))next("renameat2");
	int n = before("file", to);
	int r = fails(n, to) ? -1 : real(from_fd, from, to_fd, to, flags);

	after(n, to);
	return r;
}

int unlink(const char *path)
{
	int (*real)(const char *) = (int (*)(const char *))next("unlink");
	int n = before("file", path);
	int r = fails(n, path) ? -1 : real(path);

	after(n, path);
	return r;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, void *) = (int (*)(int, unsigned long, void *))next("ioctl");
	char path[4096];
	void *arg;
	va_list ap;
	int n, r;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request != FICLONERANGE)
		return real(fd, request, arg);
	path_of(fd, path);
	n = before("share", path);
	r = fails(n, path) ? -1 : real(fd, request, arg);
	after(n, path);
	return r;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int) =
		(ssize_t(*)(int, const struct msghdr *, int))next("sendmsg");
	char text[160];
	ssize_t r;
	int n;

	snprintf(text, sizeof(text), "%.*s",
		 (int)(msg->msg_iovlen && msg->msg_iov->iov_len < 150 ? msg->msg_iov->iov_len : 150),
		 msg->msg_iovlen ? (const char *)msg->msg_iov->iov_base : "");
	n = before("message", text);
	r = real(fd, msg, flags);
	after(n, text);
	strike_peer(fd, n, text);
	return r;
}
