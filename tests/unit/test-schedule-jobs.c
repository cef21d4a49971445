/* lib/schedule/jobs: jobs.cfg as PVE reads it. */
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strv.h"
#include "schedule/jobs.h"
#include "tap.h"
#include "test-root.h"

static struct buf warnings;

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	(void)log;
	buf_addf(&warnings, "%s%s\n", level == LOG_LEVEL_WARN ? "" : "not a warning: ", line);
}

static const struct log collect = { .line = on_line };

static int load(const char *text, struct jobs *ret)
{
	buf_reset(&warnings);
	put("/etc/pve/jobs.cfg", text);
	return jobs_load(&paths, NULL, &collect, ret, NULL);
}

/* The warnings about the file, each with its path cut. */
static void warned(const char *want, const char *what)
{
	_cleanup_free_ char *head = xasprintf("file %s/etc/pve/jobs.cfg ", paths.root);
	_cleanup_buf_ struct buf got = BUF_INIT;
	const char *at = buf_str(&warnings), *line;
	size_t len;

	while (str_next_line(&at, &line, &len)) {
		_cleanup_free_ char *copy = xstrndup(line, len);
		const char *rest = copy;

		str_prefix(copy, head, &rest);
		buf_addf(&got, "%s\n", rest);
	}
	if (!ok(!strcmp(buf_str(&got), want), "%s", what))
		diag("got '%s'", buf_str(&got));
}

static bool has(const struct job_entry *e, const char *name, const char *value)
{
	return str_equal_null(options_get(&e->options, name), value) && options_given(&e->options, name);
}

static void test_job(void)
{
	_cleanup_jobs_ struct jobs jobs = { 0 };
	const struct job_entry *e;
	char *const *patterns;

	load("# comment\n"
	     "vzdump: nightly\n"
	     "\tcomment Every night%2C 100%25 %C3%A4%zz%\n"
	     "\tschedule mon..fri 22:30\n"
	     "\tenabled 1\n"
	     "  # in between\n"
	     "\tall\n"
	     "\tcompress zstd\n"
	     "\texclude 101,102\n"
	     "\texclude-path /tmp/?*\n"
	     "\texclude-path /var/cache\n"
	     "\tfleecing enabled=1,storage=fast\n"
	     "\tmailto a@example.org,b@example.org\n"
	     "\tnode pve1\n"
	     "\tprune-backups keep-last=3\n"
	     "\trepeat-missed 1\n"
	     "\tstorage backup\n",
	     &jobs);
	warned("", "a job without faults causes no warning");
	e = jobs_find(&jobs, "nightly");
	if (!ok(jobs.n == 1 && e, "it is found by its id"))
		return;
	ok(!strcmp(e->schedule, "mon..fri 22:30") && e->event.days == 0x1f, "its schedule is read");
	ok(e->enabled && e->repeat_missed, "its switches are read");
	ok(str_equal_null(e->comment, "Every night, 100% \xc3\xa4%zz%"), "its comment is decoded");
	ok(str_equal_null(job_entry_node(e), "pve1") && has(e, "node", "pve1"), "its node is an option too");
	ok(has(e, "all", "1") && has(e, "compress", "zstd") && has(e, "exclude", "101,102") &&
		   has(e, "fleecing", "enabled=1,storage=fast") &&
		   has(e, "mailto", "a@example.org,b@example.org") &&
		   has(e, "prune-backups", "keep-last=3") && has(e, "storage", "backup"),
	   "options of vzdump have their values");
	ok(!options_given(&e->options, "mode") &&
		   str_equal_null(options_get(&e->options, "mode"), "snapshot"),
	   "one that is not there is not given");
	patterns = options_array(&e->options, "exclude-path");
	ok(strv_len(patterns) == 2 && !strcmp(patterns[0], "/tmp/?*") && !strcmp(patterns[1], "/var/cache"),
	   "exclude-path repeats");
}

static void test_defaults(void)
{
	_cleanup_jobs_ struct jobs jobs = { 0 };

	load("vzdump: b\n\tschedule 21:00\n\nvzdump: a\n\tschedule 22:00\n\tenabled 0\n\n"
	     "vzdump: 0123456789abcdef0123456789abcdef01234567:12\n\tschedule daily\n\tid old\n",
	     &jobs);
	warned("", "ids of old jobs are no fault");
	if (!ok(jobs.n == 3 && !strcmp(jobs.entries[1].id, "a") && !strcmp(jobs.entries[2].id, "b"),
		"jobs are in the order of their ids"))
		return;
	ok(!jobs.entries[1].enabled && jobs.entries[2].enabled, "a job is enabled unless it says no");
	ok(!jobs.entries[2].repeat_missed && !jobs.entries[2].comment && !job_entry_node(&jobs.entries[2]),
	   "it does not repeat, has no comment, and is for every node");
	ok(!jobs_find(&jobs, "c"), "an id that is not there is not found");
}

static void test_faults(void)
{
	_cleanup_jobs_ struct jobs jobs = { 0 };
	const struct job_entry *e;

	load("vzdump: a\n"
	     "\tschedule 25:99\n"
	     "\tschedule 22:00\n"
	     "\tschedule 23:00\n"
	     "\tenabled maybe\n"
	     "\tbwlimit fast\n"
	     "\tvmid 100,x\n"
	     "\tvmid 100\n"
	     "\tvmid 200\n"
	     "\tcompres zstd\n"
	     "\tstdout 1\n"
	     "\tstart-command x\n"
	     "\tcompress\n"
	     "nonsense\n",
	     &jobs);
	warned("line 14 (section 'a') - ignore config line: nonsense (a line of a section begins with a "
	       "tab or a blank)\n"
	       "line 2 (section 'a') - unable to parse value of 'schedule': invalid calendar event '25:99' - "
	       "second '99' is not between 0 and 59\n"
	       "line 4 (section 'a') - unable to parse value of 'schedule': duplicate attribute\n"
	       "line 5 (section 'a') - unable to parse value of 'enabled': value 'maybe' is not a boolean "
	       "(use 1 or 0)\n"
	       "line 6 (section 'a') - unable to parse value of 'bwlimit': value 'fast' is not an integer\n"
	       "line 7 (section 'a') - unable to parse value of 'vmid': value 'x' is not a guest id (100 to "
	       "999999999)\n"
	       "line 9 (section 'a') - unable to parse value of 'vmid': duplicate attribute\n"
	       "line 10 (section 'a') - unable to parse value of 'compres': unexpected property (did you mean "
	       "'compress'?)\n"
	       "line 11 (section 'a') - unable to parse value of 'stdout': unexpected property\n"
	       "line 12 (section 'a') - unable to parse value of 'start-command': unexpected property\n"
	       "line 13 (section 'a') - unable to parse value of 'compress': the value is missing\n",
	       "each line that cannot be used is told, in PVE's words");
	e = jobs_find(&jobs, "a");
	ok(e && e->enabled && !strcmp(e->schedule, "22:00") && has(e, "vmid", "100") &&
		   !options_given(&e->options, "bwlimit"),
	   "the other lines count, of equal keys the first");
}

static void test_skipped(void)
{
	_cleanup_jobs_ struct jobs jobs = { 0 };

	load("realm-sync: sync\n\tschedule daily\n\trealm ldap\n\n"
	     "replication: r\n\tschedule daily\n\n"
	     "vzdump: without\n\tall 1\n\n"
	     "vzdump: wrong\n\tschedule mon-fri\n\n"
	     "vzdump: ../../etc/x\n\tschedule daily\n\n"
	     "vzdump: 012345678901234567890123456789012345678901234567890\n\tschedule daily\n\n"
	     "vzdump: good\n\tschedule daily\n",
	     &jobs);
	ok(jobs.n == 1 && jobs_find(&jobs, "good"), "only the whole job is left");
	warned("line 5 (skip section 'r'): unsupported type 'replication'\n"
	       "line 8 (skip section 'without'): missing value for required option 'schedule'\n"
	       "line 12 (section 'wrong') - unable to parse value of 'schedule': invalid calendar event "
	       "'mon-fri' - a range of days is written with two dots, as in mon..fri\n"
	       "line 11 (skip section 'wrong'): missing value for required option 'schedule'\n"
	       "line 14 (skip section '../../etc/x'): the id must have 1 to 50 letters, digits, '-', '_', and "
	       "no '/'\n"
	       "line 17 (skip section '012345678901234567890123456789012345678901234567890'): the id must have "
	       "1 to 50 letters, digits, '-', '_', and no '/'\n",
	       "why the others are skipped is told, but nothing of realm-sync");
}

static void test_comment(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_jobs_ struct jobs jobs = { 0 }, latin = { 0 };

	buf_adds(&text, "vzdump: a\n\tschedule daily\n\tcomment ");
	for (int i = 0; i < 513; i++)
		buf_adds(&text, "%41");
	load(buf_str(&text), &jobs);
	ok(jobs.n == 1 && !jobs.entries[0].comment, "a comment that is too long is left out");
	load("vzdump: a\n\tschedule daily\n\tcomment %FC%00%0A\n", &latin);
	ok(latin.n == 1 && str_equal_null(latin.entries[0].comment, "\xc3\xbc%00\n"),
	   "one that is not UTF-8 becomes it, and has no NUL");
}

static void test_files(void)
{
	_cleanup_jobs_ struct jobs none = { 0 }, bad = { 0 };
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *file = paths_get(&paths, "/etc/pve/jobs.cfg");

	unlink(file);
	ok(jobs_load(&paths, NULL, &collect, &none, NULL) == 0 && !none.n,
	   "without the file there are no jobs");
	if (mkdir(file, 0755) < 0)
		abort();
	ok(jobs_load(&paths, NULL, &collect, &bad, &err) < 0 && !bad.n && strstr(error_message(err), file),
	   "a file that cannot be read is an error that names it");
	rmdir(file);
}

int main(void)
{
	root_make();
	test_job();
	test_defaults();
	test_faults();
	test_skipped();
	test_comment();
	test_files();
	buf_clear(&warnings);
	root_remove();
	return done_testing();
}
