/* What a run leaves behind: records of its guests, which go again, and figures for monitoring. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "report/record.h"
#include "status/after-run.h"
#include "tap.h"
#include "test-root.h"

static unsigned errors;
static char *last_error;

static void on_line(const struct log *l, enum log_level level, const char *line)
{
	(void)l;
	diag("%s", line);
	if (level != LOG_LEVEL_ERROR)
		return;
	errors++;
	free(last_error);
	last_error = xstrdup(line);
}

static const struct log to_diag = { .line = on_line };
static const struct host host = { .paths = &paths, .log = &to_diag };

static struct task_report tasks[] = {
	{ .vmid = 100,
	  .name = (char *)"a\\b\"c",
	  .outcome = TASK_SAVED,
	  .mode = "snapshot",
	  .start = 1700000000,
	  .ns = 1500000,
	  .archive = (char *)"-",
	  .archive_size = 10,
	  .incremental = { .asked = true, .chained = true, .generation = 3, .changed = 6, .shared = 8 } },
	{ .vmid = 101,
	  .outcome = TASK_FAILED,
	  .start = 1700000100,
	  .error = (char *)"its configuration is damaged" },
	{ .vmid = 102, .outcome = TASK_TODO },
	{ .vmid = 999, .outcome = TASK_FAILED, .start = 1700000100, .error = (char *)"there is none" },
};
static struct job_report run = {
	.start = 1700000000, .ns = 61000000001, .tasks = tasks, .n = ARRAY_SIZE(tasks), .node = (char *)"pve1"
};

static void put_guest(const char *file)
{
	_cleanup_free_ char *path = xasprintf("/etc/pve/%s", file);

	put(path, "memory: 16\n");
}

static void test_records(void)
{
	put_guest("qemu-server/100.conf");
	put_guest("qemu-server/101.conf");
	put_guest("qemu-server/102.conf");
	after_run(&host, NULL, &run);
	ok(is_there("/var/log/vzdump/guests/100.json") && is_there("/var/log/vzdump/guests/101.json"),
	   "guests that were reached have records");
	ok(!is_there("/var/log/vzdump/guests/102.json"), "one that was not reached has none");
	ok(!is_there("/var/log/vzdump/guests/999.json"), "nor has an id that no guest has");
	ok(errors == 0, "without errors");
}

static void set_age(const char *file, int days)
{
	_cleanup_free_ char *path = paths_get(&paths, "%s", file);
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = time(NULL) - (time_t)days * 24 * 3600 } };

	put(file, "{}");
	utimensat(AT_FDCWD, path, times, 0);
}

static void test_forget(void)
{
	put_guest("nodes/pve2/qemu-server/200.conf");
	set_age("/var/log/vzdump/guests/100.json", 400);
	set_age("/var/log/vzdump/guests/200.json", 400);
	set_age("/var/log/vzdump/guests/300.json", RECORD_KEEP_DAYS + 1);
	set_age("/var/log/vzdump/guests/300.verified.json", RECORD_KEEP_DAYS + 1);
	set_age("/var/log/vzdump/guests/301.json", RECORD_KEEP_DAYS - 1);
	set_age("/var/log/vzdump/guests/100.json.tmp.77", RECORD_KEEP_DAYS + 1);
	after_run(&host, NULL, &(struct job_report){ .start = 1700000000 });
	ok(is_there("/var/log/vzdump/guests/100.json"), "a guest's record stays, whatever its age");
	ok(is_there("/var/log/vzdump/guests/200.json"), "also that of one that is on another node now");
	ok(!is_there("/var/log/vzdump/guests/300.json") &&
		   !is_there("/var/log/vzdump/guests/300.verified.json"),
	   "those of a guest that has gone are removed");
	ok(is_there("/var/log/vzdump/guests/301.json"), "but not at once");
	ok(!is_there("/var/log/vzdump/guests/100.json.tmp.77"), "half-written files go as well");
}

static void test_no_guests(void)
{
	_cleanup_free_ char *etc = paths_get(&paths, "/etc");

	io_remove_tree(etc, NULL);
	set_age("/var/log/vzdump/guests/300.json", 400);
	after_run(&host, NULL, &(struct job_report){ .start = 1700000000 });
	ok(is_there("/var/log/vzdump/guests/300.json"), "if no guest is found at all, no record goes");
}

static char *write_figures(void)
{
	_cleanup_free_ char *path = paths_get(&paths, "/m/vzdump.prom");
	_cleanup_buf_ struct buf text = BUF_INIT;

	after_run(&host, path, &run);
	io_read_file(path, 1 << 20, &text, NULL);
	return buf_steal(&text);
}

static unsigned times_in(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void test_figures(void)
{
	_cleanup_free_ char *path = paths_get(&paths, "/m/vzdump.prom"), *text = NULL;
	struct stat st;

	put_guest("qemu-server/100.conf");
	put_guest("nodes/pve2/qemu-server/101.conf");
	put("/m/vzdump.prom", "old");
	chmod(path, 0600);
	umask(077);
	text = write_figures();
	ok(strstr(text, "\nvzdump_guest_last_run_timestamp_seconds{vmid=\"100\"} 1700000000\n") &&
		   strstr(text, "\nvzdump_guest_last_run_duration_seconds{vmid=\"100\"} 0.001500\n") &&
		   strstr(text, "\nvzdump_last_run_duration_seconds 61.000000\n"),
	   "seconds");
	ok(strstr(text, "name=\"a\\\\b\\\"c\"") != NULL, "labels are escaped");
	ok(!strstr(text, "vmid=\"101\"") && !strstr(text, "vmid=\"999\""), "guests of this node alone");
	ok(strstr(text, "\nvzdump_guest_last_run_new_bytes{vmid=\"100\"} 2\n") &&
		   strstr(text, "\nvzdump_guest_last_run_shared_bytes{vmid=\"100\"} 8\n") &&
		   strstr(text, "\nvzdump_guest_last_run_changed_bytes{vmid=\"100\"} 6\n") &&
		   strstr(text, "\nvzdump_guest_last_run_generation{vmid=\"100\"} 3\n"),
	   "an incremental backup");
	ok(!strstr(text, "fleecing"), "no figure without a sample");
	ok(times_in(text, "# HELP vzdump_guest_info ") == 1 &&
		   times_in(text, "# TYPE ") == times_in(text, "# HELP "),
	   "each name has its help and type once");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644, "others may read the file");
}

static void test_no_record(void)
{
	_cleanup_free_ char *folder = paths_get(&paths, "/var/log/vzdump/guests"), *text = NULL;
	const unsigned before = errors;

	io_remove_tree(folder, NULL);
	put("/var/log/vzdump/guests", "in the way");
	text = write_figures();
	ok(errors == before + 1 && strstr(last_error, folder), "records that cannot be kept are one error");
	ok(strstr(text, "\nvzdump_last_run_timestamp_seconds 1700000000\n"),
	   "and the figures of the run are written");
}

static void test_not_written(void)
{
	_cleanup_free_ char *path = paths_get(&paths, "/nowhere/vzdump.prom"),
			    *folder = paths_get(&paths, "/m"), *link = paths_get(&paths, "/m/link"),
			    *pipe = paths_get(&paths, "/m/pipe");
	struct stat st;
	const unsigned before = errors;

	after_run(&host, path, &run);
	ok(errors == before + 1 && strstr(last_error, path), "an error names the file");
	after_run(&host, folder, &run);
	ok(errors == before + 2 && is_there("/m/vzdump.prom"), "a folder is not replaced");
	symlink(path, link);
	after_run(&host, link, &run);
	ok(errors == before + 3 && lstat(link, &st) == 0 && S_ISLNK(st.st_mode),
	   "nor a symbolic link, such as /dev/stdout");
	mkfifo(pipe, 0600);
	after_run(&host, pipe, &run);
	ok(errors == before + 4 && strstr(last_error, pipe) && lstat(pipe, &st) == 0 && S_ISFIFO(st.st_mode),
	   "nor what else is no regular file, such as /dev/null");
}

int main(void)
{
	root_make();
	test_records();
	test_forget();
	test_no_guests();
	test_figures();
	test_not_written();
	test_no_record();
	root_remove();
	free(last_error);
	return done_testing();
}
