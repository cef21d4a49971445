#include "config/vzdump-options.h"
#include "test-config-util.h"

#define MAX_WORDS 16

/* Splits line at blanks ("''" is an empty word) and parses it as vzdump's. */
static int parse(const char *line, struct options *o, struct error **err)
{
	static char copy[1024];
	static char empty[] = "";
	char *argv[MAX_WORDS + 1] = { NULL };
	int argc = 0;

	snprintf(copy, sizeof(copy), "vzdump %s", line);
	for (char *at = copy; at && argc < MAX_WORDS;) {
		char *end = strchr(at, ' ');

		if (end)
			*end++ = '\0';
		if (*at)
			argv[argc++] = strcmp(at, "''") == 0 ? empty : at;
		at = end;
	}
	return options_parse(&vzdump_options, argc, argv, o, err);
}

static void good(const char *line, const char *option, const char *value)
{
	struct options o;
	struct error *err = NULL;
	char name[200];

	snprintf(name, sizeof(name), "'%s' is understood", line);
	if (works(parse(line, &o, &err), &err, name)) {
		snprintf(name, sizeof(name), "  %s is %s", option, value ? value : "not set");
		same(options_get(&o, option), value, name);
	}
	options_clear(&o);
}

static void bad(const char *line, const char *part)
{
	struct options o;
	struct error *err = NULL;
	char name[200];

	snprintf(name, sizeof(name), "'%s' is refused: %s", line, part);
	fails(parse(line, &o, &err), &err, part, name);
	options_clear(&o);
}

static void test_forms(void)
{
	good("", "zstd", "1");
	good("100", "vmid", "100");
	good("100 101", "vmid", "100,101");
	good("100,101;102", "vmid", "100,101;102");
	good("--storage local 100", "storage", "local");
	good("100 --storage=local", "storage", "local");
	good("100 -storage local", "storage", "local");
	good("100 --stor local", "storage", "local");
	good("100 --MODE stop", "mode", "stop");
	good("100 --storage aa --storage bb", "storage", "bb");
	good("100 --exclude 101 --exclude 102", "exclude", "101,102");
	good("100 --zstd -1", "zstd", "-1");
	good("100 --zstd +4", "zstd", "4");
	good("100 --tmpdir --x", "tmpdir", "--x");
	good("-- 100", "vmid", "100");
	good("100 --fleecing enabled=1,storage=fast", "fleecing", "enabled=1,storage=fast");
}

static void test_booleans(void)
{
	good("100 --quiet", "quiet", "1");
	good("--quiet 100", "quiet", "1");
	good("--quiet 100", "vmid", "100");
	good("--quiet 100,101", "vmid", "100,101");
	good("100 --quiet --all=0", "quiet", "1");
	good("100 --quiet 1", "quiet", "1");
	good("100 --quiet yes", "quiet", "1");
	good("100 --quiet 0", "quiet", "0");
	good("100 --quiet=0", "quiet", "0");
	good("100 --quiet=off", "quiet", "0");
	good("100 --quiet=", "quiet", "1");
	good("100 --remove no", "remove", "0");
	bad("100 --quiet maybe", "option --quiet: value 'maybe' is not a boolean");
	bad("100 --quiet=2", "vzdump: option --quiet: value '2' is not a boolean");
}

static void test_errors(void)
{
	bad("100 --zstd x", "vzdump: option --zstd: value 'x' is not an integer");
	bad("100 --zstd", "option --zstd needs a value");
	bad("100 --storage=", "option --storage: value '' is not a storage id");
	bad("100 --nonsense 1", "unknown option --nonsense (see --help)");
	bad("100 --fleecng 1", "unknown option --fleecng (did you mean --fleecing?)");
	bad("100 --compress zst", "is not one of 0, 1, gzip, lzo, zstd (did you mean 'zstd'?)");
	bad("100 --prune-backups keep-last=1,keep-all=1", "option --prune-backups: keep-all cannot be set");
	bad("--vmid 100", "unknown option --vmid");
	bad("100 --start-command x", "unknown option --start-command");
	bad("100 --s local", "option --s is ambiguous");
	bad("100 --compress bzip", "option --compress: value 'bzip' is not one of 0, 1, gzip");
	bad("100 --mode ''", "option --mode: value ''");
	bad("100 --ionice 9", "option --ionice: value '9' is too large, the maximum is 8");
	bad("100 --bwlimit -1", "option --bwlimit: value '-1' is too small");
	bad("100 --zstd-level 20", "option --zstd-level");
	bad("99", "argument <vmid>: value '99' is not a guest id");
	bad("1000000000", "not a guest id");
	bad("0100", "not a guest id");
	bad("100,x", "value 'x' is not a guest id");
	bad("100 --storage 9x", "option --storage: value '9x' is not a storage id");
	good("100 --fleec 1", "fleecing", "1");
	good("100 --fleecing- 1G", "fleecing-limit", "1G");
	good("100 --fleecing-limit 0", "fleecing-limit", "0");
	good("100 --fleecing-limit 16M", "fleecing-limit", "16M");
	bad("100 --fleecing-limit 2", "option --fleecing-limit: value '2' is too small, the minimum is 16M");
	bad("100 --fleecing-limit 10%", "option --fleecing-limit: value '10%' is not a size");
	bad("100 --fleecing 1,limit=0", "option --fleecing: key 'limit': value '0' leaves no room");
	bad("100 --fleecing 1,x=1", "option --fleecing: unknown key 'x'");
	bad("100 --incremental 1,max-generations=1",
	    "option --incremental: key 'max-generations': value '1' is too small, the minimum is 2");
	bad("100 --incremental max-generations=1001", "the maximum is 1000");
	bad("100 --incremental max-days=0", "the minimum is 1");
	bad("100 --incremental max-days=3651", "the maximum is 3650");
	bad("100 --incremental copy=never", "option --incremental: key 'copy': value 'never' is not one of");
	bad("100 --incremental max-gens=3", "option --incremental: unknown key 'max-gens'");
	good("100 --incremental 1", "incremental", "1");
	good("100 --incremental enabled=1,max-generations=1000,max-days=3650", "incremental",
	     "enabled=1,max-generations=1000,max-days=3650");
	bad("100 --protected", "option --protected needs --storage too");
	good("100 --protected --storage aa", "protected", "1");
	good("--pool x --exclude 100", "pool", "x");
	good("100 --stdexcludes 0", "stdexcludes", "0");
}

static void test_mail(void)
{
	good("100 --mailto root;a.b@c-d.e --mailto x+y", "mailto", "root;a.b@c-d.e,x+y");
	good("100 --mailto=", "mailto", "");
	good("100 --mailto ''", "mailto", "");
	bad("100 --mailto a@b.c,a..b", "option --mailto: value 'a..b' is not a mail address");
	bad("100 --mailto a@", "option --mailto: value 'a@'");
	bad("100 --mailto @b", "option --mailto: value '@b'");
	bad("100 --mailto a@b@c", "option --mailto: value 'a@b@c'");
	bad("100 --mailto a.", "option --mailto: value 'a.'");
	bad("100 --mailnotification never", "value 'never' is not one of always, failure");
	bad("100 --notification-mode mail", "value 'mail' is not one of auto");
}

static void test_arrays_and_help(void)
{
	struct options o;
	struct error *err = NULL;
	_cleanup_buf_ struct buf help = BUF_INIT;

	works(parse("100 --exclude-path /a --exclude-path b,c", &o, &err), &err,
	      "exclude-path may be repeated");
	same(options_array(&o, "exclude-path")[1], "b,c", "its values stay whole");
	options_clear(&o);
	bad("--nonsense --help", "unknown option --nonsense");
	works(parse("100 --help --nonsense", &o, &err), &err, "--help ends the reading");
	ok(o.help, "and is seen");
	options_clear(&o);

	options_help(&vzdump_options, &help);
	ok(strstr(buf_str(&help), "USAGE: vzdump [<vmid> ...] [OPTIONS]") != NULL, "help has a usage line");
	ok(strstr(buf_str(&help), "--zstd <integer> (default: 1)") != NULL, "and each option's default");
	ok(strstr(buf_str(&help), "--fleecing [[enabled=]<boolean>] [,storage=<storage>]") != NULL,
	   "and a property string's keys");
	ok(!strstr(buf_str(&help), "start-command"), "but not what only vzdump.conf takes");
}

static const struct option extract_rows[] = {
	{ .name = "archive", .flags = OPTION_REQUIRED, .description = "a" },
	{ .name = "dir", .description = "d" },
	{ .name = "verbose", .value = { .type = VALUE_BOOL }, .description = "v" },
};
static const char *const extract_args[] = { "archive", "dir", NULL };
static const struct option_table extract = {
	.command = "vma extract",
	.rows = extract_rows,
	.n_rows = 3,
	.args = extract_args,
};

static void test_fixed_arguments(void)
{
	char *argv[] = { (char[]){ "vma" }, (char[]){ "-v" },   (char[]){ "file" },
			 (char[]){ "out" }, (char[]){ "more" }, NULL };
	struct options o;
	struct error *err = NULL;

	works(options_parse(&extract, 4, argv, &o, &err), &err, "fixed arguments are filled in order");
	same(options_get(&o, "archive"), "file", "the first");
	same(options_get(&o, "dir"), "out", "the second");
	options_clear(&o);
	works(options_parse(&extract, 3, argv, &o, &err), &err, "optional ones may be left out");
	ok(!options_given(&o, "dir"), "and are not given then");
	options_clear(&o);
	fails(options_parse(&extract, 1, argv, &o, &err), &err, "vma extract: argument <archive> is missing",
	      "required ones may not");
	options_clear(&o);
	fails(options_parse(&extract, 5, argv, &o, &err), &err, "unexpected argument 'more'",
	      "more are refused");
	options_clear(&o);
}

static const char conf[] = "# comment\n"
			   "  tmpdir: /tmp/x  \n"
			   "zstd: many\n"
			   "zstd-level: 5\n"
			   "zstd-level: 6\n"
			   "storage: aa\n"
			   "dumpdir: /d\n"
			   "nonsense: 1\n"
			   "fleecng: 1\n"
			   "node: x\n"
			   "no pair\n"
			   "quiet: yes\n"
			   "exclude-path: '/a b' /c\n"
			   "exclude-path: /d\n"
			   "mailto: root\n"
			   "stdout: 1\n"
			   "performance: max-workers=8,pbs-entries-max=5\n"
			   "prune-backups: keep-last=1\n"
			   "protected: 1\n"
			   "start-command: systemctl start vm@{vmid}: now\n"
			   "bwlimit:0";

static void test_conf(void)
{
	_cleanup_options_ struct options c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);

	options_init(&c, &vzdump_options);
	vzdump_conf_parse(conf, "f", &c, &log);
	same(options_get(&c, "tmpdir"), "/tmp/x", "vzdump.conf: blanks around are cut");
	ok(!options_given(&c, "zstd"), "a bad value is dropped");
	same(options_get(&c, "zstd-level"), "6", "the last of several lines counts");
	same(options_get(&c, "quiet"), "1", "booleans are understood");
	same(options_array(&c, "exclude-path")[0], "/a b", "patterns may be quoted");
	same(options_array(&c, "exclude-path")[2], "/d", "and add up over lines");
	ok(!options_given(&c, "dumpdir"), "storage beats dumpdir");
	ok(!options_given(&c, "stdout"), "what belongs to the command line stays out");
	same(options_get(&c, "mailto"), "root", "addresses are taken");
	same(options_get(&c, "start-command"), "systemctl start vm@{vmid}: now", "a value may hold colons");
	ok(options_given(&c, "bwlimit"), "no blank is needed behind the colon");
	same(buf_str(&lines),
	     "W parse error in 'f' - 'zstd': value 'many' is not an integer\n"
	     "W unknown key 'nonsense' in 'f' is ignored\n"
	     "W unknown key 'fleecng' in 'f' is ignored (did you mean 'fleecing'?)\n"
	     "W ignore config line: no pair (in 'f', whose lines are 'key: value')\n"
	     "W both 'storage' and 'dumpdir' defined in 'f' - ignoring 'dumpdir'\n",
	     "and what was dropped is warned about");
}

/* One line of the file: what comes of the option, and the warning there is. */
static void conf_line(const char *line, const char *option, const char *value, const char *warning)
{
	_cleanup_options_ struct options c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	char name[200];

	options_init(&c, &vzdump_options);
	vzdump_conf_parse(line, "f", &c, &log);
	snprintf(name, sizeof(name), "the line '%s' gives %s %s", line, option, value ? value : "(default)");
	same(options_given(&c, option) ? options_get(&c, option) : NULL, value, name);
	snprintf(name, sizeof(name), "  %s", *warning ? "with a warning" : "without a word");
	same(buf_str(&lines), warning, name);
}

static void test_conf_lines(void)
{
	conf_line("script:", "script", NULL, "");
	conf_line("tmpdir: ", "tmpdir", NULL, "");
	conf_line("dumpdir:", "dumpdir", NULL, "");
	conf_line(
		"prune-backups: keep-last=1,keep-all=1", "prune-backups", NULL,
		"W parse error in 'f' - 'prune-backups': keep-all cannot be set together with other options\n");
	conf_line("prune-backups: keep-last=0,keep-all=1", "prune-backups", "keep-last=0,keep-all=1", "");
	conf_line(
		"prune-backups: keep-lst=1", "prune-backups", NULL,
		"W parse error in 'f' - 'prune-backups': unknown key 'keep-lst' (known: keep-all, keep-last, "
		"keep-hourly, keep-daily, keep-weekly, keep-monthly, keep-yearly) (did you mean "
		"'keep-last'?)\n");
	conf_line(
		"mode: snapshto", "mode", NULL,
		"W parse error in 'f' - 'mode': value 'snapshto' is not one of snapshot, suspend, stop (did "
		"you mean 'snapshot'?)\n");
	conf_line("start-command: run 'it", "start-command", NULL,
		  "W parse error in 'f' - 'start-command': a quote is not closed in 'run 'it'\n");
	conf_line("start-command:", "start-command", NULL,
		  "W parse error in 'f' - 'start-command': value '' is not a command\n");
	conf_line(
		"storage:", "storage", NULL,
		"W parse error in 'f' - 'storage': value '' is not a storage id (two or more letters, digits, '-', '_' "
		"or '.', starting with a letter, ending with a letter or digit)\n");
	for (size_t i = 0; i < 7; i++) {
		static const char *const lines[] = { "vmid: 100", "all: 1",  "exclude: 100", "pool: p",
						     "node: n",   "stop: 1", "job-id: x" };

		conf_line(lines[i], "storage", NULL, "");
	}
}

/* What is asked for and comes to nothing. */
static void test_warnings(void)
{
	static const struct {
		const char *line, *warning;
	} all[] = {
		{ "100 --fleecing storage=fast", "W fleecing is off, though storage 'fast' is given for it: "
						 "enabled=1,storage=fast turns it on\n" },
		{ "100 --fleecing storage=fast,limit=2G",
		  "W fleecing is off, though storage 'fast' is given for it: "
		  "enabled=1,storage=fast,limit=2G turns it on\n" },
		{ "100 --fleecing reserve=5%", "W fleecing is off, though reserve '5%' is given for it: "
					       "enabled=1,reserve=5% turns it on\n" },
		{ "100 --fleecing enabled=0,storage=fast", "" },
		{ "100 --fleecing enabled=0,limit=2G", "" },
		{ "100 --fleecing 1,storage=fast", "" },
		{ "100 --fleecing 0", "" },
		{ "100", "" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		_cleanup_buf_ struct buf lines = BUF_INIT;
		struct log log = LOG_INTO(lines);
		struct options o;
		char name[200];

		parse(all[i].line, &o, NULL);
		vzdump_options_warn(&o, &log);
		snprintf(name, sizeof(name), "'%s' is warned about%s", all[i].line,
			 *all[i].warning ? "" : " not at all");
		same(buf_str(&lines), all[i].warning, name);
		options_clear(&o);
	}
}

static void merged(const char *line, const char *text, const char *option, const char *value)
{
	_cleanup_options_ struct options c = { 0 };
	struct options o;
	struct error *err = NULL;
	char name[200];

	options_init(&c, &vzdump_options);
	vzdump_conf_parse(text, "f", &c, NULL);
	snprintf(name, sizeof(name), "'%s' over '%s' gives %s %s", line, text, option,
		 value ? value : "(none)");
	parse(line, &o, &err);
	if (works(vzdump_options_merge(&o, &c, &err), &err, name))
		same(options_get(&o, option), value, name);
	options_clear(&o);
}

static void test_merge(void)
{
	merged("100", "zstd: 4", "zstd", "4");
	merged("100 --zstd 2", "zstd: 4", "zstd", "2");
	merged("100 --dumpdir /x", "storage: aa", "storage", NULL);
	merged("100", "storage: aa", "storage", "aa");
	merged("100 --performance max-workers=2", "performance: max-workers=3,pbs-entries-max=5",
	       "performance", "max-workers=2,pbs-entries-max=5");
	merged("100", "performance: max-workers=3", "performance", "max-workers=3");
	merged("100", "prune-backups: keep-last=1", "prune-backups", "keep-all=1");
	merged("100", "all: 1", "all", "0");
	merged("100", "quiet: 1", "quiet", "0");
	merged("100", "mailto: root", "mailto", "root");
	merged("100 --mailto=", "mailto: root", "mailto", "");
	merged("100", "mailto: a@b", "mailto", "a@b");
	merged("100", "start-command: a b", "start-command", "a b");
	merged("100 --script ''", "script: /x", "script", NULL);
	merged("100 --tmpdir ''", "tmpdir: /x", "tmpdir", NULL);
	merged("100 --exclude-path /a", "exclude-path: /b", "exclude-path", "/a");
}

static void verified(const char *line, const char *part)
{
	struct options o;
	struct error *err = NULL;
	char name[200];
	int r = parse(line, &o, &err);

	snprintf(name, sizeof(name), "'%s' %s", line, part ? part : "makes sense");
	if (r == 0)
		r = vzdump_options_verify(&o, &err);
	if (part)
		fails(r, &err, part, name);
	else
		works(r, &err, name);
	options_clear(&o);
}

static void test_verify(void)
{
	verified("100", NULL);
	verified("--all", NULL);
	verified("--stop", NULL);
	verified("--cleanup", NULL);
	verified("--exclude 100", NULL);
	verified("100 --all 0", NULL);
	verified("", "no guest given");
	verified("100 --pool x", "option --pool conflicts with guest ids");
	verified("''", "no guest given");
	verified("--all 0", "no guest given");
	verified("100 --all", "option --all conflicts with guest ids");
	verified("100 --exclude 101", "option --exclude conflicts with guest ids");
	verified("100 --storage aa --notes-template {{vmid}}", NULL);
	verified("100 --storage aa --notes-template {{foo}}",
		 "option --notes-template: found unknown: variable 'foo' at char 2");
}

int main(void)
{
	test_forms();
	test_booleans();
	test_errors();
	test_mail();
	test_arrays_and_help();
	test_fixed_arguments();
	test_conf();
	test_conf_lines();
	test_warnings();
	test_merge();
	test_verify();
	return done_testing();
}
