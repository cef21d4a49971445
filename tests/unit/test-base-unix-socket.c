/* lib/base/unix-socket.h: what each way to fail is called, and whom a socket lets in. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/unix-socket.h"
#include "tap.h"

static void test_address(const char *dir)
{
	_cleanup_free_ char *fits = xcalloc(1, UNIX_SOCKET_PATH_MAX + 1);
	_cleanup_free_ char *longer = NULL;
	struct error *err = NULL;
	int fd;

	memset(fits, 'x', UNIX_SOCKET_PATH_MAX);
	memcpy(fits, dir, strlen(dir));
	fits[strlen(dir)] = '/';
	longer = xasprintf("%sx", fits);
	fd = unix_socket_listen(fits, 1, &err);
	ok(fd >= 0, "the longest path is listened on");
	close(fd);
	unlink(fits);
	ok(unix_socket_listen(longer, 1, &err) == ERR_INVALID &&
		   strstr(error_message(err), "use a shorter one"),
	   "a longer one is refused");
	ok(unix_socket_connect(longer, SOCK_STREAM, NULL) == ERR_INVALID, "to connect to one, too");
	error_free(err);
}

static void test_connect(const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/sock", dir);
	_cleanup_close_ int server = -1;
	struct stat st = { 0 };
	int fds[16], n = 0, r;

	ok(unix_socket_connect(path, SOCK_STREAM, NULL) == -ENOENT, "no socket is -ENOENT");
	server = unix_socket_listen(path, 1, NULL);
	ok(server >= 0 && stat(path, &st) == 0 && (st.st_mode & 07777) == 0600,
	   "a socket is its owner's only");
	while (n < 16 && (fds[n] = unix_socket_connect(path, SOCK_STREAM, NULL)) >= 0)
		n++;
	ok(n > 0 && n < 16 && fds[n] == -EAGAIN, "a queue that is full is -EAGAIN, after %d clients", n);
	while (n-- > 0)
		close(fds[n]);
	close(TAKE_FD(server));
	r = unix_socket_connect(path, SOCK_STREAM, NULL);
	ok(r == -ECONNREFUSED, "a socket that nobody listens on is -ECONNREFUSED");
	unlink(path);
}

int main(void)
{
	char dir[] = "/tmp/vzdump-socket-XXXXXX";

	if (!ok(mkdtemp(dir) != NULL, "a folder"))
		return done_testing();
	test_address(dir);
	test_connect(dir);
	io_remove_tree(dir, NULL);
	return done_testing();
}
