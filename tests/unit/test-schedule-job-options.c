/* Options of vzdump in each of its three places: command line, jobs.cfg (--job), vzdump.conf. */
#include "base/mem.h"
#include "base/strv.h"
#include "config/vzdump-options.h"
#include "schedule/job-options.h"
#include "test-config-util.h"
#include "test-root.h"

/* A value that is not the default, and another one, for each option that a job may have. */
static const struct {
	const char *name, *value, *other;
} rows[] = {
	{ "bwlimit", "5", "6" },
	{ "compress", "zstd", "gzip" },
	{ "connect", "qemu:///session", "qemu:///system" },
	{ "dumpdir", "/d", "/e" },
	{ "exclude-path", "/tmp/?*", "/var" },
	{ "fleecing", "enabled=1,storage=aa", "0" },
	{ "fleecing-limit", "2G", "3G" },
	{ "hook-timeout", "7", "8" },
	{ "incremental", "1", "enabled=1,max-days=7" },
	{ "ionice", "3", "4" },
	{ "lockwait", "1", "2" },
	{ "mailnotification", "failure", "always" },
	{ "mailto", "root,a@b.c", "me" },
	{ "metrics", "/m", "/n" },
	{ "mode", "stop", "suspend" },
	{ "node", "pve1", "pve2" },
	{ "notes-template", "{{guestname}}", "x" },
	{ "notification-mode", "legacy-sendmail", "notification-system" },
	{ "pbs-change-detection-mode", "data", "legacy" },
	{ "performance", "max-workers=3", "max-workers=4" },
	{ "pigz", "2", "3" },
	{ "protected", "1", "0" },
	{ "prune-backups", "keep-last=3", "keep-daily=2" },
	{ "quiet", "1", "0" },
	{ "remove", "0", "1" },
	{ "script", "/s", "/t" },
	{ "stdexcludes", "0", "1" },
	{ "stopwait", "9", "10" },
	{ "storage", "aa", "bb" },
	{ "tmpdir", "/t", "/u" },
	{ "verify-boot", "enabled=1,timeout=60", "0" },
	{ "zstd", "4", "5" },
	{ "zstd-level", "9", "10" },
};

/* Options that choose guests, and those that only one place has. */
static const char *const others[] = { "vmid",    "all",     "exclude",       "pool",
				      "libvirt", "stop",    "cleanup",       "job",
				      "job-id",  "stdout",  "forget",        "start-command",
				      "strict",  "dry-run", "output-format", "start-paused-command" };

static int fill(const char *line, struct options *ret, struct error **err)
{
	_cleanup_free_ char *all = xasprintf("vzdump %s", line);
	_cleanup_strv_ char **argv = strv_split_args(all);
	int r = options_parse(&vzdump_options, (int)strv_len(argv), argv, ret, err);

	return r == 0 ? job_options_fill(ret, &paths, NULL, err) : r;
}

/* What the option is in the end, with vzdump.conf: `name`: `conf`. */
static void ends_as(const char *line, const char *name, const char *conf, const char *want, const char *what)
{
	_cleanup_free_ char *text = xasprintf("%s: %s\n", name, conf);
	_cleanup_options_ struct options o = { 0 }, file = { 0 };
	struct error *err = NULL;

	if (!works(fill(line, &o, &err), &err, what))
		return;
	options_init(&file, &vzdump_options);
	vzdump_conf_parse(text, "vzdump.conf", &file, NULL);
	works(vzdump_options_merge(&o, &file, &err), &err, "  and vzdump.conf");
	/* some have rules of their own; what the job says comes first in any case */
	ok(options_get(&o, name) && !strncmp(options_get(&o, name), want, strlen(want)), "  %s is %s (%s)",
	   name, want, options_get(&o, name) ? options_get(&o, name) : "-");
}

static void test_places(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *jobs = xasprintf("vzdump: nightly\n\tschedule daily\n\tall 1\n\t%s %s\n",
						      rows[i].name, rows[i].value);
		_cleanup_free_ char *over =
			xasprintf("--job nightly --storage zz --%s '%s'", rows[i].name, rows[i].other);

		put("/etc/pve/jobs.cfg", jobs);
		ends_as("--job nightly", rows[i].name, rows[i].other, rows[i].value,
			"the job's, over vzdump.conf's");
		ends_as(over, rows[i].name, rows[i].value, rows[i].other, "the command line's, over both");
	}
}

static bool is_listed(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!strcmp(others[i], name))
			return true;
	return false;
}

static void test_all_there(void)
{
	for (size_t i = 0; i < vzdump_options.n_rows; i++)
		ok(is_listed(vzdump_options.rows[i].name), "%s is in the table of this test",
		   vzdump_options.rows[i].name);
}

static void is_filled(const char *line, const char *name, const char *want, const char *what)
{
	_cleanup_options_ struct options o = { 0 };
	struct error *err = NULL;

	if (works(fill(line, &o, &err), &err, what))
		same(options_get(&o, name), want, "  the option");
}

static void is_refused(const char *line, const char *why)
{
	_cleanup_options_ struct options o = { 0 };
	struct error *err = NULL;

	fails(fill(line, &o, &err), &err, why, line);
}

static void test_selection(void)
{
	put("/etc/pve/jobs.cfg",
	    "vzdump: nightly\n\tschedule daily\n\tenabled 0\n\tvmid 101,102\n\tstorage aa\n"
	    "\texclude-path /a\n\texclude-path /b\n\n"
	    "vzdump: weekly\n\tschedule sat\n\tall 1\n\texclude 5000\n\tdumpdir /d\n");
	is_filled("--job nightly", "vmid", "101,102", "a job that is not enabled can be run, too");
	is_filled("--job nightly", "job-id", "nightly", "its id goes into notifications");
	is_filled("--job nightly --job-id other", "job-id", "other", "unless another one is given");
	is_filled("--job weekly", "exclude", "5000", "guests to leave out");
	is_filled("--job weekly --storage aa", "dumpdir", NULL, "a storage replaces the job's folder");
	is_filled("--job nightly --dumpdir /x", "storage", NULL, "and a folder its storage");
	is_filled("101", "job-id", NULL, "without --job nothing is filled in");
	is_refused("--job nightli", "there is no backup job 'nightli'");
	is_refused("--job nightli", "did you mean 'nightly'?");
	is_refused("--job nightly 101", "leave out the guest ids");
	is_refused("--job nightly --all", "leave out --all");
	is_refused("--job nightly --stop", "leave out --stop");
}

int main(void)
{
	root_make();
	test_places();
	test_all_there();
	test_selection();
	root_remove();
	return done_testing();
}
