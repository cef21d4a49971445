/* Which process is connected to a unix socket, by real sockets and a child. */
#include "base/unix-client.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/unix-socket.h"
#include "tap.h"
#include "test-root.h"

/* A kernel without unix_diag answers with an error. */
static bool kernel_tells(void)
{
	const struct {
		struct nlmsghdr head;
		struct unix_diag_req question;
	} message = {
		.head = { .nlmsg_len = sizeof(message),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.question = { .sdiag_family = AF_UNIX, .udiag_states = ~0U },
	};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct nlmsghdr answer[256] = { 0 };

	return fd >= 0 && send(fd, &message, sizeof(message), 0) == (ssize_t)sizeof(message) &&
	       recv(fd, answer, sizeof(answer), 0) > 0 && answer[0].nlmsg_type != NLMSG_ERROR;
}

/* A child that is connected when this returns. */
static pid_t connected_child(const char *path)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		if (unix_socket_connect(path, SOCK_STREAM, NULL) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &c, 1) != 1)
		abort();
	close(ready[0]);
	return pid;
}

int main(void)
{
	_cleanup_free_ char *path = NULL, *other = NULL;
	_cleanup_close_ int fd = -1, fd_other = -1, own = -1;
	pid_t child;

	if (!kernel_tells()) {
		ok(true, "who is connected # SKIP this kernel does not tell (unix_diag)");
		return done_testing();
	}
	root_make();
	path = paths_get(&paths, "/socket");
	other = paths_get(&paths, "/other");
	fd = unix_socket_listen(path, 4, NULL);
	fd_other = unix_socket_listen(other, 4, NULL);
	ok(fd >= 0 && fd_other >= 0 && unix_client(path) == 0, "nobody is connected");
	own = unix_socket_connect(path, SOCK_STREAM, NULL);
	ok(own >= 0 && unix_client(path) == 0, "this process does not count");
	child = connected_child(path);
	ok(unix_client(path) == 0, "nor does one that waits to be accepted");
	close(accept(fd, NULL, NULL));
	{
		_cleanup_close_ int accepted = accept(fd, NULL, NULL);

		ok(unix_client(path) == child, "one that was accepted is found");
	}
	ok(unix_client(other) == 0, "its socket is not another one");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ok(unix_client(path) == 0, "one that has ended is not found");
	{
		_cleanup_free_ char *none = paths_get(&paths, "/none");

		ok(unix_client(none) == 0, "nor is one of a socket that there is not");
	}
	root_remove();
	return done_testing();
}
