/* NBD servers that stand still: time limits and requests to stop. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/units.h"
#include "qemu/nbd.h"
#include "tap.h"

/* Far more than any of it takes, far less than for ever. */
#define LONG_NS (UINT64_C(60) * 1000000000)

static char dir[] = "/tmp/vzdump-test-XXXXXX";

/* Listens, and never says a word. */
static int silent_server(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, path, strlen(path) + 1);
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0)
		return -1;
	return fd;
}

static void *request_soon(void *cancel)
{
	usleep(100000);
	cancel_request(cancel);
	return NULL;
}

static void test_connect(void)
{
	_cleanup_free_ char *path = xasprintf("%s/silent", dir);
	_cleanup_free_ char *nobody = xasprintf("%s/nobody", dir);
	_cleanup_error_ struct error *err = NULL;
	int fd = silent_server(path);
	struct nbd_handle *h = nbd_create();
	struct cancel c;
	pthread_t t;

	ok(fd >= 0 && nbd_client_connect_unix(h, path, 200, NULL, &err) == ERR_TIMEOUT,
	   "a server that does not greet is waited for up to the limit");
	nbd_client_close(h);
	error_free(TAKE_PTR(err));
	cancel_init(&c, NULL);
	pthread_create(&t, NULL, request_soon, &c);
	h = nbd_create();
	ok(nbd_client_connect_unix(h, path, 600000, &c, &err) == ERR_CANCELED,
	   "or until there is a request to stop");
	pthread_join(t, NULL);
	nbd_client_close(h);
	error_free(TAKE_PTR(err));
	h = nbd_create();
	ok(nbd_client_connect_unix(h, nobody, 1000, NULL, &err) == ERR_PEER && error_message(err),
	   "where nobody listens is said at once");
	nbd_client_close(h);
	cancel_clear(&c);
	close(fd);
	unlink(path);
}

static bool greets(const char *path)
{
	struct nbd_handle *h = nbd_create();
	bool good = nbd_client_connect_unix(h, path, NBD_CONNECT_MS, NULL, NULL) == 0;

	nbd_client_close(h);
	return good;
}

static pid_t start_nbdkit(const char *path)
{
	const char *const argv[] = { "nbdkit", "-f", "--log=null", "-U", path, "memory", "1M", NULL };
	pid_t pid = 0;

	process_spawn(argv, NULL, &pid, NULL);
	/* the socket is there a moment before it listens */
	for (int i = 0; i < 3000 && !greets(path); i++)
		usleep(20000);
	return pid;
}

static void test_commands(void)
{
	_cleanup_free_ char *path = xasprintf("%s/sock", dir);
	_cleanup_free_ char *uri = xasprintf("nbd+unix:///?socket=%s", path);
	_cleanup_error_ struct error *err = NULL;
	const pid_t pid = start_nbdkit(path);
	struct nbd_handle *h = nbd_create();
	char data[512] = "data", back[512] = "";
	uint64_t begin;
	struct cancel c;
	pthread_t t;

	cancel_init(&c, NULL);
	ok(nbd_client_connect_uri(h, uri, NBD_CONNECT_MS, &c, &err) == 0 && nbd_get_size(h) == 1 << 20,
	   "a server that answers is connected to");
	ok(nbd_client_finish(h, nbd_aio_pwrite(h, data, 512, 0, NBD_NULL_COMPLETION, 0), &c, &err) == 0 &&
		   nbd_client_finish(h, nbd_aio_pread(h, back, 512, 0, NBD_NULL_COMPLETION, 0), &c, &err) ==
			   0 &&
		   !memcmp(data, back, 512),
	   "and commands come to their end");
	ok(nbd_client_finish(h, nbd_aio_pread(h, back, 512, 2 << 20, NBD_NULL_COMPLETION, 0), &c, &err) ==
		   ERR_PEER,
	   "one that is refused says so");
	error_free(TAKE_PTR(err));
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED); /* all of its threads stand still now */
	pthread_create(&t, NULL, request_soon, &c);
	begin = units_now_ns();
	ok(nbd_client_finish(h, nbd_aio_pread(h, back, 512, 0, NBD_NULL_COMPLETION, 0), &c, &err) ==
		   ERR_CANCELED,
	   "a request to stop ends the wait for a server that stands still");
	nbd_client_close(h);
	ok(units_now_ns() - begin < LONG_NS, "which is not waited for at the goodbye either");
	pthread_join(t, NULL);
	kill(pid, SIGCONT);
	process_stop(pid);
	cancel_clear(&c);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_connect();
	test_commands();
	io_remove_tree(dir, NULL);
	rmdir(dir);
	return done_testing();
}
