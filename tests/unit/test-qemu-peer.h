/* A fake peer on a unix socket, in a child process: says what a test wants it to say. */
#ifndef VZDUMP_TESTS_PEER_H
#define VZDUMP_TESTS_PEER_H

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "tap.h"

#ifndef HELPER
#define HELPER static __attribute__((unused))
#endif

struct peer {
	char path[64];
	pid_t pid;
};

/* serve() gets each connection; the child ends when the test stops it. */
HELPER void peer_start(struct peer *p, void (*serve)(int fd))
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(p->path, sizeof(p->path), "/tmp/vzdump-peer-%d.sock", (int)getpid());
	unlink(p->path);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		printf("Bail out! %s: %m\n", p->path);
		exit(1);
	}
	fflush(stdout);
	p->pid = fork();
	if (p->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (;;) {
			int c = accept(fd, NULL, NULL);

			serve(c);
			close(c);
		}
	}
	close(fd);
}

HELPER void peer_stop(struct peer *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	unlink(p->path);
}

HELPER void say(int fd, const char *text)
{
	(void)io_write_all(fd, text, strlen(text));
}

/* Says head, then part again and again until it is about that many bytes, then tail. */
HELPER void say_often(int fd, const char *head, const char *part, size_t bytes, const char *tail)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_adds(&text, head);
	while (text.len < bytes)
		buf_adds(&text, part);
	buf_adds(&text, tail);
	say(fd, text.data);
}

/* The most memory that this process has ever had, in MiB. */
HELPER long peak_mib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

/* Reads up to the end of a line; false at the end of the stream. */
HELPER bool hear(int fd, char *line, size_t size)
{
	size_t n = 0;
	char c;

	while (read(fd, &c, 1) == 1) {
		if (c == '\n') {
			line[n] = '\0';
			return true;
		}
		if (n + 1 < size)
			line[n++] = c;
	}
	return false;
}

#endif
