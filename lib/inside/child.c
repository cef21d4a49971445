#include "inside/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/strv.h"
#include "base/units.h"

#define NOBODY     65534
#define WORDS_MAX  65536u
#define MEMORY_MAX GIB

/* What the child is to do. */
struct job {
	int (*fn)(void *x, int out, struct error **err);
	void *x;
	int in, out;
	rlim_t out_max; /* bytes */
};

static bool limit(int what, rlim_t max)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		return false;
	/* a lower limit than ours stays */
	if (max < l.rlim_max)
		l.rlim_max = max;
	l.rlim_cur = l.rlim_max;
	return setrlimit(what, &l) == 0;
}

static bool limit_memory(void)
{
#ifdef __SANITIZE_ADDRESS__
	/* it maps terabytes */
	return true;
#else
	/* the second one is for memory that is shared, which the first does not count; code is in it, too */
	return limit(RLIMIT_DATA, MEMORY_MAX) && limit(RLIMIT_AS, 2 * MEMORY_MAX);
#endif
}

static bool give_up_rights(pid_t parent, rlim_t out_max)
{

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return false;
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return false;
	/* the kernel forgets it when the user changes */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return false;
	/* it may have died before */
	if (getppid() != parent)
		_exit(1);
	/* a file that is too large is an error of write() then */
	signal(SIGXFSZ, SIG_IGN);
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, 0) &&
	       limit(RLIMIT_FSIZE, out_max) && limit_memory();
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
static _Noreturn void run_child(const struct job *j, pid_t parent, int told)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buf_ struct buf words = BUF_INIT;
	int r;

	close_others(j->in, j->out, told);
#ifndef __SANITIZE_ADDRESS__
	/* the last words of a process that aborts */
	dup2(told, STDERR_FILENO);
#endif
	r = give_up_rights(parent, j->out_max) ? j->fn(j->x, j->out, &err)
					       : error_errno(&err, errno, "cannot give up rights");
	if (r < 0) {
		buf_addf(&words, "%d %s", r, error_message(err));
		io_write_all(told, words.data, words.len);
	}
	_exit(r < 0 ? 1 : 0);
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
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && str_prefix(words, "out of memory", NULL))
		return error_set(err, ERR_CORRUPT,
				 "the process that reads the file system needs more than %u GiB of memory: "
				 "the file system is damaged, or too large for it; try --guestfs",
				 (unsigned)(MEMORY_MAX / GIB));
	return error_set(
		err, ERR_CORRUPT,
		"the process that reads the file system has died (%s %d): the file system is damaged",
		WIFSIGNALED(status) ? "signal" : "exit status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static int run_job(const struct job *j, struct error **err)
{
	_cleanup_buf_ struct buf words = BUF_INIT;
	const pid_t parent = getpid();
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	child = fork();
	if (child == 0)
		run_child(j, parent, ends[1]);
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return error_errno(err, errno, "cannot start the process that reads");
	}
	io_read_fd(ends[0], "pipe", WORDS_MAX, &words, NULL);
	close(ends[0]);
	return how_it_ended(child, buf_str(&words), err);
}

int inside_child(int (*fn)(void *x, int out, struct error **err), void *x, int in, int out,
		 struct error **err)
{
	const struct job j = { .fn = fn, .x = x, .in = in, .out = out, .out_max = RLIM_INFINITY };

	return run_job(&j, err);
}

int inside_child_ask(int (*fn)(void *x, int out, struct error **err), void *x, int in, struct buf *ret,
		     struct error **err)
{
	_cleanup_close_ int file = memfd_create("answer", MFD_CLOEXEC);
	const struct job j = { .fn = fn, .x = x, .in = in, .out = file, .out_max = INSIDE_ANSWER_MAX };
	int r;

	if (file < 0)
		return error_errno(err, errno, "cannot make a file in memory");
	r = run_job(&j, err);
	if (r == 0 && lseek(file, 0, SEEK_SET) < 0)
		r = error_errno(err, errno, "cannot read the answer");
	return r == 0 ? io_read_fd(file, "the answer", INSIDE_ANSWER_MAX, ret, err) : r;
}

const char *inside_next_string(const char **at, const char *end)
{
	const char *s = *at, *nul = memchr(s, '\0', (size_t)(end - s));

	*at = nul ? nul + 1 : end;
	return nul ? s : NULL;
}
