#include "schedule/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/units.h"
#include "schedule/job-files.h"
#include "schedule/job-run.h"

#define LOG_MAX      ((off_t)MIB) /* a longer log becomes the old one when a run begins */
#define TAIL_MAX     ((off_t)64 << 10)
#define FIRST_FD     3
#define SIGNAL_FLOOR 128

/* ---- the log of the job ---- */

/* Standard output and error become the log; without one they are lost, but the job is not. */
static void open_log(const char *path)
{
	_cleanup_free_ char *folder = io_parent(path), *old = xasprintf("%s.1", path);
	struct stat st;
	int null = open("/dev/null", O_RDWR);
	int fd;

	io_mkdir_p(folder, 0755, NULL);
	if (stat(path, &st) == 0 && st.st_size > LOG_MAX)
		rename(path, old);
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0640);
	dup2(null, STDIN_FILENO);
	dup2(fd >= 0 ? fd : null, STDOUT_FILENO);
	dup2(fd >= 0 ? fd : null, STDERR_FILENO);
}

__attribute__((format(printf, 1, 2))) static void log_line(const char *fmt, ...)
{
	time_t now = time(NULL);
	_cleanup_free_ char *text = NULL;
	char stamp[32];
	struct tm tm;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	dprintf(STDOUT_FILENO, "%s %s\n", stamp, text);
}

static off_t log_size(void)
{
	struct stat st;

	return fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;
}

/* What was printed since the log had that size; of much, the end. */
static void read_since(off_t from, struct buf *ret)
{
	const off_t size = log_size();
	off_t len = size > from ? size - from : 0;
	ssize_t n;

	if (len > TAIL_MAX)
		len = TAIL_MAX;
	if (!len)
		return;
	n = io_pread_full(STDOUT_FILENO, buf_reserve(ret, (size_t)len), (size_t)len, size - len);
	if (n > 0)
		buf_added(ret, (size_t)n);
}

/* ---- how the run ended ---- */

enum which_line {
	FIRST_LINE,
	LAST_LINE,
};

/* A line that begins so, without what it begins with; "": one that is not empty.  NULL: none. */
static char *find_line(const char *text, enum which_line which, const char *begins)
{
	char *found = NULL;
	const char *line;
	size_t len;

	while (!(found && which == FIRST_LINE) && str_next_line(&text, &line, &len)) {
		_cleanup_free_ char *copy = xstrndup(line, len);
		const char *rest;

		if (str_prefix(copy, begins, &rest) && *rest) {
			free(found);
			found = xstrdup(rest);
		}
	}
	return found;
}

/* Later errors may be about what follows from the first one, or about a mail that could not be sent. */
static char *error_of(const char *text, int status)
{
	char *line = find_line(text, FIRST_LINE, "ERROR: ");

	if (!line)
		line = find_line(text, LAST_LINE, "");
	if (!line && status > SIGNAL_FLOOR)
		line = xasprintf("vzdump was ended by signal %d", status - SIGNAL_FLOOR);
	if (!line)
		line = xasprintf("vzdump ended with exit status %d", status);
	return line;
}

/* PVE's words for how a task ended. */
static char *result_of(const char *text, int status)
{
	_cleanup_free_ char *warnings = status ? NULL : find_line(text, LAST_LINE, "Task finished with ");
	char *line;

	if (warnings)
		return xasprintf("WARNINGS: %.*s", (int)strspn(warnings, "0123456789"), warnings);
	line = status ? error_of(text, status) : xstrdup("OK");
	return text_clean(line);
}

/* ---- the process ---- */

static void on_signal(int sig)
{
	(void)sig;
}

/*
 * Whatever ends the host or the service ends vzdump, and the supervisor tells how it ended.  A handler, since
 * vzdump would inherit signals that are ignored.
 */
static void outlive_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPIPE };
	const struct sigaction nothing = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &nothing, NULL);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing of the scheduler stays open, least of all its own lock; lock gets the lowest free number. */
static int keep_only(int lock)
{
	if (lock != FIRST_FD) {
		dup2(lock, FIRST_FD);
		lock = FIRST_FD;
	}
	closefrom(FIRST_FD + 1);
	fcntl(lock, F_SETFD, FD_CLOEXEC);
	return lock;
}

/* The record of the run, which is written at each step. */
struct record {
	const struct paths *paths;
	const char *id;
	struct job_run run;
};

static int write_record(const struct record *r)
{
	_cleanup_error_ struct error *err = NULL;
	int code = job_run_save(r->paths, r->id, &r->run, &err);

	if (code < 0)
		log_line("%s", error_message(err));
	return code;
}

static int spawn_vzdump(const char *program, const char *id, int lock, pid_t *ret, struct error **err)
{
	const char *const argv[] = { program, "--job", id, "--quiet", "1", NULL };
	const struct process_options o = { .stdout_fd = STDOUT_FILENO,
					   .stderr_fd = STDERR_FILENO,
					   .keep_fds = &lock,
					   .n_keep_fds = 1,
					   .detach = true };

	return process_spawn(argv, &o, ret, err);
}

/* How it ended. */
static char *run_vzdump(struct record *r, const char *program, int lock)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buf_ struct buf printed = BUF_INIT;
	off_t before;
	int status;
	pid_t pid;

	log_line("%s --job %s --quiet 1", program, r->id);
	before = log_size();
	if (spawn_vzdump(program, r->id, lock, &pid, &err) < 0)
		return xstrdup(error_message(err));
	r->run.vzdump = pid;
	write_record(r);
	if (process_wait(pid, -1, &status, &err) < 0)
		return xstrdup(error_message(err));
	read_since(before, &printed);
	return result_of(buf_str(&printed), status);
}

/*
 * A record that can be written is a condition of the run: without one the next pass would take it that the
 * run has not begun, and start another one.
 */
static void supervise(struct record *r, const char *program, int lock)
{
	if (write_record(r) < 0) {
		log_line("not started");
		return;
	}
	r->run.msg = run_vzdump(r, program, lock);
	log_line("ended: %s", r->run.msg);
	r->run.ended = time(NULL);
	write_record(r);
}

static _Noreturn void child_main(const struct paths *p, const char *id, const char *program, int lock)
{
	_cleanup_free_ char *log = job_log_file(p, id);
	struct record record = { .paths = p, .id = id, .run = { .pid = getpid(), .begun = time(NULL) } };

	setsid();
	prctl(PR_SET_NAME, "vzdump-job");
	outlive_signals();
	open_log(log);
	supervise(&record, program, keep_only(lock));
	_exit(0);
}

int supervisor_start(const struct paths *p, const char *id, const char *program, int lock, pid_t *ret,
		     struct error **err)
{
	*ret = fork();
	if (*ret < 0)
		return error_errno(err, errno, "cannot start a process");
	if (*ret == 0)
		child_main(p, id, program, lock);
	return 0;
}
