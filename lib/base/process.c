#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

/* More output of a tool is an error, so that memory stays bounded. */
#define OUTPUT_MAX (16 * MIB)
#define NS_PER_MS  UINT64_C(1000000)

enum {
	TERM_MS = 1000, /* time for a child to clean up after SIGTERM, before it is killed */
	KILL_MS = 1000, /* SIGKILL works at once, or not until a dead file system answers */
	STOP_MS = 2000,
	LOOK_MS = 100,   /* how often to check whether the child has ended */
	LAST_READS = 32, /* reads after its end: they empty a pipe, but a daemon of it may write for ever */
};

void process_result_clear(struct process_result *r)
{
	free(r->out);
	free(r->errout);
	*r = (struct process_result){ 0 };
}

char *process_describe(const char *const argv[])
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (; *argv; argv++) {
		_cleanup_free_ char *quoted = str_shellquote(*argv);

		buf_addf(&b, "%s%s", b.len ? " " : "", quoted);
	}
	return buf_steal(&b);
}

static bool has_folder(const char *path, const char *folder)
{
	while (*path) {
		size_t len = strcspn(path, ":");

		if (len == strlen(folder) && strncmp(path, folder, len) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/*
 * cron gives root PATH=/usr/bin:/bin, which lacks lvs, zfs, mount.nfs and others.  A PATH without /usr/bin
 * and /bin is not extended: it was set so on purpose.
 */
static void add_path(char ***env)
{
	static const char *const more[] = { "/usr/local/sbin", "/usr/sbin", "/sbin" };
	const char *own = getenv("PATH");
	const char *path = own && *own ? own : "/usr/bin:/bin";
	const bool extend = has_folder(path, "/usr/bin") || has_folder(path, "/bin");
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_addf(&b, "PATH=%s", path);
	for (size_t i = 0; extend && i < ARRAY_SIZE(more); i++) {
		if (!has_folder(path, more[i]))
			buf_addf(&b, ":%s", more[i]);
	}
	strv_add(env, buf_str(&b));
}

static char **build_env(const struct process_options *o)
{
	char **env = NULL;

	strv_add(&env, "LC_ALL=C");
	add_path(&env);
	for (char **e = environ; e && *e; e++) {
		if (str_prefix(*e, "LC_ALL=", NULL) || str_prefix(*e, "LANG=", NULL) ||
		    str_prefix(*e, "PATH=", NULL) || o->clean_env)
			continue;
		strv_add(&env, *e);
	}
	for (const char *const *e = o->env; e && *e; e++)
		strv_add(&env, *e);
	return env;
}

struct child_setup {
	const char *const *argv;
	char **env;
	const struct process_options *o;
	int in, out, errfd; /* -1: /dev/null (errfd: inherited) */
	pid_t parent;
};

static bool keeps_fd(const struct process_options *o, int fd)
{
	for (size_t i = 0; i < o->n_keep_fds; i++) {
		if (o->keep_fds[i] == fd)
			return true;
	}
	return false;
}

/* Puts fd (or /dev/null) at number `to`. */
static void place_fd(int fd, int to)
{
	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	if (fd == to)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, to);
}

/* Runs in the child between fork and exec: only async-signal-safe calls. */
static _Noreturn void child_main(const struct child_setup *s, int report_fd)
{
	sigset_t none;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	if (s->o->detach) {
		setsid();
	} else {
		if (s->o->group)
			setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != s->parent)
			_exit(127);
	}
	place_fd(s->in, STDIN_FILENO);
	place_fd(s->out, STDOUT_FILENO);
	if (s->errfd >= 0)
		place_fd(s->errfd, STDERR_FILENO);
	for (size_t i = 0; i < s->o->n_keep_fds; i++)
		fcntl(s->o->keep_fds[i], F_SETFD, 0);
	/* this program sets close-on-exec everywhere, but libraries may not */
	for (int fd = 3; fd < 1024; fd++) {
		if (fd != report_fd && !keeps_fd(s->o, fd))
			close(fd);
	}
	environ = s->env;
	execvp(s->argv[0], (char *const *)(const void *)s->argv);
	error = errno;
	if (write(report_fd, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static bool is_canceled(const struct process_options *o)
{
	return cancel_count(o->cancel) > o->cancel_ignored;
}

/*
 * Reads the errno that the child wrote if exec failed; 0 bytes if exec closed the pipe.  -ECANCELED on a
 * request to stop, because exec may hang if the program is on a file system that does.
 */
static ssize_t read_report(const struct process_options *o, int fd, int *ret_errno)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	while (poll(&p, 1, LOOK_MS) <= 0) {
		if (is_canceled(o))
			return -ECANCELED;
	}
	do
		n = read(fd, ret_errno, sizeof(*ret_errno));
	while (n < 0 && errno == EINTR);
	return n;
}

/* True if the child has ended; does not reap it.  If SIGCHLD is ignored, it has been reaped already. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return errno == ECHILD;
	return info.si_pid == pid;
}

/* The signal that ended the child, 0 if it exited.  It has ended, but is not reaped. */
static int ended_by(pid_t pid)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return 0;
	return info.si_code == CLD_EXITED ? 0 : info.si_status;
}

/* The number of its group is not reused before it is reaped. */
static void kill_and_reap(pid_t pid, bool group)
{
	kill(group ? -pid : pid, SIGKILL);
	process_wait(pid, KILL_MS, NULL, NULL);
}

static int start_child(struct child_setup *s, pid_t *ret, struct error **err)
{
	_cleanup_strv_ char **env = build_env(s->o);
	int report[2];
	int child_error = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	s->env = env;
	s->parent = getpid();
	pid = fork();
	if (pid == 0)
		child_main(s, report[1]);
	close(report[1]);
	if (pid < 0) {
		close(report[0]);
		return error_errno(err, errno, "starting '%s'", s->argv[0]);
	}
	n = read_report(s->o, report[0], &child_error);
	close(report[0]);
	if (n == -ECANCELED) {
		kill_and_reap(pid, false);
		return error_set(err, ERR_CANCELED, "interrupted by signal");
	}
	if (n > 0) {
		waitpid(pid, NULL, 0);
		if (child_error == ENOENT)
			return error_set(err, ERR_NOT_FOUND,
					 "command '%s' not found: install it or correct PATH", s->argv[0]);
		return error_errno(err, child_error, "cannot run '%s'", s->argv[0]);
	}
	*ret = pid;
	return 0;
}

int process_spawn(const char *const argv[], const struct process_options *o, pid_t *ret, struct error **err)
{
	static const struct process_options none;
	struct child_setup s = { .argv = argv, .o = o ? o : &none };

	s.in = s.o->stdin_fd > 0 ? s.o->stdin_fd : -1;
	s.out = s.o->stdout_fd > 0 ? s.o->stdout_fd : -1;
	s.errfd = s.o->stderr_fd > 0 ? s.o->stderr_fd : -1;
	return start_child(&s, ret, err);
}

static int decode_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_wait(pid_t pid, int timeout_ms, int *ret_status, struct error **err)
{
	uint64_t end = units_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000u;
	int status, nap_us = 500;

	for (;;) {
		pid_t got = waitpid(pid, &status, timeout_ms < 0 ? 0 : WNOHANG);

		if (got == pid)
			break;
		if (got < 0 && errno != EINTR)
			return error_errno(err, errno, "waiting for process %d", (int)pid);
		if (got == 0) {
			if (units_now_ns() >= end)
				return error_set(err, ERR_TIMEOUT, "process %d still runs after %d ms",
						 (int)pid, timeout_ms);
			usleep((useconds_t)nap_us);
			if (nap_us < 20000)
				nap_us *= 2;
		}
	}
	if (ret_status)
		*ret_status = decode_status(status);
	return 0;
}

void process_stop(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	if (process_wait(pid, STOP_MS, NULL, NULL) < 0)
		kill_and_reap(pid, false);
}

/* The output of process_run()'s child: two pipes, collected or logged line by line. */
struct collect {
	struct pollfd fds[3];
	struct buf text[2];
	const struct process_options *o;
};

static void log_lines(struct collect *c, unsigned i, bool all)
{
	struct buf *b = &c->text[i];
	char *newline;

	while (b->len && (newline = memchr(b->data, '\n', b->len)) != NULL) {
		*newline = '\0';
		log_info(c->o->log_output, "%s", b->data);
		buf_consume(b, (size_t)(newline - b->data) + 1);
	}
	if (all && b->len) {
		log_info(c->o->log_output, "%s", b->data);
		buf_reset(b);
	}
}

static int take_output(struct collect *c, unsigned i, const char *name, struct error **err)
{
	char *to = buf_reserve(&c->text[i], 65536);
	ssize_t n = read(c->fds[i].fd, to, 65536);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		close(c->fds[i].fd);
		c->fds[i].fd = -1;
	} else {
		buf_added(&c->text[i], (size_t)n);
	}
	if (c->o->log_output)
		log_lines(c, i, n <= 0);
	if (c->text[i].len > OUTPUT_MAX)
		return error_set(err, ERR_PEER, "'%s' printed more than 16 MiB", name);
	return 0;
}

static bool is_open(const struct collect *c)
{
	return c->fds[0].fd >= 0 || c->fds[1].fd >= 0;
}

static int take_ready(struct collect *c, const char *name, struct error **err)
{
	int r = 0;

	for (unsigned i = 0; i < 2 && r == 0; i++) {
		if (c->fds[i].fd >= 0 && c->fds[i].revents)
			r = take_output(c, i, name, err);
	}
	return r;
}

/* The longest time to sleep: LOOK_MS, or less if `end` (0: none) comes first. */
static int nap_ms(uint64_t end)
{
	uint64_t now = units_now_ns();

	if (!end || end > now + LOOK_MS * NS_PER_MS)
		return LOOK_MS;
	return end > now ? (int)((end - now) / NS_PER_MS) + 1 : 0;
}

/*
 * Reads until the child has ended and the pipes are empty; they need not be closed, because a daemon that it
 * has started may keep them open for ever.  ERR_TIMEOUT at `end` (0: none); ERR_CANCELED.
 */
static int collect_output(struct collect *c, pid_t pid, const char *name, uint64_t end, struct error **err)
{
	struct pollfd *fds = c->fds;
	int nap = 1, reads = LAST_READS;

	for (;;) {
		bool ended = has_ended(pid);
		int most = is_open(c) ? nap_ms(end) : nap;
		int ready, r;

		if (ended && (!is_open(c) || !reads--))
			return 0;
		nap = nap * 2 < LOOK_MS ? nap * 2 : LOOK_MS;
		if (!ended && end && units_now_ns() >= end)
			return error_set(err, ERR_TIMEOUT, "'%s' gave no result within %d s", name,
					 c->o->timeout_ms / 1000);
		ready = poll(fds, ARRAY_SIZE(c->fds), ended ? 0 : most);
		if (ready < 0 && errno != EINTR)
			return error_errno(err, errno, "waiting for '%s'", name);
		if (ready == 0 && ended)
			return 0;
		if (is_canceled(c->o))
			return error_set(err, ERR_CANCELED, "interrupted by signal");
		r = ready > 0 ? take_ready(c, name, err) : 0;
		if (r < 0)
			return r;
	}
}

static int open_pipes(int out[2], int errout[2], struct error **err)
{
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	if (pipe2(errout, O_CLOEXEC) < 0) {
		int e = errno;

		close(out[0]);
		close(out[1]);
		return error_errno(err, e, "creating a pipe");
	}
	return 0;
}

/*
 * Ends the child, and its group if it has one: sends SIGTERM to a group and logs its last output, then
 * sends SIGKILL.
 */
static void end_child(struct collect *c, pid_t pid, const char *name)
{
	const struct process_options patient = { .log_output = c->o->log_output };
	const struct process_options *o = c->o;

	c->o = &patient;
	c->fds[2].fd = -1;
	if (o->group) {
		kill(-pid, SIGTERM);
		collect_output(c, pid, name, units_now_ns() + TERM_MS * NS_PER_MS, NULL);
	}
	kill_and_reap(pid, o->group);
	c->o = o;
}

static int wait_collected(struct collect *c, pid_t pid, const char *name, struct process_result *ret,
			  struct error **err)
{
	uint64_t end = c->o->timeout_ms > 0 ? units_now_ns() + (uint64_t)c->o->timeout_ms * NS_PER_MS : 0;
	int r = collect_output(c, pid, name, end, err);

	if (r < 0) {
		end_child(c, pid, name);
	} else {
		ret->signal = ended_by(pid);
		r = process_wait(pid, -1, &ret->status, err);
	}
	for (unsigned i = 0; i < 2 && c->o->log_output; i++)
		log_lines(c, i, true);
	return r;
}

int process_run(const char *const argv[], const struct process_options *o, struct process_result *ret,
		struct error **err)
{
	static const struct process_options none;
	struct collect c = { .o = o ? o : &none };
	struct process_result result = { 0 };
	int out[2], errout[2], r;
	pid_t pid = 0;

	r = open_pipes(out, errout, err);
	if (r < 0)
		return r;
	r = start_child(&(struct child_setup){ .argv = argv,
					       .o = c.o,
					       .in = c.o->stdin_fd > 0 ? c.o->stdin_fd : -1,
					       .out = out[1],
					       .errfd = errout[1] },
			&pid, err);
	close(out[1]);
	close(errout[1]);
	c.fds[0] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	c.fds[1] = (struct pollfd){ .fd = errout[0], .events = POLLIN };
	/* not polled if requests are ignored: it stays readable after the first */
	c.fds[2] = (struct pollfd){ .fd = c.o->cancel && !c.o->cancel_ignored ? c.o->cancel->fd : -1,
				    .events = POLLIN };
	if (r == 0)
		r = wait_collected(&c, pid, argv[0], &result, err);
	for (unsigned i = 0; i < 2; i++) {
		if (c.fds[i].fd >= 0)
			close(c.fds[i].fd);
	}
	if (r == 0 && ret) {
		*ret = result;
		ret->out_len = c.text[0].len;
		ret->out = buf_steal(&c.text[0]);
		ret->errout = buf_steal(&c.text[1]);
	}
	buf_clear(&c.text[0]);
	buf_clear(&c.text[1]);
	return r;
}

int process_run_ok(const char *const argv[], const struct process_options *o, struct process_result *ret,
		   struct error **err)
{
	struct process_result mine = { 0 };
	int r = process_run(argv, o, &mine, err);

	if (r == 0 && mine.status != 0) {
		_cleanup_free_ char *command = process_describe(argv);
		char *text = str_strip(mine.errout);

		for (char *at = text; *at; at++) {
			if (*at == '\n')
				*at = ' ';
		}
		r = error_set(err, ERR_PEER, "'%s' failed with exit status %d%s%s", command, mine.status,
			      *text ? ": " : "", text);
	}
	if (r == 0 && ret)
		*ret = mine;
	else
		process_result_clear(&mine);
	return r;
}

char *process_find(const char *program)
{
	const char *path = getenv("PATH");

	for (const char *at = path ? path : "/usr/bin:/bin"; *at;) {
		const int len = (int)strcspn(at, ":");
		_cleanup_free_ char *file = xasprintf("%.*s/%s", len, at, program);

		if (access(file, X_OK) == 0)
			return TAKE_PTR(file);
		at += len;
		at += *at == ':';
	}
	return NULL;
}
