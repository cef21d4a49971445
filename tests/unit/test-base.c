/* lib/base: numbers, strings, processes, files. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/units.h"
#include "tap.h"

static void is_text(char *got, const char *want, const char *what)
{
	if (!ok(!strcmp(got, want), "%s is '%s'", what, want))
		diag("got '%s'", got);
	free(got);
}

/* Names and tools' output may hold anything. */
static void test_error_is_one_line(void)
{
	struct error *err = NULL;

	error_set(&err, ERR_INVALID, "volume '%s'", "a\nb\tc\033[2Jd");
	is_text(xstrdup(error_message(err)), "volume 'a b\tc?[2Jd'", "what breaks lines");
	error_prefix(&err, "x\ny\xc2\x9b"
			   "31m");
	is_text(xstrdup(error_message(err)), "x y?31m: volume 'a b\tc?[2Jd'", "and what a prefix does");
	error_free(err);
}

static void test_context_keeps_the_failure(void)
{
	struct error *err = NULL;

	ok(error_wrap(NULL, ERR_CORRUPT, "index") == ERR_CORRUPT,
	   "a failure stays one for who wants no text");
	ok(error_wrap(&err, -EIO, "index") == -EIO && !err, "and where there is none yet");
	error_set(&err, ERR_PEER, "no");
	ok(error_wrap(&err, ERR_INVALID, "disk '%s'", "scsi0") == ERR_INVALID && err->code == ERR_INVALID,
	   "the code given is the error's, too");
	is_text(xstrdup(error_message(err)), "disk 'scsi0': no", "the context stands in front");
	error_free(err);
}

/* NOLINTBEGIN(misc-misleading-bidirectional): that is what it is about */
static void test_text_is_harmless(void)
{
	static const struct {
		const char *what, *text, *shown;
	} cases[] = {
		{ "letters of any script", "Gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xf0\x9f\x90\xa7\tx",
		  "Gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xf0\x9f\x90\xa7\tx" },
		{ "an escape sequence", "\033]0;x\007\033[2J\177", "?]0;x??[2J?" },
		{ "the first and last C1 control", "a\xc2\x80\xc2\x9f\xc2\xa0", "a??\xc2\xa0" },
		/* clang-format off */
		{ "a bare C1 byte", "a\x9b" "31m", "a?31m" },
		/* clang-format on */
		{ "bidi overrides", "\xe2\x80\xaa\xe2\x80\xae|\xe2\x81\xa6\xe2\x81\xa9", "??|??" },
		{ "bidi marks", "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "???" },
		/* clang-format off */
		{ "breaks of lines", "a\nb\rc\xe2\x80\xa8" "d\xe2\x80\xa9" "e\xc2\x85" "f", "a b c d e f" },
		/* clang-format on */
		{ "an overlong escape", "\xc0\x9b\xe0\x80\x9b", "?????" },
		{ "a surrogate", "\xed\xa0\x80", "???" },
		{ "what is behind Unicode", "\xf4\x90\x80\x80\xf8", "?????" },
		{ "half a character", "a\xe2\x80", "a??" },
	};
	_cleanup_free_ char *json = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_text(text_cleaned(cases[i].text), cases[i].shown, cases[i].what);
	is_text(text_as_utf8("\xc3\xbc"), "\xc3\xbc", "UTF-8 stays UTF-8");
	is_text(text_as_utf8("a\xfc"), "a\xc3\xbc", "and else bytes are characters");
	json = text_escape_json("{\n\t\"a\": \"\xc2\x9b\xe2\x80\xae\177\xc3\xbc\"}");
	ok(!strcmp(json, "{\n\t\"a\": \"\\u009b\\u202e\\u007f\xc3\xbc\"}"), "JSON escapes what it can");
}

/* NOLINTEND(misc-misleading-bidirectional) */

/* Bytes of which many are parts of characters that are obeyed; the same in each run. */
static void make_noise(uint32_t seed, char *out, size_t len)
{
	static const char parts[] =
		"\xc2\x80\x9b\x9f\xe2\x80\x81\xa6\xa8\xaa\xed\xf0\xf4\x90\x1b\n\td8\xd8\x9c";

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		out[i] = parts[(seed >> 16) % (sizeof(parts) - 1)];
	}
	out[len] = '\0';
}

static void test_text_of_noise(void)
{
	unsigned bad = 0;

	for (uint32_t seed = 1; seed <= 20000; seed++) {
		char noise[24];
		_cleanup_free_ char *text = NULL, *again = NULL, *utf8 = NULL, *json = NULL;

		make_noise(seed, noise, seed % sizeof(noise));
		text = text_cleaned(noise);
		again = text_cleaned(text);
		utf8 = text_as_utf8(text);
		json = text_escape_json(text);
		bad += strlen(text) > strlen(noise) || strcmp(text, again) != 0 || strcmp(text, utf8) != 0 ||
		       strcmp(text, json) != 0;
	}
	ok(bad == 0,
	   "of 20000 texts of noise each is UTF-8 when it is clean, not longer, and stays as it is");
}

static void keep_line(void *opaque, enum log_level level, const char *line)
{
	buf_addf(opaque, "%d:%s|", (int)level, line);
}

static void test_log_is_harmless(void)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct log log = { .line = keep_line, .opaque = &b };

	log_info(&log, "a\tb\r\n\n%s", "\033[1mc\rd\n");
	log_warn(&log, "\xc2\x9b");
	log_debug(&log, "not wanted");
	is_text(buf_steal(&b), "1:a\tb|1:?[1mc d|2:?|", "each line of the log");
	log.debug = true;
	log_debug(&log, "wanted");
	is_text(buf_steal(&b), "0:wanted|", "a line for developers goes to who asked for such lines, and");
}

static void test_proc(void)
{
	uint64_t mine, again;
	int64_t at;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	ok(proc_alive(getpid()) && proc_start_ticks(getpid(), &mine) && proc_start_ticks(getpid(), &again) &&
		   mine == again,
	   "this process lives, and has one start time");
	ok(proc_start_time(getpid(), &at) && at <= time(NULL) + 1 && at > time(NULL) - 86400,
	   "which is a time of today");
	ok(child > 0 && waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT) == 0 &&
		   !proc_alive(child),
	   "one that ended and was not asked how is not alive");
	waitpid(child, NULL, 0);
	ok(!proc_alive(child) && !proc_alive(0) && !proc_start_ticks(-1, &mine),
	   "nor is one that is not there");
}

static void test_units(void)
{
	uint64_t n = 0;
	bool b = false;

	is_text(units_bytes(0, 1), "0.0 B", "nothing");
	is_text(units_bytes(1023, 2), "1023.00 B", "just under a KiB");
	is_text(units_bytes(12670153523, 1), "11.8 GiB", "PVE's example");
	is_text(units_archive_size(3 * KIB + 1000), "3KB", "a small archive");
	is_text(units_archive_size(GIB * 6 / 5), "1.20GB", "a large archive");
	is_text(units_duration(0), "0s", "no time");
	is_text(units_duration(3600 * 25 + 61), "1d 1h 1m 1s", "a day and more");
	is_text(units_hms(3725), "01:02:05", "an hour and more");
	is_text(units_disk_size(32 * GIB), "32G", "a disk of whole GiB");
	is_text(units_disk_size(540672), "528K", "an EFI disk");
	is_text(units_disk_size(1000), "1000", "a size no unit divides");
	ok(units_parse_disk_size("1.5G", &n) && n == GIB * 3 / 2, "1.5G is read");
	ok(units_parse_disk_size("9007199254740993", &n) && n == 9007199254740993,
	   "plain bytes stay exact beyond a double's digits");
	ok(!units_parse_disk_size("5X", &n) && !units_parse_disk_size("", &n) &&
		   !units_parse_disk_size("-1", &n) && !units_parse_disk_size("1GG", &n),
	   "what is no size is refused");
	ok(units_parse_bool("YES", &b) && b && units_parse_bool("off", &b) && !b &&
		   !units_parse_bool("2", &b),
	   "booleans are PVE's, in any case");
	ok(units_parse_u64("18446744073709551616", 0, UINT64_MAX, "n", &n, NULL) == ERR_INVALID &&
		   units_parse_u64("+1", 0, 9, "n", &n, NULL) == ERR_INVALID &&
		   units_parse_u64("10", 0, 9, "n", &n, NULL) == ERR_INVALID &&
		   units_parse_u64("9", 0, 9, "n", &n, NULL) == 0 && n == 9,
	   "numbers out of range or with signs are refused");
}

static void test_strings(void)
{
	_cleanup_strv_ char **list = strv_split_list(" 100,101;102\t103,, ");
	_cleanup_strv_ char **args = strv_split_args("a 'b c' \"d\\\"e\" f\\ g ''");

	is_text(strv_join(list, "|"), "100|101|102|103", "a list split as PVE does");
	is_text(strv_join(args, "|"), "a|b c|d\"e|f g|", "a command line");
	ok(strv_split_args("'open") == NULL, "an open quote is refused");
	is_text(str_shellquote("a=b,c:/d"), "a=b,c:/d", "a harmless word");
	is_text(str_shellquote("it's"), "'it'\\''s'", "a word with a quote");
	is_text(str_shellquote(""), "''", "an empty word");
}

static void test_zero(void)
{
	unsigned char data[4096 + 3] = { 0 };
	bool good = true;

	ok(io_is_zero(data, sizeof(data)) && io_is_zero(data, 0), "zeroes are zero");
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = 1;
		good &= !io_is_zero(data, sizeof(data)) && !io_is_zero(data + i, 1);
		data[i] = 0;
	}
	ok(good, "one byte anywhere is found");
}

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

static void test_cancel(void)
{
	const char *const sleeper[] = { "sleep", "60", NULL };
	const char *const deaf[] = { "sh", "-c", "trap '' TERM; exec > /dev/null 2>&1; sleep 60 & wait",
				     NULL };
	const char *const quick[] = { "true", NULL };
	const uint64_t begin = units_now_ns();
	struct process_result r = { 0 };
	struct cancel c;

	ok(cancel_init(&c, NULL) == 0 && !cancel_requested(&c) && cancel_sleep(&c, 1, NULL) == 0,
	   "nothing is requested at first");
	cancel_request(&c);
	ok(cancel_requested(&c) && cancel_sleep(&c, 60000, NULL) == ERR_CANCELED, "a request ends a sleep");
	ok(process_run(sleeper, &(struct process_options){ .cancel = &c }, NULL, NULL) == ERR_CANCELED,
	   "and a tool that runs");
	ok(process_run(deaf, &(struct process_options){ .cancel = &c, .group = true }, NULL, NULL) ==
			   ERR_CANCELED &&
		   units_now_ns() - begin < 30 * UINT64_C(1000000000),
	   "also one that has closed its output and ignores SIGTERM");
	ok(process_run(quick, &(struct process_options){ .cancel = &c, .cancel_ignored = 1 }, &r, NULL) ==
			   0 &&
		   r.status == 0,
	   "what tidies up runs after a request");
	cancel_request(&c);
	ok(cancel_count(&c) == 2 &&
		   process_run(sleeper, &(struct process_options){ .cancel = &c, .cancel_ignored = 1 }, NULL,
			       NULL) == ERR_CANCELED,
	   "until there is a further one");
	process_result_clear(&r);
	cancel_clear(&c);
}

/* How the calls of test_bounded() went, and what they wait for. */
struct slow {
	int go_fd;
	atomic_int cleared;
};

static int wait_for_go(void *arg, struct error **err)
{
	struct slow *s = arg;
	char byte;

	return read(s->go_fd, &byte, 1) == 1 ? 5 : error_set(err, ERR_PEER, "the pipe is closed");
}

static void note_cleared(void *arg)
{
	struct slow *s = arg;

	atomic_store(&s->cleared, 1);
}

static bool is_cleared(struct slow *s)
{
	for (int i = 0; i < 6000 && !s->cleared; i++)
		usleep(10000);
	return atomic_exchange(&s->cleared, 0);
}

static void test_child_nobody_waits_for(void)
{
	const char *const tool[] = { "sh", "-c", "exit 0", NULL };
	void (*before)(int) = signal(SIGCHLD, SIG_IGN);

	ok(process_run(tool, NULL, NULL, NULL) == -ECHILD,
	   "with SIGCHLD ignored nobody can tell how a tool ended: an error, not a wait for ever");
	signal(SIGCHLD, before);
}

static void test_bounded(void)
{
	struct slow s = { 0 };
	const struct bounded_call call = { .call = wait_for_go, .clear = note_cleared, .arg = &s };
	_cleanup_error_ struct error *err = NULL;
	struct cancel c;
	int pipes[2];

	if (pipe(pipes) < 0 || cancel_init(&c, NULL) < 0) {
		ok(false, "a pipe");
		return;
	}
	s.go_fd = pipes[0];
	ok(write(pipes[1], "x", 1) == 1 && bounded_run(&call, 0, &c, &err) == 5 && is_cleared(&s),
	   "a call that comes back gives its result");
	ok(bounded_run(&call, 20, NULL, &err) == ERR_TIMEOUT && !s.cleared,
	   "one that hangs is left to itself");
	error_free(TAKE_PTR(err));
	ok(write(pipes[1], "x", 1) == 1, "and told to go on");
	ok(is_cleared(&s), "it frees what it needed when it comes back after all");
	cancel_request(&c);
	ok(bounded_run(&call, 0, &c, NULL) == ERR_CANCELED, "a request to stop ends the wait for one");
	close(pipes[1]);
	ok(is_cleared(&s), "whose error is nobody's any more");
	close(pipes[0]);
	cancel_clear(&c);
	ok(bounded_unlink("/nonexistent/file", 1000, NULL) == 0, "what is not there need not be removed");
	ok(bounded_unlink("/proc/self", 1000, &err) < 0 && strstr(error_message(err), "/proc/self"),
	   "a file that cannot be removed is named");
}

static void test_files(void)
{
	char dir[] = "/tmp/vzdump-test-XXXXXX";
	_cleanup_free_ char *path = NULL, *deep = NULL, *outside = NULL, *link = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (!mkdtemp(dir)) {
		ok(false, "a temporary folder");
		return;
	}
	path = xasprintf("%s/file", dir);
	deep = xasprintf("%s/a/b/c", dir);
	outside = xasprintf("%s.outside", dir);
	link = xasprintf("%s/a/link", dir);
	ok(io_write_file_atomic(path, "hello", 5, 0640, NULL, NULL) == 0 &&
		   io_read_file(path, 5, &text, NULL) == 0 && !strcmp(buf_str(&text), "hello"),
	   "a file is written whole and read back");
	buf_reset(&text);
	ok(io_read_file(path, 4, &text, NULL) == ERR_INVALID, "a file over the limit is refused");
	ok(io_mkdir_p(deep, 0700, NULL) == 0 && io_mkdir_p(deep, 0700, NULL) == 0,
	   "folders are made with their parents, twice without harm");
	ok(io_mkdir_p(path, 0700, NULL) < 0, "a file in the way is an error");
	mkdir(outside, 0700);
	ok(symlink(outside, link) == 0 && io_remove_tree(dir, NULL) == 0 && access(dir, F_OK) < 0 &&
		   access(outside, F_OK) == 0,
	   "removing a tree does not follow links out of it");
	rmdir(outside);
}

int main(void)
{
	test_error_is_one_line();
	test_context_keeps_the_failure();
	test_text_is_harmless();
	test_text_of_noise();
	test_log_is_harmless();
	test_proc();
	test_units();
	test_strings();
	test_zero();
	test_processes();
	test_path();
	test_group();
	test_cancel();
	test_child_nobody_waits_for();
	test_bounded();
	test_files();
	return done_testing();
}
