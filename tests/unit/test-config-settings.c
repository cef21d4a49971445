/* Settings: who has the last word, and which values come of the options. */
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/settings.h"
#include "config/vzdump-options.h"
#include "test-config-util.h"
#include "test-root.h"

/* line: options that are split as by a shell; conf: the text of vzdump.conf. */
static int load(const char *line, const char *conf, struct settings *ret, struct buf *log_text,
		struct error **err)
{
	_cleanup_free_ char *all = xasprintf("vzdump %s", line);
	_cleanup_strv_ char **argv = strv_split_args(all);
	_cleanup_options_ struct options o = { 0 };
	struct log log = LOG_INTO(*log_text);
	int r = options_parse(&vzdump_options, (int)strv_len(argv), argv, &o, err);

	if (r == 0)
		r = vzdump_options_verify(&o, err);
	if (r < 0)
		return r;
	put("/etc/vzdump.conf", conf);
	settings_init(ret, &o);
	return settings_load(ret, &o, &paths, &log, err);
}

/* ---- precedence ---- */

static char *ids(const uint32_t *v, size_t n)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%u", i ? " " : "", v[i]);
	return buf_steal(&b);
}

static const char *text_of(const char *text)
{
	return text ? text : "-";
}

/* The values that a row of the table may look at, each as text. */
static char *show(const struct settings *s, const char *what)
{
	const struct settings_request *q = &s->request;

	if (!strcmp(what, "place"))
		return xasprintf("storage %s dumpdir %s stdout %d", text_of(s->place.storage),
				 text_of(s->place.dumpdir), q->to_stdout);
	if (!strcmp(what, "archive"))
		return xasprintf("compression %d threads %u level %d ionice %d", s->archive.compression,
				 s->archive.threads, s->archive.level, s->archive.ionice);
	if (!strcmp(what, "hook"))
		return xasprintf("%s %u", text_of(s->hook.script), s->hook.timeout_s);
	if (!strcmp(what, "commands"))
		return xasprintf("%s, %s", s->commands.start, text_of(s->commands.start_paused));
	if (!strcmp(what, "fleecing"))
		return xasprintf("%d %s", s->fleecing.enabled, text_of(s->fleecing.storage));
	if (!strcmp(what, "limits"))
		return xasprintf("%lu %u%%, %lu, reserve %d %lu", (unsigned long)s->fleecing.limit.bytes,
				 s->fleecing.limit.percent, (unsigned long)s->fleecing_limit,
				 s->fleecing.reserve.set, (unsigned long)s->fleecing.reserve.bytes);
	if (!strcmp(what, "workers"))
		return xasprintf("%u", s->max_workers);
	if (!strcmp(what, "waits"))
		return xasprintf("bwlimit %lu lockwait %lu stopwait %lu", (unsigned long)s->bwlimit_kib,
				 (unsigned long)s->lockwait_minutes, (unsigned long)s->stopwait_minutes);
	if (!strcmp(what, "after"))
		return xasprintf("notes %s protect %d remove %d tmpdir %s", text_of(s->notes_template),
				 s->protect, s->retention.remove, text_of(s->tmpdir));
	if (!strcmp(what, "told")) {
		_cleanup_free_ char *to = strv_join(s->notify.mailto, " ");

		return xasprintf("mode %d mailto (%s) failure only %d", s->notify.mode, to,
				 s->notify.failure_only);
	}
	if (!strcmp(what, "metrics"))
		return xstrdup(text_of(s->metrics));
	if (!strcmp(what, "mode"))
		return xstrdup(backup_mode_name(s->mode));
	if (!strcmp(what, "guests")) {
		_cleanup_free_ char *v = ids(q->vmids, q->n_vmids), *x = ids(q->excluded, q->n_excluded);

		return xasprintf("by id %d (%s) pool %s all %d excludes %d (%s) node %s", q->by_id, v,
				 text_of(q->pool), q->all, q->excludes, x, text_of(q->node));
	}
	return xasprintf("stop %d cleanup %d forget %d quiet %d", q->stop, q->cleanup, q->forget, q->quiet);
}

static void test_precedence(void)
{
	static const struct {
		const char *line, *conf, *what, *want;
	} rows[] = {
		/* the default, vzdump.conf over it, the command line over both */
		{ "100", "", "mode", "snapshot" },
		{ "100", "mode: stop", "mode", "stop" },
		{ "100 --mode suspend", "mode: stop", "mode", "suspend" },
		{ "100", "", "waits", "bwlimit 0 lockwait 180 stopwait 10" },
		{ "100", "bwlimit: 5\nlockwait: 6\nstopwait: 7", "waits", "bwlimit 5 lockwait 6 stopwait 7" },
		{ "100 --bwlimit 0 --lockwait 1 --stopwait 2", "bwlimit: 5\nlockwait: 6\nstopwait: 7",
		  "waits", "bwlimit 0 lockwait 1 stopwait 2" },
		{ "100", "", "hook", "- 0" },
		{ "100", "script: /a\nhook-timeout: 9", "hook", "/a 9" },
		{ "100 --script /b", "script: /a", "hook", "/b 0" },
		{ "100 --script ''", "script: /a", "hook", "- 0" },
		{ "100", "", "after", "notes - protect 0 remove 1 tmpdir -" },
		{ "100", "notes-template: x\nprotected: 1\nremove: 0\ntmpdir: /t", "after",
		  "notes x protect 1 remove 0 tmpdir /t" },
		{ "100 --storage aa --notes-template '' --protected 0 --remove 1 --tmpdir /u",
		  "notes-template: x\nprotected: 1\nremove: 0\ntmpdir: /t", "after",
		  "notes - protect 0 remove 1 tmpdir /u" },
		{ "100", "", "metrics", "-" },
		{ "100", "metrics: /m", "metrics", "/m" },
		{ "100 --metrics /n", "metrics: /m", "metrics", "/n" },
		{ "100 --metrics ''", "metrics: /m", "metrics", "-" },
		{ "100", "metrics:", "metrics", "-" },
		/* storage and dumpdir go together */
		{ "100", "", "place", "storage local dumpdir - stdout 0" },
		{ "100", "storage: aa", "place", "storage aa dumpdir - stdout 0" },
		{ "100", "dumpdir: /d", "place", "storage - dumpdir /d stdout 0" },
		{ "100 --storage bb", "dumpdir: /d", "place", "storage bb dumpdir - stdout 0" },
		{ "100 --dumpdir /e", "storage: aa", "place", "storage - dumpdir /e stdout 0" },
		{ "100 --dumpdir ''", "storage: aa", "place", "storage local dumpdir - stdout 0" },
		{ "100 --stdout", "storage: aa", "place", "storage aa dumpdir - stdout 1" },
		{ "100 --stdout", "", "place", "storage local dumpdir - stdout 1" },
		{ "100", "stdout: 1", "place", "storage local dumpdir - stdout 0" },
		/* 0 none, 1 lzo, 2 gzip, 3 zstd */
		{ "100 --zstd 2", "", "archive", "compression 0 threads 2 level 3 ionice 7" },
		{ "100", "compress: zstd\nzstd: 4\nzstd-level: 9\nionice: 8", "archive",
		  "compression 3 threads 4 level 9 ionice 8" },
		{ "100 --zstd 5", "compress: zstd\nzstd: 4", "archive",
		  "compression 3 threads 5 level 3 ionice 7" },
		{ "100 --compress gzip", "compress: zstd\nzstd: 4", "archive",
		  "compression 2 threads 0 level 3 ionice 7" },
		{ "100 --compress gzip --pigz 6", "", "archive", "compression 2 threads 6 level 3 ionice 7" },
		{ "100 --compress lzo", "", "archive", "compression 1 threads 1 level 3 ionice 7" },
		{ "100 --compress 1", "", "archive", "compression 1 threads 1 level 3 ionice 7" },
		/* a whole property string, but performance key by key */
		{ "100", "", "fleecing", "0 -" },
		{ "100", "fleecing: 1,storage=aa", "fleecing", "1 aa" },
		{ "100 --fleecing 1", "fleecing: 1,storage=aa", "fleecing", "1 -" },
		{ "100", "", "limits", "0 0%, 0, reserve 0 0" },
		{ "100", "fleecing: 1,limit=10%,reserve=1K\nfleecing-limit: 16M", "limits",
		  "0 10%, 16777216, reserve 1 1024" },
		{ "100 --fleecing 1,limit=32M --fleecing-limit 0",
		  "fleecing: 1,reserve=1K\nfleecing-limit: 1G", "limits", "33554432 0%, 0, reserve 0 0" },
		{ "100", "", "workers", "16" },
		{ "100 --performance pbs-entries-max=9", "performance: max-workers=3", "workers", "3" },
		{ "100 --performance max-workers=2", "performance: max-workers=3", "workers", "2" },
		/* only in vzdump.conf */
		{ "100", "", "commands", "qm start {vmid} --skiplock, -" },
		{ "100", "start-command: up {vmid}\nstart-paused-command: up -S {vmid}", "commands",
		  "up {vmid}, up -S {vmid}" },
		/* only on the command line */
		{ "102 100,102", "vmid: 9\npool: p", "guests",
		  "by id 1 (102 100 102) pool - all 0 excludes 0 () node -" },
		{ "--all --node n", "exclude: 9\nnode: m", "guests",
		  "by id 0 () pool - all 1 excludes 0 () node n" },
		{ "--exclude 100 --exclude 101", "", "guests",
		  "by id 0 () pool - all 1 excludes 1 (100 101) node -" },
		{ "--pool p --exclude 100", "all: 1", "guests",
		  "by id 0 () pool p all 0 excludes 1 (100) node -" },
		{ "--stop", "quiet: 1", "rest", "stop 1 cleanup 0 forget 0 quiet 0" },
		{ "--cleanup --quiet", "stop: 1", "rest", "stop 0 cleanup 1 forget 0 quiet 1" },
		{ "--cleanup --forget", "", "rest", "stop 0 cleanup 1 forget 1 quiet 0" },
		/* asked for in vain */
		/* 0 auto, 1 legacy, 2 system; the command line's addresses replace the file's */
		{ "100", "", "told", "mode 0 mailto () failure only 0" },
		{ "100", "mailto: root,a@b.c", "told", "mode 0 mailto (root a@b.c) failure only 0" },
		{ "100 --mailto x --mailto 'y; z'", "mailto: root", "told",
		  "mode 0 mailto (x y z) failure only 0" },
		{ "100 --mailto ''", "mailto: root", "told", "mode 0 mailto () failure only 0" },
		{ "100", "notification-mode: legacy-sendmail\nmailnotification: failure", "told",
		  "mode 1 mailto () failure only 1" },
		{ "100 --notification-mode notification-system --mailnotification always",
		  "notification-mode: legacy-sendmail\nmailnotification: failure", "told",
		  "mode 2 mailto () failure only 0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_settings_ struct settings s = { 0 };
		_cleanup_buf_ struct buf lines = BUF_INIT;
		_cleanup_free_ char *got = NULL;
		_cleanup_free_ char *name = xasprintf("'%s' over '%s': %s is '%s'", rows[i].line,
						      rows[i].conf, rows[i].what, rows[i].want);
		struct error *err = NULL;

		for (char *at = name; *at; at++)
			*at = *at == '\n' ? ' ' : *at;
		if (works(load(rows[i].line, rows[i].conf, &s, &lines, &err), &err, name)) {
			got = show(&s, rows[i].what);
			same(got, rows[i].want, "  so it is");
		}
	}
}

/* ---- retention, where the storage stands between the two ---- */

static void test_retention(void)
{
	static const struct {
		const char *line, *storage, *conf, *want;
	} rows[] = {
		{ "100", NULL, "", "keep-all=1" },
		{ "100", NULL, "prune-backups: keep-last=1", "keep-last=1" },
		{ "100", "keep-last=2", "", "keep-last=2" },
		{ "100", "keep-last=2", "prune-backups: keep-last=1", "keep-last=2" },
		{ "100 --prune-backups keep-last=3", NULL, "prune-backups: keep-last=1", "keep-last=3" },
		{ "100 --prune-backups keep-last=3", "keep-last=2", "prune-backups: keep-last=1",
		  "keep-last=3" },
		{ "100 --prune-backups keep-all=1", "keep-last=2", "prune-backups: keep-last=1",
		  "keep-all=1" },
		{ "100 --prune-backups keep-last=3", "nonsense", "", "keep-last=3" },
	};
	_cleanup_settings_ struct settings s = { 0 };
	struct prune_keep keep;
	struct error *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_settings_ struct settings mine = { 0 };
		_cleanup_buf_ struct buf lines = BUF_INIT;
		_cleanup_free_ char *name =
			xasprintf("'%s' over storage '%s' over '%s' keeps %s", rows[i].line,
				  text_of(rows[i].storage), rows[i].conf, rows[i].want);
		_cleanup_free_ char *got = NULL;
		int r = load(rows[i].line, rows[i].conf, &mine, &lines, &err);

		if (r == 0)
			r = settings_keep(&mine.retention, rows[i].storage, &keep, &err);
		if (works(r, &err, name)) {
			got = prune_keep_describe(&keep);
			same(got, rows[i].want, "  so it does");
		}
	}
	fails(settings_keep(&s.retention, "nonsense", &keep, &err), &err, "nonsense",
	      "a storage's nonsense is an error where it counts");
}

/* ---- incremental backups, where it stands there, too ---- */

/* "1 copy 0 generations 30 days 35", or "0", or the error; lines gets warnings. */
static char *show_incremental(const char *line, const char *storage, const char *conf, struct buf *lines)
{
	_cleanup_settings_ struct settings s = { 0 };
	_cleanup_error_ struct error *err = NULL;
	const struct log log = LOG_INTO(*lines);
	struct incremental_config c = { 0 };
	int r = load(line, conf, &s, lines, &err);

	if (r == 0)
		r = settings_incremental(&s, storage, &log, &c, &err);
	if (r < 0)
		return xstrdup(error_message(err));
	return c.enabled
		       ? xasprintf("1 copy %d generations %u days %u", c.copy, c.max_generations, c.max_days)
		       : xstrdup("0");
}

#define USUAL "1 copy 0 generations 30 days 35"

static void test_incremental(void)
{
	static const struct {
		const char *line, *storage, *conf, *want;
	} rows[] = {
		{ "100 --compress zstd", NULL, "", "0" },
		{ "100 --compress zstd", NULL, "incremental: 1", USUAL },
		{ "100 --compress zstd", "1", "incremental: 0", USUAL },
		{ "100 --compress zstd", "0", "incremental: 1", "0" },
		{ "100 --compress zstd --incremental 1", "0", "incremental: 0", USUAL },
		{ "100 --compress zstd --incremental 0", "1", "incremental: 1", "0" },
		{ "100", "1", "incremental: 0\ncompress: zstd", USUAL },
		{ "100 --compress zstd", "max-generations=2,max-days=1,1", "incremental: 0",
		  "1 copy 0 generations 2 days 1" },
		/* a whole property string takes the place of another one */
		{ "100 --compress zstd --incremental 1,copy=always", "1,max-days=1",
		  "incremental: 1,max-generations=4", "1 copy 1 generations 30 days 35" },
		{ "100 --compress zstd --incremental 1", "1,copy=never", "", USUAL },
		{ "100 --compress zstd", "1,copy=never", "",
		  "key 'copy': value 'never' is not one of auto, always" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf lines = BUF_INIT;
		_cleanup_free_ char *got =
			show_incremental(rows[i].line, rows[i].storage, rows[i].conf, &lines);

		if (!ok(!strcmp(got, rows[i].want), "'%s' over storage '%s' over vzdump.conf: %s",
			rows[i].line, text_of(rows[i].storage), rows[i].want))
			diag("got '%s'", got);
		same(buf_str(&lines), "", "  without a warning");
	}
}

static void test_incremental_in_vain(void)
{
#define NOT_PACKED "W incremental has no effect without --compress zstd: the backups are full ones\n"
	static const struct {
		const char *line, *storage, *want;
	} rows[] = {
		{ "100 --incremental 1", NULL, NOT_PACKED },
		{ "100 --compress gzip --incremental 1", NULL, NOT_PACKED },
		{ "100", "1", NOT_PACKED },
		{ "100 --compress gzip --incremental 0", "1", "" },
		{ "100 --compress gzip", NULL, "" },
		{ "100 --stdout --compress zstd --incremental 1", NULL,
		  "W incremental has no effect with --stdout: the backups are full ones\n" },
		{ "100 --compress zstd --incremental copy=always", NULL,
		  "W incremental is off, though 'copy=always' is given for it: enabled=1,copy=always turns it "
		  "on\n" },
		{ "100 --compress zstd --incremental 0,copy=always", NULL, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf lines = BUF_INIT;
		_cleanup_free_ char *got = show_incremental(rows[i].line, rows[i].storage, "", &lines);

		if (!ok(!strcmp(got, "0") && !strcmp(buf_str(&lines), rows[i].want),
			"'%s' over storage '%s': %s", rows[i].line, text_of(rows[i].storage),
			*rows[i].want ? "off, with a warning" : "off"))
			diag("got '%s', '%s'", got, buf_str(&lines));
	}
}

/* ---- contradictions ---- */

static void refused(const char *line, const char *conf, const char *part)
{
	_cleanup_settings_ struct settings s = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	_cleanup_free_ char *name = xasprintf("'%s' over '%s' is %s", line, conf, part ? "refused" : "taken");
	struct error *err = NULL;
	int r = load(line, conf, &s, &lines, &err);

	if (part)
		fails(r, &err, part, name);
	else
		works(r, &err, name);
}

static void test_contradictions(void)
{
	refused("100 --storage aa --stdout", "", "'storage' and 'stdout' at the same time");
	refused("100 --storage aa --dumpdir /d", "", "'storage' and 'dumpdir' at the same time");
	refused("100 --stdout", "storage: aa", NULL);
	refused("100 --stdout --dumpdir /d", "", NULL);
	refused("100 --cleanup --storage aa --dumpdir /d", "", NULL);
	refused("100 --forget", "", "option --forget needs --cleanup too");
	refused("100 --forget --cleanup 0", "", "option --forget needs --cleanup too");
	refused("100 --forget --cleanup", "", NULL);
	refused("100 --forget 0", "", NULL);
	refused("100 --verify-boot enabled=1,expect=/(/", "", "'/(/' is no extended regular expression");
	refused("100", "verify-boot: expect=/(/", "'/(/' is no extended regular expression");
}

static void test_warnings(void)
{
	_cleanup_settings_ struct settings saves = { 0 }, cleans = { 0 }, alone = { 0 };
	_cleanup_buf_ struct buf one = BUF_INIT, two = BUF_INIT, three = BUF_INIT;
	struct log log = LOG_INTO(three);
	struct error *err = NULL;

	works(load("100", "fleecing: storage=fast", &saves, &one, &err), &err, "fleecing without a word on");
	ok(strstr(buf_str(&one), "fleecing is off") != NULL, "  is warned about");
	buf_clear(&one);
	settings_clear(&saves);
	works(load("100 --fleecing-limit 1G", "", &saves, &one, &err), &err,
	      "fleecing-limit without fleecing");
	ok(strstr(buf_str(&one), "fleecing is off, though fleecing-limit '1G' is given for it") != NULL,
	   "  too");
	buf_clear(&one);
	settings_clear(&saves);
	works(load("100", "fleecing-limit: 1G", &saves, &one, &err), &err,
	      "as a default of jobs with fleecing");
	same(buf_str(&one), "", "  it is not");
	works(load("100 --cleanup", "fleecing: storage=fast", &cleans, &two, &err), &err, "of a cleanup");
	same(buf_str(&two), "", "  it is not");
	works(settings_load_conf(&alone, &paths, &log, &err), &err, "vzdump.conf alone");
	same(buf_str(&three), "", "  nor there");
	same(alone.commands.start, "qm start {vmid} --skiplock", "  its values are there");
}

int main(void)
{
	root_make();
	test_precedence();
	test_retention();
	test_incremental();
	test_incremental_in_vain();
	test_contradictions();
	test_warnings();
	root_remove();
	return done_testing();
}
