/* Who is stopped by --stop, and who holds a lock: real processes that hold real locks. */
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "storage/host.h"
#include "backup/job.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/lock-holder.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"
#include "tap.h"

static char root[] = "/tmp/vzdump-test.XXXXXX";
static struct buf said;

static void keep_line(const struct log *log, enum log_level level, const char *line)
{
	(void)level;
	buf_addf(log->opaque, "%s\n", line);
}

static char *at_root(const char *path)
{
	return xasprintf("%s%s", root, path);
}

/* A process of that name that holds the lock; waits for it to have it. */
static pid_t start_holder(const char *name)
{
	_cleanup_free_ char *path = at_root("/run/vzdump.lock");
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		prctl(PR_SET_NAME, name);
		if (flock(fd, LOCK_EX) < 0 || write(ready[1], "x", 1) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		diag("the holder failed");
	close(ready[0]);
	return pid;
}

/* Reads pid_file's text, of a process named `name`, and says whether --stop ends it. */
static bool is_ended(const char *name, const char *(*text_of)(pid_t pid, char *text, size_t len), int mtime)
{
	_cleanup_free_ char *path = at_root("/run/vzdump.pid");
	_cleanup_free_ char *paths_root = at_root("");
	struct paths paths;
	const struct log log = { .line = keep_line, .opaque = &said };
	const struct host host = { .paths = &paths, .log = &log };
	struct error *err = NULL;
	const pid_t pid = start_holder(name);
	char text[256];
	FILE *file;
	int status;
	bool ended = false;

	paths_init(&paths, paths_root);
	buf_reset(&said);
	text_of(pid, text, sizeof(text));
	file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		diag("cannot write %s", path);
	if (mtime)
		utimensat(AT_FDCWD, path, (struct timespec[]){ { mtime, 0 }, { mtime, 0 } }, 0);
	ok(job_stop_running(&host, &err) == 0, "  --stop is no error");
	/* by the time --stop returns it has ended, but a thread of the sanitizer may need a moment */
	for (int i = 0; i < 20 && !ended; i++) {
		ended = waitpid(pid, &status, WNOHANG) == pid;
		usleep(ended ? 0 : 5000);
	}
	if (!ended) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	paths_clear(&paths);
	error_free(err);
	return ended;
}

static const char *bare_pid(pid_t pid, char *text, size_t len)
{
	snprintf(text, len, "%d\n", (int)pid);
	return text;
}

static const char *upid(pid_t pid, char *text, size_t len)
{
	uint64_t ticks = 0;

	proc_start_ticks(pid, &ticks);
	snprintf(text, len, "UPID:node-1:%08X:%08X:65A0B1C2:vzdump:100:root@pam:", (unsigned)pid,
		 (unsigned)ticks);
	return text;
}

static const char *stale_upid(pid_t pid, char *text, size_t len)
{
	snprintf(text, len, "UPID:node-1:%08X:00000001:65A0B1C2:vzdump:100:root@pam:\n", (unsigned)pid);
	return text;
}

static const char *nonsense(pid_t pid, char *text, size_t len)
{
	(void)pid;
	snprintf(text, len, "UPID:node-1:1");
	return text;
}

static void test_stop(void)
{
	ok(is_ended("vzdump", upid, 0), "a process that a UPID names is ended");
	ok(is_ended("vzdump", bare_pid, 0), "so is a vzdump that a bare pid names");
	ok(!is_ended("vzdump", bare_pid, 1000000000), "one that began after the file was written is not");
	ok(!is_ended("bystander", bare_pid, 0), "nor one of another name");
	ok(strstr(buf_str(&said), "is held by bystander (pid ") != NULL, "  and who holds the lock is told");
	ok(!is_ended("vzdump", stale_upid, 0), "nor one that began at another time than the UPID's");
	ok(!is_ended("vzdump", nonsense, 0), "nor anybody if the file holds something else");
}

static void test_holder(void)
{
	_cleanup_free_ char *path = at_root("/run/vzdump.lock");
	_cleanup_free_ char *text = NULL, *nobody = NULL;
	char want[64];
	const pid_t pid = start_holder("keeper");

	snprintf(want, sizeof(want), "held by keeper (pid %d) since 20", (int)pid);
	text = lock_holder_text(path);
	if (!ok(lock_holder(path) == pid && str_prefix(text, want, NULL), "the holder of a lock is named"))
		diag("%s", text);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	nobody = lock_holder_text(path);
	ok(lock_holder(path) == 0 && strstr(nobody, "cannot be seen"), "nobody holds it when it has ended");
}

int main(void)
{
	_cleanup_free_ char *run = NULL;

	if (!mkdtemp(root))
		return 1;
	run = at_root("/run");
	mkdir(run, 0755);
	test_holder();
	test_stop();
	buf_clear(&said);
	io_remove_tree(root, NULL);
	return done_testing();
}
