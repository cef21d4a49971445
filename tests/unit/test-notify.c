#include "notify/notify.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/strv.h"
#include "notify/render.h"
#include "test-config-util.h"
#include "test-root.h"

/* Monday, 2026-11-30, 02:30:00 in Vienna. */
#define WHEN 1796002200

/*
 * Stands in for sendmail: keeps arguments and mail in $BOX, by the first recipient.  Some recipients have it
 * fail, wait for each other, or wait for ever.
 */
static const char recorder[] = "#!/bin/sh\n"
			       "set -u\n"
			       "name=$6\n"
			       "printf '%s\\n' \"$@\" > \"$BOX/$name.args\"\n"
			       "cat > \"$BOX/$name.part\"\n"
			       "mv \"$BOX/$name.part\" \"$BOX/$name\"\n"
			       "case $name in\n"
			       "fail) echo 'no such mailbox' >&2; exit 67 ;;\n"
			       "aa) while [ ! -e \"$BOX/bb\" ]; do sleep 0.01; done ;;\n"
			       "bb) while [ ! -e \"$BOX/aa\" ]; do sleep 0.01; done ;;\n"
			       "hang) sleep 1000 ;;\n"
			       "esac\n";

static struct buf lines;
static struct log log_lines = { .line = collect_line, .opaque = &lines };

/* A new host with templates for "test", and with the recorder if PATH is to have one. */
static void new_host(bool has_sendmail)
{
	_cleanup_free_ char *bin = NULL, *program = NULL, *box = NULL, *path = NULL;

	root_remove();
	root_make();
	buf_reset(&lines);
	bin = paths_get(&paths, "/bin");
	program = paths_get(&paths, "/bin/sendmail");
	box = paths_get(&paths, "/box");
	path = has_sendmail ? xasprintf("%s:/usr/bin:/bin", bin) : xstrdup(bin);
	if (io_mkdir_p(box, 0755, NULL) < 0)
		abort();
	if (has_sendmail) {
		put("/bin/sendmail", recorder);
		chmod(program, 0755);
	}
	setenv("PATH", path, 1);
	setenv("BOX", box, 1);
	put("/usr/share/pve-manager/templates/default/test-subject.txt.hbs", "About {{word}}\n");
	put("/usr/share/pve-manager/templates/default/test-body.txt.hbs", "text with {{word}}\n");
	put("/usr/share/pve-manager/templates/default/test-body.html.hbs", "<p>html with {{word}}</p>\n");
}

static const struct notify_field fields[] = { { "type", "test" }, { "hostname", "pve1" } };

/* Sends "test" by notify_send(), or by notify_mail() if there are addresses. */
static void notify(enum notify_severity severity, char *const *addresses, const struct cancel *cancel)
{
	_cleanup_json_ struct json_object *data = json_new_str("word", "a & b");
	const struct notification n = {
		.severity = severity,
		.time = WHEN,
		.fields = fields,
		.n_fields = ARRAY_SIZE(fields),
		.template_name = "test",
		.data = data,
	};

	if (addresses)
		notify_mail(&paths, &n, addresses, cancel, &log_lines);
	else
		notify_send(&paths, &n, cancel, &log_lines);
}

static void says(const char *want, const char *what)
{
	same(buf_str(&lines), want, what);
	buf_reset(&lines);
}

/* The file of the box; "" if there is none.  Caller frees. */
static char *box(const char *name)
{
	_cleanup_free_ char *path = paths_get(&paths, "/box/%s", name);
	_cleanup_buf_ struct buf text = BUF_INIT;

	io_read_file(path, 1 << 20, &text, NULL);
	return buf_steal(&text);
}

static void is_box(const char *name, const char *want, const char *what)
{
	_cleanup_free_ char *got = box(name);

	same(got, want, what);
}

static void box_has(const char *name, const char *part, const char *what)
{
	_cleanup_free_ char *got = box(name);

	if (!ok(strstr(got, part) != NULL, "%s", what))
		diag("got '%s', wanted '%s' in it", got, part);
}

static void is_quiet_on_a_bare_host(void)
{
	new_host(false);
	notify(NOTIFY_ERROR, NULL, NULL);
	says("", "without notifications.cfg and sendmail nobody is notified, and that is no error");
	put("/etc/pve/notifications.cfg", "");
	notify(NOTIFY_ERROR, NULL, NULL);
	says("E cannot notify target 'mail-to-root': command 'sendmail' not found: install it or correct PATH\n",
	     "with an empty notifications.cfg it is");
}

static void tells_root_by_default(void)
{
	new_host(true);
	notify(NOTIFY_INFO, NULL, NULL);
	says("I notified target 'mail-to-root'\n", "without notifications.cfg root gets a mail");
	is_box("root.args", "-B\n8BITMIME\n-f\nroot\n--\nroot\n", "sendmail is called as PVE does");
	is_box("root",
	       "Content-Type: multipart/alternative;\n"
	       "\tboundary=\"----_=_NextPart_002_1796002200\"\n"
	       "MIME-Version: 1.0\n"
	       "Subject: About a & b\n"
	       "From: Proxmox VE <root>\n"
	       "To: root\n"
	       "Date: Mon, 30 Nov 2026 02:30:00 +0100\n"
	       "Auto-Submitted: auto-generated;\n"
	       "\n"
	       "This mail has a text and an HTML part, in MIME format.\n"
	       "\n"
	       "------_=_NextPart_002_1796002200\n"
	       "Content-Type: text/plain;\n"
	       "\tcharset=\"UTF-8\"\n"
	       "Content-Transfer-Encoding: 7bit\n"
	       "\n"
	       "text with a & b\n"
	       "------_=_NextPart_002_1796002200\n"
	       "Content-Type: text/html;\n"
	       "\tcharset=\"UTF-8\"\n"
	       "Content-Transfer-Encoding: 7bit\n"
	       "\n"
	       "<p>html with a &amp; b</p>\n"
	       "------_=_NextPart_002_1796002200--\n",
	       "the mail");
	put("/etc/pve/user.cfg", "user:root@pam:1:0:::admin@example.com:::\n");
	put("/etc/pve/datacenter.cfg", "email_from: backup@example.com\n");
	notify(NOTIFY_INFO, NULL, NULL);
	is_box("admin@example.com.args", "-B\n8BITMIME\n-f\nbackup@example.com\n--\nadmin@example.com\n",
	       "root's address and the sender are those that PVE knows");
	box_has("admin@example.com", "From: Proxmox VE <backup@example.com>\nTo: admin@example.com\n",
		"in the headers, too");
}

/* A port of this host that nobody listens to, as long as *ret_fd is open. */
static unsigned refusing_port(int *ret_fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0 || bind(*ret_fd, (struct sockaddr *)&a, len) < 0 ||
	    getsockname(*ret_fd, (struct sockaddr *)&a, &len) < 0)
		abort();
	return ntohs(a.sin_port);
}

static void one_failure_keeps_no_other_from_it(void)
{
	_cleanup_close_ int fd = -1;
	const unsigned port = refusing_port(&fd);
	_cleanup_free_ char *config =
		xasprintf("sendmail: first\n\tmailto fail\n\n"
			  "gotify: push\n\tserver http://127.0.0.1:%u\n\n"
			  "webhook: hook\n\turl http://127.0.0.1:%u/\n\tmethod post\n\n"
			  "smtp: relay\n\tserver 127.0.0.1\n\tport %u\n\tmode insecure\n"
			  "\tfrom-address me@example.com\n\tmailto you@example.com\n\n"
			  "sendmail: nobody\n\tmailto-user none@pve\n\n"
			  "sendmail: off\n\tmailto off\n\tdisable true\n\n"
			  "gotify: half\n\tserver http://127.0.0.1:%u\n\n"
			  "sendmail: last\n\tmailto last\n\tmailto other@example.com\n"
			  "\tmailto last\n\tmailto-user root@pam\n\tauthor Night shift\n"
			  "\tfrom-address night@example.com\n\n"
			  "matcher: all\n\ttarget first\n\ttarget push\n\ttarget hook\n"
			  "\ttarget relay\n\ttarget nobody\n\ttarget off\n\ttarget half\n"
			  "\ttarget gone\n\ttarget last\n\ttarget first\n\n"
			  "matcher: more\n\ttarget last\n\tmatch-severity error\n",
			  port, port, port, port);
	static const char *const parts[] = {
		"I skipping disabled target 'off'\n",
		"E cannot notify target 'half': it has no section in /etc/pve/priv/notifications.cfg: add \"gotify: "
		"half\" there\n",
		"E cannot notify target 'gone': there is no such target, but a matcher names it\n",
		"W notification target 'nobody': user 'none@pve' has no mail address in /etc/pve/user.cfg\n",
		"E cannot notify target 'first': 'sendmail -B 8BITMIME -f root -- fail' failed with exit status 67: "
		"no such mailbox\n",
		"E cannot notify target 'push': ",
		"E cannot notify target 'hook': ",
		"E cannot notify target 'relay': ",
		"E cannot notify target 'nobody': nobody with an address is to get the mail\n",
		"I notified target 'last'\n",
		"I notified target 'mail-to-root'\n",
	};
	size_t count = 0;

	new_host(true);
	put("/etc/pve/notifications.cfg", config);
	put("/etc/pve/priv/notifications.cfg",
	    "gotify: push\n\ttoken s3cret\n\nwebhook: hook\n\nsmtp: relay\n");
	notify(NOTIFY_ERROR, NULL, NULL);
	for (const char *at = buf_str(&lines); *at; at++)
		count += *at == '\n';
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		ok(strstr(buf_str(&lines), parts[i]) != NULL, "the log has: %.*s",
		   (int)strcspn(parts[i], "\n"), parts[i]);
	if (!ok(count == ARRAY_SIZE(parts) && !strstr(buf_str(&lines), "s3cret"), "and nothing else"))
		diag("%s", buf_str(&lines));
	is_box("last.args", "-B\n8BITMIME\n-f\nnight@example.com\n--\nlast\nother@example.com\nroot\n",
	       "each address gets the mail once");
	box_has("last", "From: Night shift <night@example.com>\nTo: last, other@example.com, root\n",
		"author and sender are the target's");
	ok(!is_there("/box/off"), "a disabled target gets nothing");
	buf_reset(&lines);
}

static void asks_matchers(void)
{
	new_host(true);
	put("/etc/pve/notifications.cfg",
	    "matcher: default-matcher\n\tdisable 1\n\ttarget mail-to-root\n\n"
	    "sendmail: bad\n\tmailto bad\n\n"
	    "matcher: errors\n\tmatch-severity error\n\ttarget bad\n\n"
	    "matcher: others\n\tmatch-field exact:type=fencing\n\ttarget mail-to-root\n");
	notify(NOTIFY_INFO, NULL, NULL);
	says("", "nobody is told if no matcher matches");
	notify(NOTIFY_ERROR, NULL, NULL);
	says("I notified target 'bad'\n", "the target of the matcher that matches is told");
	ok(is_there("/box/bad") && !is_there("/box/root"), "and no other");
	put("/etc/pve/notifications.cfg", "sendmail: x1\n\tcolour red\n");
	notify(NOTIFY_ERROR, NULL, NULL);
	ok(strstr(buf_str(&lines), "E cannot notify anybody: file ") &&
		   strstr(buf_str(&lines), " line 2 (sendmail 'x1'): unknown key 'colour'"),
	   "a file that is not right is an error, and nobody is told");
	ok(!is_there("/box/root"), "not even by what is built in");
	buf_reset(&lines);
}

static void makes_one_line_of_a_subject(void)
{
	_cleanup_json_ struct json_object *data = json_new_str("word", "c\nd");
	const struct notification n = { .template_name = "test", .data = data };
	_cleanup_rendered_ struct rendered words = { 0 };
	struct error *err = NULL;

	works(notify_render(&paths, &n, NULL, &words, &err), &err, "the words alone");
	same(words.title, "Two lines: c d", "the lines of a subject become one");
	same(words.text, "text with c\nd\n", "those of a text do not");
}

static void takes_the_first_template_that_works(void)
{
	new_host(true);
	put("/etc/pve/notification-templates/default/test-subject.txt.hbs", "Two\nlines: {{word}}\r\n");
	put("/etc/pve/notification-templates/default/test-body.txt.hbs", "broken {{#each}");
	notify(NOTIFY_INFO, NULL, NULL);
	ok(strstr(buf_str(&lines), "W template ") &&
		   strstr(buf_str(&lines),
			  "/etc/pve/notification-templates/default/test-body.txt.hbs is passed over: "),
	   "a broken template is warned about");
	box_has("root", "\nSubject: Two lines: a & b\n", "a template of the administrator");
	makes_one_line_of_a_subject();
	box_has("root", "\n\ntext with a & b\n", "instead of a broken one the vendor's is taken");
	box_has("root", "<p>html with a &amp; b</p>", "and where there is none, too");

	new_host(true);
	put("/usr/share/pve-manager/templates/default/test-body.txt.hbs", "1 < 2 {{word}}\n");
	put("/usr/share/pve-manager/templates/default/test-body.html.hbs", "{{nohelper word}}");
	notify(NOTIFY_INFO, NULL, NULL);
	box_has("root", "<html><body><pre>1 &lt; 2 a &amp; b\n</pre></body></html>\n",
		"without a template for HTML it is the text");

	new_host(true);
	put("/etc/pve/notification-templates/default/test-body.txt.hbs", "h\366st\n");
	buf_reset(&lines);
	notify(NOTIFY_INFO, NULL, NULL);
	ok(strstr(buf_str(&lines), "test-body.txt.hbs is passed over: it is not UTF-8"),
	   "a template that is not UTF-8 is warned about");
	box_has("root", "\n\ntext with a & b\n", "and another one is taken");

	new_host(true);
	put("/usr/share/pve-manager/templates/default/test-body.txt.hbs", "{{nohelper word}}");
	buf_reset(&lines);
	notify(NOTIFY_INFO, NULL, NULL);
	ok(strstr(buf_str(&lines),
		  "E cannot notify anybody: there is no template test-body.txt.hbs that works\n"),
	   "without a template for the text nobody is told");
	ok(!is_there("/box/root"), "and there is no mail");
	buf_reset(&lines);
}

static void sends_at_the_same_time(void)
{
	new_host(true);
	put("/etc/pve/notifications.cfg", "sendmail: m1\n\tmailto aa\n\nsendmail: m2\n\tmailto bb\n\n"
					  "matcher: default-matcher\n\ttarget m1\n\ttarget m2\n");
	notify(NOTIFY_INFO, NULL, NULL);
	says("I notified target 'm1'\nI notified target 'm2'\n",
	     "endpoints that wait for each other are served at the same time");
}

/* Requests a stop once the mail is there. */
static void *stop_when_it_hangs(void *arg)
{
	while (!is_there("/box/hang"))
		usleep(10000);
	cancel_request(arg);
	return NULL;
}

static void stops_on_request(void)
{
	char *addresses[] = { (char[]){ "hang" }, NULL };
	struct cancel cancel;
	pthread_t thread;

	if (cancel_init(&cancel, NULL) < 0)
		abort();
	new_host(true);
	cancel_request(&cancel);
	notify(NOTIFY_ERROR, NULL, &cancel);
	says("I notified target 'mail-to-root'\n", "a job that was interrupted notifies");
	if (pthread_create(&thread, NULL, stop_when_it_hangs, &cancel))
		abort();
	notify(NOTIFY_ERROR, addresses, &cancel);
	pthread_join(thread, NULL);
	says("E cannot send the mail to hang: interrupted by signal\n",
	     "a further request to stop ends the wait");
	cancel_clear(&cancel);
}

static void mails_to_given_addresses(void)
{
	char *addresses[] = { (char[]){ "one" }, (char[]){ "two@example.com" }, NULL };

	new_host(true);
	put("/etc/pve/notifications.cfg", "this is not right\n");
	put("/etc/pve/datacenter.cfg", "email_from: backup@example.com\n");
	notify(NOTIFY_ERROR, addresses, NULL);
	says("I sent the mail to one, two@example.com\n", "--mailto needs no notifications.cfg");
	is_box("one.args", "-B\n8BITMIME\n-f\nbackup@example.com\n--\none\ntwo@example.com\n",
	       "one mail goes to all addresses");
	box_has("one", "From: vzdump backup tool <backup@example.com>\nTo: one, two@example.com\n",
		"by vzdump");

	new_host(false);
	notify(NOTIFY_ERROR, addresses, NULL);
	says("E cannot send the mail to one, two@example.com: command 'sendmail' not found: install it or correct "
	     "PATH\n",
	     "without sendmail it is an error");
}

int main(void)
{
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	root_make();
	is_quiet_on_a_bare_host();
	tells_root_by_default();
	one_failure_keeps_no_other_from_it();
	asks_matchers();
	takes_the_first_template_that_works();
	sends_at_the_same_time();
	stops_on_request();
	mails_to_given_addresses();
	root_remove();
	buf_clear(&lines);
	return done_testing();
}
