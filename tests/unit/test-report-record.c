/* Records of guests' backups: what they keep, and what is made of a damaged one. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "report/record.h"
#include "tap.h"
#include "test-root.h"

static unsigned warnings;

static void on_line(const struct log *l, enum log_level level, const char *line)
{
	(void)l;
	warnings += level == LOG_LEVEL_WARN;
	diag("%s", line);
}

static const struct log to_diag = { .line = on_line };

static struct disk_report disks[] = { { .fleecing = true, .peak = 5 }, { .fleecing = true, .peak = 7 } };

static const struct task_report saved = {
	.vmid = 100,
	.name = (char *)"web \"1\"",
	.outcome = TASK_SAVED,
	.mode = "snapshot",
	.start = 1700000000,
	.ns = 2500000000,
	.archive = (char *)"/dump/a.vma.zst",
	.volid = (char *)"backup:backup/a.vma.zst",
	.archive_size = 1234,
	.size = 100,
	.read = 60,
	.zero = 40,
	.disks = disks,
	.n_disks = 2,
	.n_warnings = 3,
	.slowdown = { .limited = true,
		      .limit = 2000,
		      .reason = "reserve",
		      .times = 2,
		      .ns = 1500000000,
		      .rate = 30,
		      .lowest_rate = 20 },
	.incremental = { .asked = true, .chained = true, .generation = 4, .changed = 50, .shared = 1000 },
};
static const struct task_report failed = {
	.vmid = 100,
	.outcome = TASK_FAILED,
	.start = 1700086400,
	.error = (char *)"no space",
	.incremental = { .asked = true, .chained = true },
};
static const struct job_report job = { .node = (char *)"pve1",
				       .job_id = (char *)"backup-1",
				       .start = 1699999999 };
static const struct job_report by_hand = { .node = (char *)"pve1", .start = 1700086399 };

static const struct task_report no_chain = {
	.vmid = 100,
	.outcome = TASK_SAVED,
	.start = 1700172800,
	.archive = (char *)"/dump/a.vma.zst",
	.incremental = { .asked = true },
};

static bool save(const struct job_report *j, const struct task_report *t)
{
	return record_save(&paths, j, t, &to_diag, NULL) == 0;
}

static void test_saved(void)
{
	_cleanup_record_ struct guest_record r = { 0 };

	ok(!record_load(&paths, 100, &r, &to_diag) && !warnings, "at first there is none");
	ok(save(&job, &saved) && record_load(&paths, 100, &r, &to_diag), "one is kept");
	ok(r.last.outcome == TASK_SAVED && r.last.start == 1700000000 && r.last.ns == 2500000000 &&
		   r.last.size == 100 && r.last.read == 60 && r.last.zero == 40 &&
		   r.last.archive_size == 1234 && r.last.n_warnings == 3 && !r.last.error,
	   "with the run's numbers");
	ok(!strcmp(r.name, "web \"1\"") && !strcmp(r.last.job_id, "backup-1") &&
		   !strcmp(r.last.node, "pve1") && !strcmp(r.last.mode, "snapshot"),
	   "and names");
	ok(r.last.fleecing && r.last.peak == 12, "the peak is that of all images together");
	ok(r.last.slowdown.limited && r.last.slowdown.limit == 2000 &&
		   !strcmp(r.last.slowdown.reason, "reserve") && r.last.slowdown.times == 2 &&
		   r.last.slowdown.ns == 1500000000 && r.last.slowdown.rate == 30 &&
		   r.last.slowdown.lowest_rate == 20,
	   "and what their limit did");
	ok(r.last.incremental && r.last.generation == 4 && r.last.changed == 50 && r.last.fresh == 234 &&
		   r.last.shared == 1000,
	   "with what is new and what is shared");
	ok(r.success.start == 1700000000 && r.success.ns == 2500000000 && r.success.archive_size == 1234 &&
		   !strcmp(r.success.archive, "/dump/a.vma.zst") &&
		   !strcmp(r.success.volid, "backup:backup/a.vma.zst") &&
		   !strcmp(r.success.job_id, "backup-1"),
	   "it is the last good one, too");
}

static void test_failed(void)
{
	_cleanup_record_ struct guest_record r = { 0 };

	ok(save(&by_hand, &failed) && record_load(&paths, 100, &r, &to_diag), "a failure is kept");
	ok(r.last.outcome == TASK_FAILED && !strcmp(r.last.error, "no space") && !r.last.job_id &&
		   !r.last.fleecing && !r.last.slowdown.limited && !r.last.incremental && !r.last.mode,
	   "with its error");
	ok(r.success.start == 1700000000 && !strcmp(r.success.archive, "/dump/a.vma.zst"),
	   "and the last good run stays");
	ok(r.name && !strcmp(r.name, "web \"1\""), "as does the name, if the run did not get to know it");
}

static void test_file(void)
{
	_cleanup_free_ char *file = paths_get(&paths, "/var/log/vzdump/guests/100.json");
	_cleanup_free_ char *folder = record_folder(&paths);
	struct stat st, dir;

	ok(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600 && stat(folder, &dir) == 0 &&
		   (dir.st_mode & 0777) == 0700,
	   "nobody else reads it");
}

/* Two runs may write their records in the wrong order: neither holds the lock any more. */
static void test_order(void)
{
	const time_t wrong = time(NULL) + 7 * 24 * 3600;
	struct task_report task = {
		.vmid = 102, .outcome = TASK_SAVED, .start = 1700000200, .archive = (char *)"b"
	};
	struct guest_record r;

	save(&job, &task);
	task.archive = (char *)"a";
	task.start = 1700000100;
	save(&job, &task);
	record_load(&paths, 102, &r, &to_diag);
	ok(r.last.start == 1700000200 && r.success.start == 1700000200 && !strcmp(r.success.archive, "b"),
	   "a run that began earlier does not replace a later one");
	record_clear(&r);
	task.start = wrong;
	save(&job, &task);
	task.start = 1700000300;
	save(&job, &task);
	record_load(&paths, 102, &r, &to_diag);
	ok(r.last.start == 1700000300 && r.success.start == 1700000300,
	   "but one that a wrong clock dated to the future");
	record_clear(&r);
}

static void test_long_texts(void)
{
	_cleanup_free_ char *text = xcalloc(1, 300001);
	struct task_report task = { .vmid = 103, .outcome = TASK_SAVED, .start = 1700000000, .name = text };
	_cleanup_record_ struct guest_record r = { 0 };

	for (size_t i = 0; i < 300000; i += 3)
		memcpy(text + i, "\342\202\254", 3);
	save(&job, &task);
	task.outcome = TASK_FAILED;
	task.error = text;
	ok(save(&job, &task) && record_load(&paths, 103, &r, &to_diag) && r.success.start,
	   "a record with the longest name and error can be read");
	ok(strlen(r.name) == 4095 && !strcmp(r.name, r.last.error) && !strncmp(r.name, text, 4095),
	   "their beginnings are kept, of whole characters");
}

/* Each beginning of a good file, and other rubbish: missing, with one warning, and never a crash. */
static void test_damaged(void)
{
	static const char *const rubbish[] = {
		"",
		"\n",
		"null",
		"[]",
		"7",
		"{}",
		"{\"version\":1}",
		"{\"version\":2,\"last-run\":{\"state\":\"ok\",\"start\":5}}",
		"{\"version\":1,\"last-run\":{\"state\":\"todo\",\"start\":5}}",
		"{\"version\":1,\"last-run\":{\"state\":\"ok\",\"start\":0}}",
		"{\"version\":1,\"last-run\":{\"state\":\"ok\",\"start\":-5}}",
		"{\"version\":1,\"last-run\":{\"state\":\"ok\",\"start\":18446744073709551615}}",
		"{\"version\":1,\"last-run\":{\"state\":7,\"start\":5}}",
		"{\"version\":1,\"last-run\":{\"state\":\"ok\",\"start\":5},\"last-success\":{}}",
		"{\"version\":1,\"last-run\":{\"state\":\"ok\",\"start\":5},\"last-success\":{\"start\":5}}",
	};
	_cleanup_free_ char *file = paths_get(&paths, "/var/log/vzdump/guests/100.json");
	_cleanup_buf_ struct buf whole = BUF_INIT;
	struct guest_record r;
	unsigned bad = 0;

	io_read_file(file, 1 << 16, &whole, NULL);
	warnings = 0;
	for (size_t len = 0; len + 1 < whole.len; len++) {
		_cleanup_free_ char *part = xstrndup(whole.data, len);

		put("/var/log/vzdump/guests/100.json", part);
		bad += record_load(&paths, 100, &r, &to_diag) || r.name || r.last.start;
	}
	ok(!bad && warnings == whole.len - 1, "a file that is cut short counts as missing, with a warning");
	warnings = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rubbish); i++) {
		put("/var/log/vzdump/guests/100.json", rubbish[i]);
		bad += record_load(&paths, 100, &r, &to_diag) || r.name || r.last.start;
	}
	ok(!bad && warnings == ARRAY_SIZE(rubbish), "so does rubbish");
}

static void test_after_damage(void)
{
	_cleanup_record_ struct guest_record r = { 0 };

	put("/var/log/vzdump/guests/100.json", "rubbish");
	ok(save(&by_hand, &failed) && record_load(&paths, 100, &r, &to_diag) &&
		   r.last.outcome == TASK_FAILED && !r.success.start,
	   "the next run writes a whole one");
}

static void test_not_written(void)
{
	_cleanup_error_ struct error *err = NULL;

	put("/var/log/vzdump/guests/101.json/in-the-way", "");
	ok(record_save(&paths, &job, &(struct task_report){ .vmid = 101, .outcome = TASK_FAILED }, NULL,
		       &err) < 0 &&
		   strstr(error_message(err), "101"),
	   "an error names the guest: %s", error_message(err));
}

static void test_no_chain(void)
{
	_cleanup_record_ struct guest_record r = { 0 };

	ok(save(&by_hand, &no_chain) && record_load(&paths, 100, &r, &to_diag) &&
		   r.last.outcome == TASK_SAVED && !r.last.incremental,
	   "an archive that belongs to no chain has no generation");
}

int main(void)
{
	root_make();
	test_saved();
	test_failed();
	test_file();
	test_order();
	test_no_chain();
	test_long_texts();
	test_damaged();
	test_after_damage();
	test_not_written();
	root_remove();
	return done_testing();
}
