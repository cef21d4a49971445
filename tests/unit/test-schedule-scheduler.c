/*
 * lib/schedule/scheduler over simulated time: years with both changes of clocks, runs of any length, reboots,
 * clocks that jump, states that are damaged, and kills.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "schedule/job-run.h"
#include "schedule/job-state.h"
#include "schedule/scheduler.h"
#include "tap.h"
#include "test-root.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    86400
/* Vienna, Thursday 2026-01-15 00:00. */
#define THURSDAY 1768431600

/* ---- a host with a clock, on which runs of jobs take as long as the test says ---- */

#define RUNS_MAX 8

struct run {
	char *id;
	time_t end;
	int lock;
};

static struct {
	time_t now;
	uint64_t uptime;
	int takes;  /* seconds of each run; 0: it ends at once */
	bool kills; /* the scheduler is killed before a run begins */
	bool fails; /* a run cannot be started */
	const char *msg;
	struct run runs[RUNS_MAX]; /* those that are on */
	struct buf started;        /* "id id " */
	struct buf said;           /* log lines */
	unsigned overlaps;         /* a job was started while a run of it was on */
} host;

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	(void)log;
	if (level >= LOG_LEVEL_WARN)
		buf_addf(&host.said, "%s\n", line);
}

static const struct log collect = { .line = on_line };

static void end_run(struct run *run)
{
	struct job_run record = { .pid = getpid(), .vzdump = getpid(), .begun = 1 };

	record.msg = xstrdup_null(host.msg);
	record.ended = host.msg ? host.now : 0;
	job_run_save(&paths, run->id, &record, NULL);
	job_run_clear(&record);
	close(run->lock);
	free(run->id);
	*run = (struct run){ 0 };
}

static void begin_run(const char *id, int lock)
{
	const struct job_run record = { .pid = getpid(), .vzdump = getpid(), .begun = host.now };
	struct run *run = host.runs;

	job_run_save(&paths, id, &record, NULL);
	for (struct run *r = host.runs; r < host.runs + RUNS_MAX; r++) {
		host.overlaps += r->id && !strcmp(r->id, id);
		if (!r->id)
			run = r;
	}
	*run = (struct run){ .id = xstrdup(id), .end = host.now + host.takes, .lock = dup(lock) };
	if (!host.takes)
		end_run(run);
}

static int start(void *opaque, const struct job_entry *job, int lock, pid_t *ret, struct error **err)
{
	(void)opaque;
	if (host.kills)
		kill(getpid(), SIGKILL);
	if (host.fails)
		return error_set(err, ERR_INVALID, "no process is left");
	buf_addf(&host.started, "%s ", job->id);
	begin_run(job->id, lock);
	*ret = getpid();
	return 0;
}

static const struct scheduler scheduler = {
	.paths = &paths, .log = &collect, .node = "pve1", .start = start
};

/* In memory: a year has many files that are synced. */
static void root_make_fast(void)
{
	char dir[] = "/dev/shm/vzdump-test-XXXXXX";

	if (mkdtemp(dir))
		paths_init(&paths, dir);
	else
		root_make();
}

static void begin(time_t now)
{
	root_make_fast();
	host.now = now;
	host.uptime = 1000;
	host.takes = 0;
	host.msg = "OK";
	host.overlaps = 0;
	buf_reset(&host.started);
	buf_reset(&host.said);
}

static void finish(void)
{
	for (size_t i = 0; i < RUNS_MAX; i++)
		if (host.runs[i].id)
			end_run(&host.runs[i]);
	root_remove();
}

/* One pass, at the time that it is; what was started since the last call of started() adds up. */
static int pass(void)
{
	for (size_t i = 0; i < RUNS_MAX; i++)
		if (host.runs[i].id && host.runs[i].end <= host.now)
			end_run(&host.runs[i]);
	return scheduler_pass(&scheduler, host.now, host.uptime, NULL);
}

/* Passes every minute for so long. */
static void go_on(int seconds)
{
	for (int i = 0; i < seconds; i += MINUTE) {
		host.now += MINUTE;
		host.uptime += MINUTE;
		pass();
	}
}

/* Nobody looks for so long. */
static void sleep_for(int seconds)
{
	host.now += seconds;
	host.uptime += (uint64_t)seconds;
}

static void jobs(const char *text)
{
	put("/etc/pve/jobs.cfg", text);
}

static void started(const char *want, const char *what)
{
	if (!ok(!strcmp(buf_str(&host.started), want), "%s", what))
		diag("started: '%s', not '%s'", buf_str(&host.started), want);
	buf_reset(&host.started);
}

static void said(const char *part, const char *what)
{
	if (!ok(strstr(buf_str(&host.said), part) != NULL, "%s", what))
		diag("said: '%s'", buf_str(&host.said));
	buf_reset(&host.said);
}

static void said_nothing(const char *what)
{
	if (!ok(!host.said.len, "%s", what))
		diag("said: '%s'", buf_str(&host.said));
	buf_reset(&host.said);
}

static bool state_is(const char *id, enum job_phase phase, const char *msg)
{
	_cleanup_job_state_ struct job_state st = { 0 };

	return job_state_load(&paths, id, NULL, &st, NULL) == 1 && st.phase == phase &&
	       str_equal_null(st.msg, msg);
}

/* ---- years ---- */

#define STEP (30 * MINUTE)

struct expected {
	const char *id;
	/* whether the job comes when the clock shows this */
	bool (*comes)(const struct tm *tm);
	char last[16]; /* the reading at which it came last: one that comes twice counts once */
	unsigned n;
};

static bool at_night(const struct tm *tm)
{
	return tm->tm_hour == 2 && tm->tm_min == 30;
}

static bool on_working_days(const struct tm *tm)
{
	return tm->tm_wday >= 1 && tm->tm_wday <= 5 && tm->tm_hour == 22 && tm->tm_min == 0;
}

static bool monthly(const struct tm *tm)
{
	return tm->tm_mday == 1 && tm->tm_hour == 0 && tm->tm_min == 0;
}

static bool each_hour(const struct tm *tm)
{
	return tm->tm_min == 30;
}

static const char year_jobs[] = "vzdump: each-hour\n\tschedule *:30\n\n"
				"vzdump: monthly\n\tschedule monthly\n\n"
				"vzdump: night\n\tschedule 2:30\n\n"
				"vzdump: working-days\n\tschedule mon..fri 22:00\n";

/* What should start now, in the order of ids. */
static char *expect(struct expected *list, size_t n)
{
	struct buf b = BUF_INIT;
	char reading[16];
	struct tm tm;

	localtime_r(&host.now, &tm);
	strftime(reading, sizeof(reading), "%m-%d %H:%M", &tm);
	for (size_t i = 0; i < n; i++) {
		if (!list[i].comes(&tm) || !strcmp(list[i].last, reading))
			continue;
		memcpy(list[i].last, reading, sizeof(reading));
		list[i].n++;
		buf_addf(&b, "%s ", list[i].id);
	}
	return buf_steal(&b);
}

/* Vienna's clocks leave out one 2:30 a year; one hour in autumn comes twice. */
static void test_years(void)
{
	struct expected list[] = { { "each-hour", each_hour, "", 0 },
				   { "monthly", monthly, "", 0 },
				   { "night", at_night, "", 0 },
				   { "working-days", on_working_days, "", 0 } };
	unsigned wrong = 0;

	begin(THURSDAY);
	jobs(year_jobs);
	pass();
	while (host.now < THURSDAY + 730 * DAY && wrong < 5) {
		_cleanup_free_ char *want = NULL;

		host.now += STEP;
		host.uptime += MINUTE;
		want = expect(list, ARRAY_SIZE(list));
		pass();
		if (strcmp(buf_str(&host.started), want) != 0) {
			diag("%" PRId64 ": started '%s', not '%s'", (int64_t)host.now, buf_str(&host.started),
			     want);
			wrong++;
		}
		buf_reset(&host.started);
	}
	ok(wrong == 0, "for two years each job starts when the clock shows its time, and at no other");
	ok(list[2].n == 728, "the nights in which clocks go forward have no 2:30 (%u times)", list[2].n);
	ok(list[0].n == 730 * 24 - 2, "the hour that comes twice has one *:30 (%u times)", list[0].n);
	ok(list[1].n == 24 && list[3].n == 522, "months and working days are all there (%u, %u)", list[1].n,
	   list[3].n);
	said_nothing("without a word of warning");
	finish();
}

/* ---- when there is no pass ---- */

static void test_missed(void)
{
	begin(THURSDAY);
	jobs("vzdump: again\n\tschedule 2:00\n\trepeat-missed 1\n\n"
	     "vzdump: once\n\tschedule 2:00\n");
	pass();
	sleep_for(3 * DAY + 3 * HOUR);
	pass();
	started("again ", "after three days without passes only the job with repeat-missed runs, once");
	go_on(HOUR);
	started("", "and nothing follows");
	go_on(22 * HOUR);
	started("again once ", "the next time both run");
	host.now += DAY;
	host.uptime = 10;
	pass();
	started("again ", "the same after a boot");
	sleep_for(DAY - SCHEDULER_GAP_S);
	pass();
	buf_reset(&host.started);
	go_on(2 * DAY);
	buf_reset(&host.started);
	/* now shortly before 2:00 */
	go_on((int)(DAY - (host.now - THURSDAY - 2 * HOUR) % DAY) - MINUTE);
	buf_reset(&host.started);
	sleep_for(SCHEDULER_GAP_S);
	pass();
	started("again once ", "a pause of ten minutes, as of a restart, drops nothing");
	finish();
}

/* ---- runs that take long ---- */

static void test_long_runs(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule *:0/10\n");
	pass();
	host.takes = 25 * MINUTE;
	go_on(10 * MINUTE);
	started("a ", "a job starts");
	ok(state_is("a", JOB_STARTED, NULL), "its state says so");
	go_on(24 * MINUTE);
	started("", "it does not start while it runs");
	host.takes = 0;
	go_on(MINUTE);
	started("a ", "what came due meanwhile makes it run once more right behind");
	go_on(4 * MINUTE);
	started("", "once");
	ok(state_is("a", JOB_STOPPED, "OK"), "then its state has its result");
	go_on(MINUTE);
	started("a ", "and it runs at its next time");
	ok(host.overlaps == 0, "no run overlaps another");
	said_nothing("all of it is as it should be");
	finish();
}

static void test_results(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule *:0/10\n");
	pass();
	host.msg = "job errors";
	go_on(11 * MINUTE);
	said("job 'a' has failed: job errors (see '", "a run that failed is told");
	ok(state_is("a", JOB_STOPPED, "job errors"), "and its error is in the state");
	host.msg = "WARNINGS: 2";
	go_on(10 * MINUTE);
	said("job 'a' has ended with warnings", "so are warnings");
	host.msg = NULL;
	go_on(10 * MINUTE);
	said("job 'a' has failed: the run was killed, or the host went down", "and a run that has no end");
	host.fails = true;
	go_on(10 * MINUTE);
	host.fails = false;
	said("job 'a' could not be started: no process is left", "and a start that fails");
	ok(state_is("a", JOB_STOPPED, "no process is left"), "whose error is in the state too");
	buf_reset(&host.started);
	host.msg = "OK";
	go_on(8 * MINUTE);
	started("", "it is not tried again at once");
	go_on(2 * MINUTE);
	started("a ", "but the next time");
	finish();
}

/* ---- changes of jobs.cfg ---- */

static void test_changes(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule 2:00\n\tenabled 0\n");
	pass();
	go_on(12 * HOUR);
	started("", "a job that is not enabled does not run");
	jobs("vzdump: a\n\tschedule 2:00\n");
	go_on(2 * MINUTE);
	started("", "when it is enabled, what has passed does not count");
	go_on(14 * HOUR);
	started("a ", "but its next time");
	jobs("vzdump: a\n\tschedule 1:00\n");
	go_on(HOUR);
	started("", "nor does what has passed of a new schedule");
	jobs("vzdump: a\n\tschedule *:0/5\n\tnode pve2\n");
	go_on(HOUR);
	started("", "a job of another node does not run");
	jobs("vzdump: a\n\tschedule *:0/5\n\tnode pve1\n");
	go_on(4 * MINUTE);
	buf_reset(&host.started);
	go_on(5 * MINUTE);
	started("a ", "one of this node does");
	said_nothing("nothing of that is worth a warning");
	finish();
}

static void test_removed(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule *:0/5\n\nvzdump: b\n\tschedule 2:00\n");
	pass();
	put("/var/lib/vzdump/jobs/vzdump-a.json.tmp.4194305", "x");
	put("/var/lib/vzdump/jobs/other", "x");
	host.takes = HOUR;
	go_on(5 * MINUTE);
	started("a ", "a job runs");
	jobs("vzdump: b\n\tschedule 2:00\n");
	go_on(MINUTE);
	ok(!is_there("/var/lib/vzdump/jobs/vzdump-a.json"), "its state goes when it is removed");
	ok(is_there("/var/lib/vzdump/jobs/vzdump-a.lck"), "but its run is still known");
	ok(is_there("/var/lib/vzdump/jobs/vzdump-b.json"), "other states stay");
	ok(!is_there("/var/lib/vzdump/jobs/vzdump-a.json.tmp.4194305"), "a dead writer's file goes");
	ok(is_there("/var/lib/vzdump/jobs/other"), "what others put there stays");
	jobs("vzdump: a\n\tschedule *:0/5\n\nvzdump: b\n\tschedule 2:00\n");
	go_on(30 * MINUTE);
	started("", "when it comes back, it does not start beside its run");
	ok(state_is("a", JOB_STARTED, NULL), "which its state tells");
	jobs("");
	go_on(HOUR);
	ok(!is_there("/var/lib/vzdump/jobs/vzdump-a.lck") && !is_there("/var/lib/vzdump/jobs/vzdump-a.run"),
	   "the last files go when the run has ended");
	finish();
}

static void test_config_faults(void)
{
	_cleanup_free_ char *file = NULL;

	begin(THURSDAY);
	file = paths_get(&paths, "/etc/pve/jobs.cfg");
	jobs("vzdump: a\n\tschedule *:0/5\n\tbwlimit fast\n");
	pass();
	said("unable to parse value of 'bwlimit'", "a line that cannot be used is told");
	go_on(5 * MINUTE);
	started("a ", "the job runs all the same");
	said_nothing("and the warning is not repeated");
	jobs("vzdump: a\n\tschedule *:0/5\n\tbwlimit slow\n");
	go_on(MINUTE);
	said("'slow'", "until it is another one");
	unlink(file);
	if (mkdir(file, 0755) < 0)
		abort();
	ok(pass() < 0, "a file that cannot be read is an error");
	ok(is_there("/var/lib/vzdump/jobs/vzdump-a.json"), "that leaves states alone");
	rmdir(file);
	finish();
}

/* From 1:55 on jobs.cfg cannot be read for 20 minutes. */
static void test_config_unreadable(void)
{
	_cleanup_free_ char *file = NULL;
	int errors = 0;

	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule 2:00\n");
	pass();
	go_on(2 * HOUR - 5 * MINUTE);
	file = paths_get(&paths, "/etc/pve/jobs.cfg");
	unlink(file);
	if (mkdir(file, 0755) < 0)
		abort();
	for (int i = 0; i < 20; i++) {
		sleep_for(MINUTE);
		errors += pass() < 0;
	}
	ok(errors == 20, "a file that cannot be read is an error of each pass");
	rmdir(file);
	jobs("vzdump: a\n\tschedule 2:00\n");
	go_on(MINUTE);
	started("a ", "what came due meanwhile runs when it can be read again");
	go_on(HOUR);
	started("", "once");
	/* a boot is a gap, whether the file can be read at first or not */
	host.now += DAY;
	host.uptime = 10;
	unlink(file);
	if (mkdir(file, 0755) < 0)
		abort();
	pass();
	rmdir(file);
	jobs("vzdump: a\n\tschedule 2:00\n");
	go_on(MINUTE);
	started("", "at boot what was missed is dropped also if the file cannot be read at first");
	finish();
}

/* As before its file system is mounted. */
static void test_config_missing(void)
{
	static const char text[] = "vzdump: again\n\tschedule 2:00\n\trepeat-missed 1\n\n"
				   "vzdump: once\n\tschedule 2:00\n";
	_cleanup_free_ char *file = NULL;

	begin(THURSDAY);
	jobs(text);
	pass();
	go_on(2 * HOUR - MINUTE);
	file = paths_get(&paths, "/etc/pve/jobs.cfg");
	unlink(file);
	go_on(2 * MINUTE);
	ok(is_there("/var/lib/vzdump/jobs/vzdump-once.json"), "without the file jobs keep their states");
	jobs(text);
	go_on(MINUTE);
	started("again once ", "what came due while it was away for moments runs");
	host.now += DAY;
	host.uptime = 10;
	unlink(file);
	go_on(3 * MINUTE);
	jobs(text);
	go_on(MINUTE);
	started("again ", "if it comes late after a boot, repeat-missed is heeded");
	said_nothing("and nothing of that is worth a warning");
	finish();
}

/* ---- states that are damaged ---- */

static void test_damaged(void)
{
	static const char *const texts[] = { "",
					     "{\"state\":\"stopped\",\"ti",
					     "rubbish",
					     "null",
					     "[]",
					     "{}",
					     "{\"state\":\"lost\",\"time\":1}",
					     "{\"state\":\"stopped\",\"time\":\"x\"}",
					     "{\"state\":\"stopped\",\"time\":-5}",
					     "{\"state\":1,\"time\":1}" };
	unsigned good = 0;

	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule 2:00\n\nvzdump: b\n\tschedule 2:00\n");
	pass();
	go_on(3 * HOUR);
	buf_reset(&host.started);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put("/var/lib/vzdump/jobs/vzdump-a.json", texts[i]);
		buf_reset(&host.said);
		go_on(MINUTE);
		good += strstr(buf_str(&host.said), "is damaged: job 'a' counts as new") != NULL &&
			state_is("a", JOB_CREATED, NULL) && !host.started.len;
	}
	ok(good == ARRAY_SIZE(texts),
	   "a state that is cut short or rubbish is told, and nothing runs at once");
	buf_reset(&host.said);
	go_on(DAY);
	started("a b ", "then the job runs at its next time");
	said_nothing("without another word");

	put("/var/lib/vzdump/jobs/vzdump-a.json",
	    "{\"time\":\"1768431600\",\"state\":\"stopped\",\"msg\":\"OK\",\"upid\":"
	    "\"UPID:pve1:00001267:00001267:69681E70:vzdump::root@pam:\",\"config\":{\"enabled\":\"1\","
	    "\"schedule\":\"2:00\"}}");
	go_on(MINUTE);
	said_nothing("a state of Perl, with numbers as strings, is none of them");
	buf_reset(&host.started);
	put("/var/lib/vzdump/jobs/vzdump-a.json",
	    "{\"time\":1768525260,\"state\":\"stopped\",\"msg\":\"OK\",\"updated\":-5,"
	    "\"config\":{\"enabled\":1,\"schedule\":\"2:00\"}}");
	go_on(MINUTE);
	started("", "a time before 1970 counts as none");
	finish();
}

static void test_unreadable(void)
{
	_cleanup_free_ char *file = NULL;

	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule *:0/5\n\nvzdump: b\n\tschedule *:0/5\n");
	pass();
	file = paths_get(&paths, "/var/lib/vzdump/jobs/vzdump-a.json");
	unlink(file);
	if (mkdir(file, 0755) < 0)
		abort();
	sleep_for(5 * MINUTE);
	ok(pass() < 0, "a state that can be neither read nor written is an error");
	started("b ", "its job does not run, the other one does");
	said("job 'a': ", "which is told");
	rmdir(file);
	finish();
}

static void test_lock_unreadable(void)
{
	_cleanup_free_ char *lock = NULL, *aside = NULL;

	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule *:0/10\n");
	pass();
	host.takes = HOUR;
	go_on(10 * MINUTE);
	started("a ", "a run begins");
	lock = paths_get(&paths, "/var/lib/vzdump/jobs/vzdump-a.lck");
	aside = xasprintf("%s.aside", lock);
	if (rename(lock, aside) < 0 || symlink(aside, lock) < 0)
		abort();
	sleep_for(10 * MINUTE);
	ok(pass() < 0, "if its lock cannot be read, that is an error");
	said("cannot read lock", "which is told");
	ok(state_is("a", JOB_STARTED, NULL), "the run does not count as ended");
	if (rename(aside, lock) < 0)
		abort();
	go_on(MINUTE);
	said_nothing("and goes on");
	started("", "alone");
	finish();
}

static bool has_record(const char *id, const char *msg)
{
	_cleanup_job_run_ struct job_run run = { 0 };

	return job_run_load(&paths, id, &run) && run.vzdump == 2 && str_equal_null(run.msg, msg);
}

/* A folder in the way of the new file stands in for a full disk. */
static void test_record_on_full_disk(void)
{
	char ok_text[] = "OK", long_text[] = "VM 100: no space is left on the disk";
	struct job_run run = { .pid = 1, .vzdump = 2, .begun = 3 };
	_cleanup_free_ char *dir = NULL, *file = NULL, *tmp = NULL;

	begin(THURSDAY);
	dir = paths_get(&paths, "/var/lib/vzdump/jobs");
	file = xasprintf("%s/vzdump-a.run", dir);
	tmp = io_unfinished_name(file, (int)getpid());
	if (io_mkdir_p(tmp, 0755, NULL) < 0)
		abort();
	ok(job_run_save(&paths, "a", &run, NULL) < 0 && !is_there("/var/lib/vzdump/jobs/vzdump-a.run"),
	   "a record that is not there cannot be written to a full disk");
	rmdir(tmp);
	job_run_save(&paths, "a", &run, NULL);
	if (mkdir(tmp, 0755) < 0)
		abort();
	run.msg = long_text;
	ok(job_run_save(&paths, "a", &run, NULL) == 0 && has_record("a", long_text),
	   "one that is there takes the end of its run all the same");
	run.msg = ok_text;
	ok(job_run_save(&paths, "a", &run, NULL) == 0 && has_record("a", "OK"), "also a shorter one");
	finish();
}

static ino_t inode_of(const char *path)
{
	_cleanup_free_ char *file = paths_get(&paths, "%s", path);
	struct stat st;

	return stat(file, &st) == 0 ? st.st_ino : 0;
}

/* A host with a thousand jobs would wait for its disk for long. */
static void test_boot_writes_little(void)
{
	ino_t before;

	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule monthly\n");
	pass();
	before = inode_of("/var/lib/vzdump/jobs/vzdump-a.json");
	host.now += DAY;
	host.uptime = 10;
	pass();
	ok(before && inode_of("/var/lib/vzdump/jobs/vzdump-a.json") == before,
	   "after a boot the state of a job that has missed nothing is not written");
	finish();
}

/* ---- clocks ---- */

static void test_clock_back(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule *:0/10\n");
	pass();
	go_on(HOUR);
	buf_reset(&host.started);
	host.now -= 30 * MINUTE;
	go_on(30 * MINUTE);
	started("", "after a small step back no time comes twice");
	said_nothing("and nobody need know");
	go_on(10 * MINUTE);
	started("a ", "then it goes on");
	host.now -= 3650 * (time_t)DAY;
	go_on(MINUTE);
	said("the clock was set back", "a large step is told");
	go_on(8 * MINUTE);
	started("", "nothing runs at once");
	go_on(MINUTE);
	started("a ", "but at the next time of the new clock");
	said_nothing("about which nothing more is told");
	finish();
}

static void test_clock_forward(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule 2:00\n\nvzdump: b\n\tschedule *-*-1\n");
	pass();
	host.now += 3650 * (time_t)DAY;
	go_on(MINUTE);
	started("a b ", "after a step forward what came due runs once");
	go_on(HOUR);
	started("", "and no more");
	host.now -= 3650 * (time_t)DAY;
	go_on(DAY);
	started("a ", "when the clock is right again, jobs do not wait for years");
	finish();
}

/* ---- kills ---- */

/* A pass in a process of its own, which is killed before a run begins; true if it was. */
static bool pass_killed(void)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		host.kills = true;
		pass();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

static void test_killed_before_run(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule 2:00\n");
	pass();
	go_on(2 * HOUR - MINUTE);
	sleep_for(MINUTE);
	ok(pass_killed(), "a scheduler is killed between the decision and the run");
	ok(state_is("a", JOB_STARTING, NULL), "the decision is on disk");
	sleep_for(MINUTE);
	pass();
	started("a ", "the next pass starts the run");
	go_on(HOUR);
	started("", "once");
	finish();
}

static void test_disabled_after_kill(void)
{
	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule 2:00\n");
	pass();
	go_on(2 * HOUR - MINUTE);
	sleep_for(MINUTE);
	pass_killed();
	jobs("vzdump: a\n\tschedule 2:00\n\tenabled 0\n");
	go_on(2 * MINUTE);
	started("", "a job that was disabled after the kill is not started");
	ok(state_is("a", JOB_STOPPED, "the scheduler was ended before the run began"), "its state says why");
	jobs("vzdump: a\n\tschedule 2:00\n");
	go_on(2 * MINUTE);
	started("", "nor when it is enabled again");
	finish();
}

/* The run is on, but the state does not tell: the scheduler was killed right after it had begun it. */
static void test_killed_after_run(void)
{
	_cleanup_job_state_ struct job_state st = { 0 };

	begin(THURSDAY);
	jobs("vzdump: a\n\tschedule *:0/10\n");
	pass();
	host.takes = 25 * MINUTE;
	go_on(10 * MINUTE);
	started("a ", "a run begins");
	job_state_load(&paths, "a", NULL, &st, NULL);
	st.phase = JOB_STARTING;
	free(st.upid);
	st.upid = NULL;
	job_state_save(&paths, "a", &st, NULL);
	go_on(MINUTE);
	ok(state_is("a", JOB_STARTED, NULL), "the next pass sees that it is on");
	go_on(20 * MINUTE);
	started("", "and starts no other");
	host.takes = 0;
	go_on(5 * MINUTE);
	started("a ", "until it has ended");
	finish();
}

int main(void)
{
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	test_years();
	test_missed();
	test_long_runs();
	test_results();
	test_changes();
	test_removed();
	test_config_faults();
	test_config_unreadable();
	test_config_missing();
	test_damaged();
	test_unreadable();
	test_lock_unreadable();
	test_record_on_full_disk();
	test_boot_writes_little();
	test_clock_back();
	test_clock_forward();
	test_killed_before_run();
	test_disabled_after_kill();
	test_killed_after_run();
	buf_clear(&host.started);
	buf_clear(&host.said);
	return done_testing();
}
