#include "inside/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/units.h"

#define NOBODY    65534
#define WORDS_MAX 65536u

static bool give_up_rights(void)
{
	const struct rlimit none = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return false;
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return false;
	/* the kernel forgets it when the user changes */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return false;
	return setrlimit(RLIMIT_CORE, &none) == 0 && setrlimit(RLIMIT_NPROC, &none) == 0 &&
	       setrlimit(RLIMIT_NOFILE, &none) == 0;
}

/* The other end of a pipe must not stay open here, or its writer never hears that nobody reads. */
static void close_others(int a, int b, int c)
{
	for (unsigned first = STDERR_FILENO + 1;;) {
		unsigned next = ~0u;

		for (const int *kept = (const int[]){ a, b, c, -1 }; *kept >= 0; kept++)
			if ((unsigned)*kept >= first && (unsigned)*kept < next)
				next = (unsigned)*kept;
		if (next > first)
			close_range(first, next - 1, 0);
		if (next == ~0u)
			return;
		first = next + 1;
	}
}

/* Tells "<code> <message>" if it fails. */
static _Noreturn void run_child(int (*fn)(void *x, int out, struct error **err), void *x, int out, int told)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buf_ struct buf words = BUF_INIT;
	int r = give_up_rights() ? fn(x, out, &err) : error_errno(&err, errno, "cannot give up rights");

	if (r < 0) {
		buf_addf(&words, "%d %s", r, error_message(err));
		io_write_all(told, words.data, words.len);
	}
	_exit(r < 0);
}

static int how_it_ended(pid_t child, const char *words, struct error **err)
{
	int status, code;
	char *end;
	pid_t r;

	do
		r = waitpid(child, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return error_errno(err, errno, "cannot wait for the process that reads");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	code = (int)strtol(words, &end, 10);
	if (WIFEXITED(status) && code < 0 && *end == ' ')
		return error_set(err, code, "%s", end + 1);
	return error_set(
		err, ERR_CORRUPT,
		"the process that reads the file system has died (%s %d): the file system is damaged",
		WIFSIGNALED(status) ? "signal" : "exit status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

int inside_child(int (*fn)(void *x, int out, struct error **err), void *x, int in, int out,
		 struct error **err)
{
	_cleanup_buf_ struct buf words = BUF_INIT;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	child = fork();
	if (child == 0) {
		close_others(in, out, ends[1]);
		run_child(fn, x, out, ends[1]);
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return error_errno(err, errno, "cannot start the process that reads");
	}
	io_read_fd(ends[0], "pipe", WORDS_MAX, &words, NULL);
	close(ends[0]);
	return how_it_ended(child, buf_str(&words), err);
}
