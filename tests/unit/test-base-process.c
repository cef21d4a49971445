/* lib/base/process: running tools. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"
#include "tap.h"

static void test_processes(void)
{
	const char *const hello[] = { "sh", "-c", "echo out; echo err >&2; exit 3", NULL };
	const char *const killed[] = { "sh", "-c", "kill -USR1 $$", NULL };
	const char *const missing[] = { "/nonexistent/tool", NULL };
	const char *const sleeper[] = { "sleep", "60", NULL };
	const char *const daemon[] = { "sh", "-c", "sleep 60 & echo started $!", NULL };
	struct process_result r = { 0 };
	_cleanup_error_ struct error *err = NULL;
	uint64_t begin = units_now_ns();
	uint64_t pid = 0;

	ok(process_run(hello, NULL, &r, &err) == 0 && r.status == 3 && !strcmp(r.out, "out\n") &&
		   !strcmp(r.errout, "err\n"),
	   "output and exit status are collected");
	process_result_clear(&r);
	ok(process_run(killed, NULL, &r, &err) == 0 && r.status == 128 + SIGUSR1 && r.signal == SIGUSR1,
	   "a signal that ended it is known");
	process_result_clear(&r);
	ok(process_run_ok(hello, NULL, NULL, &err) == ERR_PEER &&
		   strstr(error_message(err), "exit status 3: err"),
	   "a failing tool is an error that shows what it said");
	error_free(TAKE_PTR(err));
	ok(process_run(missing, NULL, NULL, &err) == ERR_NOT_FOUND &&
		   strstr(error_message(err), "/nonexistent/tool"),
	   "a missing tool is named");
	error_free(TAKE_PTR(err));
	ok(process_run(sleeper, &(struct process_options){ .timeout_ms = 300 }, NULL, &err) == ERR_TIMEOUT &&
		   units_now_ns() - begin < 10 * UINT64_C(1000000000),
	   "a tool that hangs is killed in time");
	begin = units_now_ns();
	ok(process_run(daemon, NULL, &r, NULL) == 0 && str_prefix(r.out, "started ", NULL) &&
		   units_now_ns() - begin < 10 * UINT64_C(1000000000),
	   "a daemon that keeps the output open does not hold us up");
	if (r.out &&
	    units_parse_u64(str_strip(r.out + strlen("started ")), 2, INT32_MAX, "pid", &pid, NULL) == 0)
		kill((pid_t)pid, SIGKILL);
	process_result_clear(&r);
}

/* What root's crontab gives. */
static void test_path(void)
{
	static const char *const show[] = { "/bin/sh", "-c", "echo \"$PATH\"", NULL };
	static const struct {
		const char *own, *want;
	} all[] = {
		{ "/usr/bin:/bin", "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n" },
		{ "/bin:/usr/sbin:/sbin:/usr/local/sbin", "/bin:/usr/sbin:/sbin:/usr/local/sbin\n" },
		{ "/sbin/y:/usr/bin:/usr/sbin", "/sbin/y:/usr/bin:/usr/sbin:/usr/local/sbin:/sbin\n" },
		{ "/nowhere", "/nowhere\n" },
		{ NULL, "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n" },
	};
	_cleanup_free_ char *before = xstrdup_null(getenv("PATH"));

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct process_result r = { 0 };

		if (all[i].own)
			setenv("PATH", all[i].own, 1);
		else
			unsetenv("PATH");
		process_run(show, &(struct process_options){ .clean_env = i % 2 }, &r, NULL);
		is_text(TAKE_PTR(r.out), all[i].want, "a child's PATH");
		process_result_clear(&r);
	}
	if (before)
		setenv("PATH", before, 1);
}

/* True once the process is gone, or waits for a parent that does not ask, within two seconds. */
static bool ends(uint64_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", (int)pid);

	for (int i = 0; i < 200; i++) {
		_cleanup_buf_ struct buf command = BUF_INIT;

		if (io_read_file(path, 4096, &command, NULL) < 0 || !command.len)
			return true;
		usleep(10000);
	}
	return false;
}

/* mount(8) does its work in a helper. */
static void test_group(void)
{
	char path[] = "/tmp/test-base-XXXXXX";
	int fd = mkstemp(path);
	_cleanup_free_ char *script = xasprintf("sleep 60 & echo $! > %s; wait", path);
	const char *const argv[] = { "sh", "-c", script, NULL };
	const struct process_options o = { .timeout_ms = 500, .group = true };
	_cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t pid = 0;

	ok(process_run(argv, &o, NULL, NULL) == ERR_TIMEOUT, "a tool with a helper hangs");
	ok(io_read_file(path, 64, &text, NULL) == 0 && text.len &&
		   units_parse_u64(str_strip(text.data), 2, INT32_MAX, "pid", &pid, NULL) == 0 && ends(pid),
	   "the helper is killed with it");
	close(fd);
	unlink(path);
}

static void test_child_nobody_waits_for(void)
{
	const char *const tool[] = { "sh", "-c", "exit 0", NULL };
	void (*before)(int) = signal(SIGCHLD, SIG_IGN);

	ok(process_run(tool, NULL, NULL, NULL) == -ECHILD,
	   "with SIGCHLD ignored nobody can tell how a tool ended: an error, not a wait for ever");
	signal(SIGCHLD, before);
}

int main(void)
{
	test_processes();
	test_path();
	test_group();
	test_child_nobody_waits_for();
	return done_testing();
}
