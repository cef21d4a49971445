#include "notify/config.h"
#include "test-config-util.h"
#include "test-root.h"

#define PUBLIC  "/etc/pve/notifications.cfg"
#define PRIVATE "/etc/pve/priv/notifications.cfg"

static const char whole[] = "sendmail: root-mail\n"
			    "\tcomment one: two # three\n"
			    "\tmailto a@example.com\n"
			    "\tmailto b@example.com\n"
			    "\tmailto-user root@pam\n"
			    "\tfrom-address backup@example.com\n"
			    "\tauthor Backup of h\xc3\xb6st\n"
			    "\tfilter old\n"
			    "\n"
			    "smtp: relay_1.x-y\n"
			    "  server mail.example.com  \n"
			    "  from-address me@example.com\n"
			    "  mode starttls\n"
			    "  port 2525\n"
			    "  username me\n"
			    "  mailto c@example.com\n"
			    "  disable YES\n"
			    " \t \n"
			    "\n"
			    "smtp: plain\n"
			    "\tserver 192.0.2.1\n"
			    "\tfrom-address x\n"
			    "\n"
			    "gotify: push\n"
			    "\tserver https://push.example.com/base\n"
			    "\tdisable off\n"
			    "\n"
			    "webhook: hook\n"
			    "\turl https://example.com:8443/{{ url-encode title }}\n"
			    "\tmethod put\n"
			    "\theader name=X-One,value=b25l\n"
			    "\theader name=X-Two,value=dHdvIMO2\n"
			    "\theader name=X-None\n"
			    "\tbody e3sgbWVzc2FnZSB9fQ==\n"
			    "\tsecret name=key\n"
			    "\n"
			    "matcher: errors\n"
			    "\tmatch-severity error,warning\n"
			    "\tmatch-severity error\n"
			    "\tmatch-field exact:type=vzdump\n"
			    "\tmatch-field regex:hostname=^pve\n"
			    "\tmatch-calendar mon..fri 8-17\n"
			    "\tmode any\n"
			    "\tinvert-match on\n"
			    "\ttarget push\n"
			    "\ttarget hook\n"
			    "\tdisable 0\n";

static const char secrets[] = "smtp: relay_1.x-y\n"
			      "\tpassword two words\n"
			      "\n"
			      "smtp: plain\n"
			      "\n"
			      "gotify: push\n"
			      "\ttoken t0ken\n"
			      "\n"
			      "gotify: unused\n"
			      "\ttoken x\n"
			      "\n"
			      "webhook: hook\n"
			      "\tsecret name=key,value=czNjcmV0\n";

/* Both files; NULL: it is missing. */
static void write_files(const char *public, const char *private)
{
	root_remove();
	root_make();
	if (public)
		put(PUBLIC, public);
	if (private)
		put(PRIVATE, private);
}

static const struct notify_endpoint *endpoint(const struct notify_config *c, const char *name)
{
	static const struct notify_endpoint none = { .name = NULL };

	for (size_t i = 0; i < c->n_endpoints; i++) {
		if (strcmp(c->endpoints[i].name, name) == 0)
			return &c->endpoints[i];
	}
	return &none;
}

/* "name(targets)", for each matcher. */
static char *matchers_of(const struct notify_config *c)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < c->n_matchers; i++) {
		buf_addf(&b, "%s(", c->matchers[i].name);
		for (char **t = c->matchers[i].targets; t && *t; t++)
			buf_addf(&b, "%s ", *t);
		buf_adds(&b, ")");
	}
	return buf_steal(&b);
}

static void reads_everything(void)
{
	_cleanup_notify_config_ struct notify_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	struct error *err = NULL;
	const struct notify_endpoint *e;
	const struct matcher *m;

	write_files(whole, secrets);
	if (!works(notify_config_load(&paths, &log, &c, &err), &err, "both files are read"))
		return;
	same(buf_str(&lines), "", "without a word");
	ok(c.n_endpoints == 6 && c.n_matchers == 2 && !c.is_default, "sections and what is built in");

	e = endpoint(&c, "root-mail");
	ok(e->type == ENDPOINT_SENDMAIL && !e->disabled && !e->problem, "a sendmail section");
	ok(e->mailto && e->mailto[1] && !e->mailto[2], "two addresses");
	same(e->mailto[1], "b@example.com", "the second one");
	same(e->mailto_user[0], "root@pam", "a user");
	same(e->from_address, "backup@example.com", "a sender");
	same(e->author, "Backup of h\xc3\xb6st", "an author");

	e = endpoint(&c, "relay_1.x-y");
	ok(e->type == ENDPOINT_SMTP && e->mode == SMTP_STARTTLS && e->port == 2525 && e->disabled,
	   "an smtp section");
	same(e->server, "mail.example.com", "a server, without the blanks behind it");
	same(e->password, "two words", "its password");
	e = endpoint(&c, "plain");
	ok(e->mode == SMTP_TLS && e->port == 0 && !e->username && !e->password && !e->problem,
	   "one without a mode has TLS, and its section in the second file may be empty");

	e = endpoint(&c, "push");
	ok(e->type == ENDPOINT_GOTIFY && !e->disabled, "a gotify section");
	same(e->token, "t0ken", "its token");

	e = endpoint(&c, "hook");
	ok(e->type == ENDPOINT_WEBHOOK && e->method == WEBHOOK_PUT && e->headers.n == 3 && e->secrets.n == 1,
	   "a webhook section");
	same(e->url, "https://example.com:8443/{{ url-encode title }}", "its URL");
	same(e->headers.list[1].name, "X-Two", "a header");
	same(e->headers.list[1].value, "two \xc3\xb6", "its value, decoded");
	same(e->headers.list[2].value, "", "a value may be missing");
	same(e->body, "{{ message }}", "the body, decoded");
	same(e->secrets.list[0].value, "s3cret", "a secret, decoded");

	m = &c.matchers[0];
	ok(m->n_severities == 2 && m->n_fields == 2 && m->n_calendars == 1 && m->mode == MATCH_ANY &&
		   m->invert && !m->disabled,
	   "a matcher");
	is_text(matchers_of(&c), "errors(push hook )default-matcher(mail-to-root )", "the matchers");
}

static void has_defaults(void)
{
	_cleanup_notify_config_ struct notify_config c = { 0 }, d = { 0 };
	struct error *err = NULL;

	write_files(NULL, NULL);
	works(notify_config_load(&paths, NULL, &c, &err), &err, "a host without any file");
	ok(c.is_default && c.n_endpoints == 1, "has one target");
	is_text(matchers_of(&c), "default-matcher(mail-to-root )", "the matchers");
	same(endpoint(&c, "mail-to-root")->mailto_user[0], "root@pam", "it is root's mail");

	write_files(
		"matcher: default-matcher\n\tdisable 1\n\nsendmail: mail-to-root\n\tmailto x@y\n\tdisable true\n",
		NULL);
	works(notify_config_load(&paths, NULL, &d, &err), &err,
	      "sections with the names of what is built in");
	ok(!d.is_default && d.n_endpoints == 1 && d.n_matchers == 1 && d.endpoints[0].disabled &&
		   d.matchers[0].disabled,
	   "are there instead");
}

static void replaces_and_ignores(void)
{
	_cleanup_notify_config_ struct notify_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	struct error *err = NULL;
	char *want;

	write_files(
		"sendmail: same\n\tmailto a@b\n\ngroup: old\n\tendpoint a\n\tendpoint b\n\nfilter: older\n"
		"\tmin-severity error\n\nmatcher: same\n\tmatch-calendar mon-fri 8-17\n",
		NULL);
	works(notify_config_load(&paths, &log, &c, &err), &err, "two sections of one name, and old types");
	is_text(matchers_of(&c), "same()default-matcher(mail-to-root )", "the matchers");
	ok(!endpoint(&c, "same")->name, "the later section has replaced the earlier one of another type");
	want = xasprintf(
		"W file %s" PUBLIC " line 4: sections of type 'group' are old, and ignored: remove 'old'\n"
		"W file %s" PUBLIC " line 8: sections of type 'filter' are old, and ignored: remove 'older'\n"
		"W file %s" PUBLIC " line 11: this section replaces an earlier one with the name 'same'\n"
		"W matcher 'same': write the days of match-calendar with two points, \"mon..fri\": "
		"Proxmox VE refuses the whole file otherwise\n",
		paths.root, paths.root, paths.root);
	same(buf_str(&lines), want, "warnings name file and line");
	free(want);
}

/* Why an endpoint cannot be used, in files that are all right for the others. */
static void knows_problems(void)
{
	/* clang-format off */
	static const struct {
		const char *public, *private, *problem;
	} rows[] = {
		{ "gotify: n1\n\tserver x\n", NULL,
		  "it has no section in " PRIVATE ": add \"gotify: n1\" there" },
		{ "gotify: n1\n\tserver x\n", "webhook: n1\n",
		  "it has no section in " PRIVATE ": add \"gotify: n1\" there" },
		{ "smtp: n1\n\tserver x\n\tfrom-address y\n\tusername u\n", "smtp: n1\n",
		  "it has a username, but no password in " PRIVATE },
		{ "webhook: n1\n\turl http://x\n\tmethod get\n\tbody !\n", "webhook: n1\n",
		  "the body is not text in base64" },
		{ "webhook: n1\n\turl http://x\n\tmethod get\n\theader name=a,value=/w==\n", "webhook: n1\n",
		  "the value of header 'a' is not text in base64" },
		{ "webhook: n1\n\turl http://x\n\tmethod get\n\theader name=a,value=YQBi\n", "webhook: n1\n",
		  "the value of header 'a' is not text in base64" },
		{ "webhook: n1\n\turl http://x\n\tmethod get\n", "webhook: n1\n\tsecret name=a,value=plain\n",
		  "the value of secret 'a' is not text in base64" },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_notify_config_ struct notify_config c = { 0 };
		struct error *err = NULL;

		write_files(rows[i].public, rows[i].private);
		if (works(notify_config_load(&paths, NULL, &c, &err), &err, "the files are usable"))
			same(endpoint(&c, "n1")->problem, rows[i].problem, rows[i].problem);
	}
}

/* clang-format off */
static const struct {
	const char *public, *private; /* NULL: a good file */
	const char *error; /* behind "file <path>" */
} bad[] = {
	{ "# comment\n", NULL, " line 1: a section begins with \"type: name\"" },
	{ "sendmail: n1\n\t# comment\n", NULL, " line 2 (sendmail 'n1'): unknown key '#'" },
	{ "sendmail: n1\n# comment\n", NULL, " line 2: in a section each line is indented" },
	{ "sendmail: n1\nmailto a@b\n", NULL, " line 2: in a section each line is indented" },
	{ "\tsendmail: n1\n", NULL, " line 1: a section begins" },
	{ "pushover: n1\n", NULL, " line 1: unknown type 'pushover' of section 'n1'" },
	{ "sendmail:\n", NULL, " line 1: '' is no name" },
	{ "sendmail: n\n", NULL, " line 1: 'n' is no name" },
	{ "sendmail: -n\n", NULL, " line 1: '-n' is no name" },
	{ "sendmail: n 1\n", NULL, " line 1: 'n 1' is no name" },
	{ "sendmail: a23456789012345678901234567890123\n", NULL, " line 1: 'a23456789012345678901234567890123' is" },
	{ "sendmail: n1\n\tserver x\n", NULL,
	  " line 2 (sendmail 'n1'): unknown key 'server' (known: mailto, mailto-user, from-address, author, comment, "
	  "disable, filter)" },
	{ "sendmail: n1\n\tauthor a\n\tauthor b\n", NULL,
	  " line 3 (sendmail 'n1'): key 'author' comes a second time" },
	{ "sendmail: n1\n\tdisable\n", NULL, " line 2: the key has no value" },
	{ "sendmail: n1\n\tdisable maybe\n", NULL,
	  " line 2 (sendmail 'n1'): value 'maybe' of key 'disable' is not one of 1, on, yes, true" },
	{ "sendmail: n1\n\tdisable \n", NULL, " line 2 (sendmail 'n1'): value '' of key 'disable'" },
	{ "sendmail: n1\n\tmailto a\n", NULL, " value 'a' of key 'mailto' is no address" },
	{ "sendmail: n1\n\tmailto-user root\n", NULL, " value 'root' of key 'mailto-user' is no user" },
	{ "sendmail: n1\n\tmailto-user a:b@pam\n", NULL, " value 'a:b@pam' of key 'mailto-user' is no user" },
	{ "sendmail: n1\n\tauthor a\tb\n", NULL, " of key 'author' has control characters" },
	{ "smtp: n1\n\tserver x\n", NULL, " line 1 (smtp 'n1'): key 'from-address' is missing" },
	{ "\nsmtp: n1\n\tfrom-address x\n", NULL, " line 2 (smtp 'n1'): key 'server' is missing" },
	{ "smtp: n1\n\tserver x\n\tfrom-address x\n\tmode ssl\n", NULL,
	  " line 4 (smtp 'n1'): value 'ssl' of key 'mode' is not one of insecure, starttls, tls" },
	{ "smtp: n1\n\tport 65536\n", NULL, " value '65536' of key 'port' is not a number from 0 to 65535" },
	{ "smtp: n1\n\tport 25x\n", NULL, " value '25x' of key 'port'" },
	{ "smtp: n1\n\tpassword x\n", NULL, " unknown key 'password'" },
	{ "gotify: n1\n", NULL, " line 1 (gotify 'n1'): key 'server' is missing" },
	{ "webhook: n1\n\tmethod get\n", NULL, " key 'url' is missing" },
	{ "webhook: n1\n\turl http://x\n", NULL, " key 'method' is missing" },
	{ "webhook: n1\n\tmethod GET\n", NULL, " value 'GET' of key 'method' is not one of post, put, get" },
	{ "webhook: n1\n\turl example.com\n", NULL, " line 2 (webhook 'n1'): the value of key 'url' is not http://" },
	{ "webhook: n1\n\turl ftp://x\n", NULL, " the value of key 'url' is not http://" },
	{ "webhook: n1\n\turl http://{{ x }}/\n", NULL, " of key 'url' is not http://" },
	{ "webhook: n1\n\turl http://x?y\n", NULL, " of key 'url' has neither the end nor a slash" },
	{ "webhook: n1\n\turl http://x:80y\n", NULL, " of key 'url' has neither the end nor a slash" },
	{ "webhook: n1\n\turl http://[::1\n", NULL, " of key 'url' is not http://" },
	{ "webhook: n1\n\theader X: y\n", NULL, " the value of key 'header' is not name=NAME,value=VALUE" },
	{ "webhook: n1\n\theader value=eA==\n", NULL, " of key 'header' is not name=NAME" },
	{ "matcher: n1\n\tmatch-field type=vzdump\n", NULL,
	  " line 2 (matcher 'n1'): value 'type=vzdump' of key 'match-field' does not begin with" },
	{ "matcher: n1\n\tmatch-field regex:type=(\n", NULL,
	  " value 'regex:type=(' of key 'match-field' is no regular expression (at character " },
	{ "matcher: n1\n\tmatch-severity fatal\n", NULL, " value 'fatal' of key 'match-severity' has something" },
	{ "matcher: n1\n\tmatch-calendar 25-26\n", NULL, " of key 'match-calendar' invalid daily duration" },
	{ "matcher: n1\n\tmode one\n", NULL, " value 'one' of key 'mode' is not one of all, any" },
	{ "matcher: n1\n\ttarget a b\n", NULL, " value 'a b' of key 'target' is no name of a target" },
	{ "matcher: same\n\tmode one\n\nmatcher: same\n", NULL, " value 'one' of key 'mode'" },
	{ "group: n1\n\tcolour red\n", NULL, " line 2 (group 'n1'): unknown key 'colour'" },
	{ "sendmail: n1\n\tauthor h\xf6st\n", NULL, " line 2: this is not UTF-8" },
	/* what may be secret is not shown */
	{ "gotify: n1\n\tserver http://a:\x01hidden@x\n", NULL, " the value of key 'server' has control" },
	{ "webhook: n1\n\turl https://a:hidden@x/\n", NULL, " the value of key 'url' has neither the end" },
	{ "webhook: n1\n\turl hooks.example.com/hidden\n", NULL, " the value of key 'url' is not http://" },
	{ "webhook: n1\n\theader Authorization: Basic hidden\n", NULL, " the value of key 'header' is not name=" },
	{ "webhook: n1\n\tbody \x01hidden\n", NULL, " the value of key 'body' has control" },
	{ "webhook: n1\n\tsecret \x01hidden\n", NULL, " the value of key 'secret' has control" },
	{ NULL, "gotify: n1\n\ttoken a\n\npassword: hidden\n", " line 4: unknown type of section (known: smtp, " },
	{ NULL, "smtp: hidden word\n", " line 1: '...' is no name" },
	{ NULL, "gotify: n1\n\tpassword hidden\n", " line 2 (gotify 'n1'): unknown key (known: token)" },
	{ NULL, "gotify: n1\n\thidden\n", " line 2: the key has no value" },
	{ NULL, "gotify: n1\nhidden\n", " line 2: in a section each line is indented" },
	{ NULL, "hidden\n", " line 1: a section begins" },
	{ NULL, "gotify: n1\n", " line 1 (gotify 'n1'): key 'token' is missing" },
	{ NULL, "gotify: n1\n\ttoken a\n\ttoken hidden\n", " line 3 (gotify 'n1'): key 'token' comes a second time" },
	{ NULL, "gotify: n1\n\ttoken hid\x01" "den\n", " line 2 (gotify 'n1'): the value of key 'token' has control" },
	{ NULL, "webhook: n1\n\tsecret hidden\n", " line 2 (webhook 'n1'): the value of key 'secret' is not name=" },
	{ NULL, "sendmail: n1\n", " line 1: unknown type of section (known: smtp, gotify, webhook)" },
	{ NULL, "matcher: n1\n", " line 1: unknown type of section (known: smtp, gotify, webhook)" },
};
/* clang-format on */

static void refuses(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_notify_config_ struct notify_config c = { 0 };
		_cleanup_free_ char *begin =
			xasprintf("file %s%s", paths.root, bad[i].private ? PRIVATE : PUBLIC);
		struct error *err = NULL;
		int r;

		put(PUBLIC, bad[i].public ? bad[i].public : "sendmail: good\n");
		put(PRIVATE, bad[i].private ? bad[i].private : "");
		r = notify_config_load(&paths, NULL, &c, &err);
		ok(r == ERR_INVALID && !c.n_endpoints && err &&
			   !strncmp(err->message, begin, strlen(begin)) && !strstr(err->message, "hidden"),
		   "refused, with the file's name: %s", error_message(err));
		fails(r, &err, bad[i].error, bad[i].error);
	}
}

static void refuses_zero_bytes(void)
{
	_cleanup_free_ char *path = paths_get(&paths, PUBLIC);
	_cleanup_notify_config_ struct notify_config c = { 0 };
	struct error *err = NULL;
	int r;

	if (io_write_file_atomic(path, "sendmail: n1\n\0junk", 18, 0644, NULL, NULL) < 0)
		abort();
	put(PRIVATE, "");
	r = notify_config_load(&paths, NULL, &c, &err);
	fails(r, &err, "there are zero bytes in it", "a file with zero bytes");
	unlink(path);
	if (io_mkdir_p(path, 0755, NULL) < 0)
		abort();
	r = notify_config_load(&paths, NULL, &c, &err);
	fails(r, &err, PUBLIC, "a file that cannot be read is named");
}

int main(void)
{
	root_make();
	reads_everything();
	has_defaults();
	replaces_and_ignores();
	knows_problems();
	refuses();
	refuses_zero_bytes();
	root_remove();
	return done_testing();
}
