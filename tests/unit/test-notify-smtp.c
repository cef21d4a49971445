/* lib/notify/smtp.h against real servers: TLS, login, refusals, time limits, and what arrives. */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/units.h"
#include "notify/smtp.h"
#include "test-notify-receiver.h"

#define PASSWORD "pä ss wörd"
/* The password as it is, and as AUTH PLAIN and LOGIN send it. */
static const char *const secrets[] = { "ss w", "cMOkIHNzIHfDtnJk", "AHZ6ZHVtcABww6Qgc3Mgd8O2cmQ=", NULL };

static const struct notify_message message = {
	.title = "backup",
	.text = "first\n.\n..two dots\n.one\nlast\n",
	.severity = NOTIFY_INFO,
	.time = 1700000000,
};

static const char *const one[] = { "a@x.example", NULL };

static struct smtp_endpoint endpoint(const char *server, enum smtp_mode mode)
{
	const bool login = strcmp(server, "plain") != 0 && strcmp(server, "noauth") != 0;

	return (struct smtp_endpoint){
		.server = "localhost",
		.mode = mode,
		.port = port_of(server),
		.username = login ? "vzdump" : NULL,
		.password = login ? PASSWORD : NULL,
		.mail = { .author = "backup tool", .from = "from@x.example", .recipients = one },
	};
}

static int send_with(const struct smtp_endpoint *e, int timeout_ms, const char *ca, struct error **err)
{
	const struct notify_limits l = limits_with(timeout_ms, ca);

	return smtp_send(e, &message, &l, err);
}

static int send_patiently(const struct smtp_endpoint *e, struct error **err)
{
	return send_with(e, PATIENT, ca_file, err);
}

static void test_arrives(const char *server, enum smtp_mode mode, const char *user)
{
	const struct smtp_endpoint e = endpoint(server, mode);
	_cleanup_json_ struct json_object *mail = NULL;
	char host[256] = "";
	struct error *err = NULL;
	int r;

	receiver_forget("/mails");
	r = send_patiently(&e, &err);
	mail = last_record("/mails");
	if (!ok(r == 0 && mail && count_lines("/mails") == 1, "%s: one mail arrives", server))
		diag("%s", error_message(err));
	error_free(err);
	gethostname(host, sizeof(host) - 1);
	ok(str_equal_null(json_get_str(mail, "from"), e.mail.from) &&
		   json_array_len(json_get_array(mail, "to")) == 1 &&
		   !strcmp(json_object_get_string(json_array_at(json_get_array(mail, "to"), 0)), one[0]),
	   "%s: sender and recipient", server);
	ok(str_equal_null(json_get_str(mail, "helo"), host), "%s: the greeting has the host's name", server);
	ok(json_get_bool(mail, "tls", false) == (mode != SMTP_INSECURE), "%s: TLS or not", server);
	ok(str_equal_null(json_get_str(mail, "user"), user), "%s: logged in or not", server);
}

static void test_content(void)
{
	const struct smtp_endpoint e = endpoint("plain", SMTP_INSECURE);
	_cleanup_buf_ struct buf want = BUF_INIT;
	_cleanup_json_ struct json_object *mail = NULL;
	const char *got;
	size_t bare = 0;

	receiver_forget("/mails");
	send_patiently(&e, NULL);
	mail_compose(&e.mail, &message, MAIL_CRLF, &want);
	mail = last_record("/mails");
	got = json_get_str(mail, "content");
	if (!ok(got && !strcmp(got, buf_str(&want)), "the mail arrives byte for byte, dots and all"))
		diag("got %s", got ? got : "nothing");
	for (const char *at = got; at && (at = strchr(at, '\n')) != NULL; at++)
		bare += at == got || at[-1] != '\r';
	ok(got && bare == 0, "its lines end with CR LF");
}

/* A server whose certificate is not accepted gets no more than the greeting. */
static void test_untrusted(const struct smtp_endpoint *e, const char *ca, const char *what)
{
	_cleanup_free_ char *commands = NULL;
	struct error *err = NULL;
	int r;

	receiver_forget("/mails");
	receiver_forget("/commands");
	r = send_with(e, PATIENT, ca, &err);
	commands = slurp("/commands");
	ok(fails(r, ERR_PEER, err, "its certificate is not accepted", secrets), "%s is refused", what);
	if (!ok(lines_of(commands) == (e->mode == SMTP_STARTTLS) && !strstr(commands, " tls ") &&
			count_lines("/mails") == 0,
		"%s: it gets nothing", what))
		diag("%s", commands);
}

/* kind is starttls or tls. */
static void test_certificates(const char *kind, enum smtp_mode mode)
{
	static const char *const bad[] = { "wronghost", "otherca", "expired" };
	struct smtp_endpoint e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *server = xasprintf("%s-%s", kind, bad[i]);

		e = endpoint(server, mode);
		test_untrusted(&e, ca_file, server);
	}
	e = endpoint(kind, mode);
	test_untrusted(&e, other_ca_file, "a certificate of an unknown authority");
	test_untrusted(&e, NULL, "one that the system does not know");
	e.server = "127.0.0.1";
	ok(send_patiently(&e, NULL) == 0, "%s: a certificate can be for an address", kind);
}

static void test_password(const char *server, enum smtp_mode mode)
{
	struct smtp_endpoint e = endpoint(server, mode);
	struct error *err = NULL;
	int r;

	e.password = "vzdumps secret";
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "refuses username and password: 535 5.7.8",
		 (const char *[]){ "secret", NULL }),
	   "%s: a wrong password is an error that does not have it", server);
}

static void test_login(void)
{
	struct smtp_endpoint e = endpoint("starttls", SMTP_STARTTLS);
	struct error *err = NULL;
	int r;

	test_password("starttls", SMTP_STARTTLS);
	test_password("login", SMTP_STARTTLS);
	test_password("tls", SMTP_TLS);
	test_password("plain-auth", SMTP_INSECURE);
	e.username = NULL;
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "refuses the sender: \"530", NULL),
	   "a server that wants a login says so");
	e = endpoint("starttls", SMTP_STARTTLS);
	e.mail.from = "parrot@x.example";
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "not shown", secrets),
	   "an answer with the password in it is not shown");
}

static void test_no_login(void)
{
	struct smtp_endpoint e = endpoint("cram", SMTP_STARTTLS);
	_cleanup_json_ struct json_object *mail = NULL;
	struct error *err = NULL;
	int r;

	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "offers neither AUTH PLAIN nor AUTH LOGIN", secrets),
	   "a server that offers only other ways is an error");
	e = endpoint("plain", SMTP_INSECURE);
	e.username = "vzdump";
	e.password = PASSWORD;
	receiver_forget("/mails");
	r = send_patiently(&e, &err);
	mail = last_record("/mails");
	if (!ok(r == 0 && mail && !json_get_str(mail, "user"),
		"one that does not know AUTH gets the mail without"))
		diag("%s", error_message(err));
	error_free(err);
}

static void test_no_starttls(void)
{
	struct smtp_endpoint e = endpoint("plain", SMTP_STARTTLS);
	_cleanup_free_ char *commands = NULL;
	struct error *err = NULL;
	int r;

	e.username = "vzdump";
	e.password = PASSWORD;
	receiver_forget("/mails");
	receiver_forget("/commands");
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "does not offer STARTTLS, so nothing was sent", secrets),
	   "a server without STARTTLS is an error");
	commands = slurp("/commands");
	ok(strstr(commands, "plain clear EHLO") && !strstr(commands, "MAIL") && !strstr(commands, "AUTH") &&
		   count_lines("/mails") == 0,
	   "and gets nothing in clear");
	e = endpoint("starttls", SMTP_INSECURE);
	e.username = NULL;
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "530", NULL), "a server that demands STARTTLS says so");
}

static int send_to(const char *const *recipients, struct error **err)
{
	struct smtp_endpoint e = endpoint("plain", SMTP_INSECURE);

	receiver_forget("/mails");
	e.mail.recipients = recipients;
	return send_patiently(&e, err);
}

static bool arrived(size_t recipients)
{
	_cleanup_json_ struct json_object *mail = last_record("/mails");

	return json_array_len(json_get_array(mail, "to")) == recipients;
}

static void test_some_refused(void)
{
	struct error *err = NULL;
	int r;

	r = send_to((const char *[]){ "a@x.example", "unknown@x.example", "b@x.example", NULL }, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err),
		 "refuses 1 of 3 recipients: unknown@x.example (\"550 5.1.1 nobody of that name\"); the others",
		 NULL),
	   "a refused recipient is an error that names it");
	ok(arrived(2), "the others get the mail");
	r = send_to((const char *[]){ "unknown@x.example", "later@x.example", "a@x.example", NULL }, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err),
		 "unknown@x.example (\"550 5.1.1 nobody of that name\"), later@x.example (temporarily: \"451 4.7.1 greylisted\")",
		 NULL),
	   "451 is told from 550");
	ok(arrived(1), "and the other one gets it");
	r = send_to((const char *[]){ "wordy@x.example", "a@x.example", NULL }, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "\"550 5.1.1 nobody 5.1.1 of that name\"", NULL),
	   "an answer of several lines is shown as a whole");
}

static void test_all_refused(void)
{
	const char *many[31] = { NULL };
	struct error *err = NULL;
	int r;

	r = send_to((const char *[]){ "later@x.example", NULL }, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err),
		 "refuses 1 of 1 recipients: later@x.example (temporarily: \"451 4.7.1 greylisted\")", NULL),
	   "the only one is refused");
	ok(count_lines("/mails") == 0, "no mail arrives then");
	for (size_t i = 0; i < 30; i++)
		many[i] = "unknown@x.example";
	r = send_to(many, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "refuses 30 of 30 recipients", NULL), "30 are refused");
}

static void test_mail_refused(void)
{
	struct smtp_endpoint e = endpoint("plain", SMTP_INSECURE);
	struct error *err = NULL;
	int r;

	r = send_to((const char *[]){ "spam@x.example", NULL }, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "refuses the mail: \"554 5.7.1 this is spam\"", NULL),
	   "the mail is refused");
	r = send_to((const char *[]){ "busy@x.example", NULL }, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "refuses the mail: temporarily: \"452", NULL), "only for now");
	e.mail.from = "unknown@x.example";
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "refuses the sender: \"550 5.7.1 not from you\"", NULL),
	   "the sender is refused");
}

static void test_unwilling(void)
{
	static const struct {
		const char *server, *words;
		enum smtp_mode mode;
	} cases[] = {
		{ "no-service", "refuses the connection: \"554 5.3.2 no service here\"", SMTP_INSECURE },
		{ "too-busy", "refuses the connection: temporarily: \"421 4.3.2 too busy\"", SMTP_INSECURE },
		{ "no-hello", "refuses the greeting: \"550 5.0.0 go away\"", SMTP_INSECURE },
		{ "no-hello", "refuses the greeting: \"502 what?\"", SMTP_STARTTLS },
		{ "tls-later", "refuses STARTTLS: temporarily: \"454 4.7.0 no TLS for now\"", SMTP_STARTTLS },
		{ "garbage", " does not answer as a mail server does", SMTP_INSECURE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_endpoint e = endpoint(cases[i].server, cases[i].mode);
		struct error *err = NULL;
		int r = send_patiently(&e, &err);

		ok(fails(r, ERR_PEER, err, cases[i].words, secrets), "%s is an error", cases[i].words);
	}
}

static void test_addresses(void)
{
	struct smtp_endpoint e = endpoint("plain", SMTP_INSECURE);
	struct error *err = NULL;
	int r;

	r = send_to((const char *[]){ "jürgen@x.example", "a@x.example", NULL }, &err);
	ok(fails(r, ERR_INVALID, TAKE_PTR(err), "jürgen@x.example is no address that SMTP can take", NULL),
	   "an address with an umlaut is an error");
	ok(arrived(1), "the other one gets the mail");
	r = send_to((const char *[]){ "jürgen@x.example", NULL }, &err);
	ok(fails(r, ERR_INVALID, TAKE_PTR(err), "jürgen@x.example is no address", NULL),
	   "also if it is alone");
	r = send_to((const char *[]){ "a@x.example>\r\nRCPT TO:<b@x.example", "jürgen@x.example",
				      "unknown@x.example", NULL },
		    &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "a@x.example>", NULL) && count_lines("/mails") == 0,
	   "no address can bring a command");
	r = send_to((const char *[]){ NULL }, &err);
	ok(fails(r, ERR_INVALID, TAKE_PTR(err), "no recipient", NULL), "nobody to send to is an error");
	e.mail.from = "bücher@x.example";
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_INVALID, TAKE_PTR(err), "from-address 'bücher@x.example'", NULL), "as is a sender");
}

static void test_unreachable(void)
{
	struct smtp_endpoint e = endpoint("silent", SMTP_INSECURE);
	struct error *err = NULL;
	int r;

	r = send_with(&e, IMPATIENT, ca_file, &err);
	ok(fails(r, ERR_TIMEOUT, TAKE_PTR(err), "not done within 0.3 s", secrets), "a silent server is left");
	e.mode = SMTP_TLS;
	r = send_with(&e, IMPATIENT, ca_file, &err);
	ok(fails(r, ERR_TIMEOUT, TAKE_PTR(err), "not done within 0.3 s", secrets), "with TLS, too");
	e = endpoint("endless", SMTP_INSECURE);
	r = send_with(&e, IMPATIENT, ca_file, &err);
	/* libcurl has a limit, too, since 8.4 */
	ok(r == ERR_TIMEOUT || r == ERR_PEER, "an answer without an end, too");
	error_free(TAKE_PTR(err));
	e = endpoint("hangup", SMTP_INSECURE);
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), " does not answer as a mail server does, or hangs up", secrets),
	   "one that hangs up is an error");
	/* no name server is asked for a label of more than 63 bytes */
	e.server = "mail-mail-mail-mail-mail-mail-mail-mail-mail-mail-mail-mail-mail-mail.invalid";
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "Could not resolve host: mail-mail", secrets),
	   "as is a name that does not exist");
	e.server = "localhost/x@y";
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_INVALID, TAKE_PTR(err), "'localhost/x@y' is not the name", secrets),
	   "as is what is no name");
	e.server = "::1";
	e.port = 1;
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "smtp://[::1]:1: ", secrets), "an IPv6 address is one");
	e = endpoint("starttls", SMTP_TLS);
	r = send_patiently(&e, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "smtps://localhost:", secrets), "as is TLS where there is none");
}

/* libcurl would wait for two minutes. */
static void test_no_goodbye(void)
{
	const struct smtp_endpoint e = endpoint("no-goodbye", SMTP_INSECURE);
	uint64_t start = 0;
	int r = ERR_TIMEOUT, limit = 500;

	/* the mail has to get there within the limit */
	while (r == ERR_TIMEOUT && limit < PATIENT) {
		limit *= 2;
		start = units_now_ns();
		r = send_with(&e, limit, ca_file, NULL);
	}
	ok(r == 0, "a mail that a server took is sent, though it says nothing to QUIT");
	ok((units_now_ns() - start) / 1000000 < (uint64_t)limit + PATIENT / 4, "the limit holds then, too");
}

/* ---- a name server that stays silent ---- */

#define STUCK "stuck.example"

static sem_t asked, go_on;
static atomic_bool answered;

/* In place of libc's, for libcurl's thread. */
int getaddrinfo(const char *restrict node, const char *restrict service,
		const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct timespec rescue;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!node || strcmp(node, STUCK) != 0)
		return real(node, service, hints, ret);
	clock_gettime(CLOCK_REALTIME, &rescue);
	rescue.tv_sec += PATIENT / 1000;
	sem_post(&asked);
	sem_timedwait(&go_on, &rescue);
	answered = true;
	sem_post(&asked);
	return EAI_AGAIN;
}

static void test_name_server(void)
{
	struct smtp_endpoint e = endpoint("plain", SMTP_INSECURE);
	struct error *err = NULL;
	int r;

	sem_init(&asked, 0, 0);
	sem_init(&go_on, 0, 0);
	e.server = STUCK;
	r = send_with(&e, IMPATIENT, ca_file, &err);
	ok(fails(r, ERR_TIMEOUT, err, "smtp://" STUCK, secrets) && !answered,
	   "the limit holds while a name server stays silent");
	sem_wait(&asked);
	sem_post(&go_on);
	sem_wait(&asked);
}

static void test_environment(void)
{
	const struct smtp_endpoint e = endpoint("plain", SMTP_INSECURE);

	setenv("all_proxy", "http://127.0.0.1:9", 1);
	setenv("SMTP_PROXY", "http://127.0.0.1:9", 1);
	setenv("smtp_proxy", "http://127.0.0.1:9", 1);
	ok(send_patiently(&e, NULL) == 0, "the environment's proxies do not count");
	unsetenv("all_proxy");
	unsetenv("SMTP_PROXY");
	unsetenv("smtp_proxy");
}

static void test_cancel(void)
{
	const struct smtp_endpoint e = endpoint("silent", SMTP_INSECURE);
	struct notify_limits l = limits_with(PATIENT, ca_file);
	struct error *err = NULL;
	struct cancel c;
	int r;

	cancel_init(&c, NULL);
	cancel_request(&c);
	l.cancel = &c;
	r = smtp_send(&e, &message, &l, &err);
	ok(fails(r, ERR_CANCELED, TAKE_PTR(err), "interrupted by signal", secrets),
	   "a request to stop ends the waiting");
	l.cancel_ignored = 1;
	l.timeout_ms = IMPATIENT;
	r = smtp_send(&e, &message, &l, &err);
	ok(fails(r, ERR_TIMEOUT, TAKE_PTR(err), "not done within", secrets), "but not one from before");
	cancel_clear(&c);
}

int main(void)
{
	receiver_start("smtp_receiver.py");
	test_arrives("plain", SMTP_INSECURE, NULL);
	test_arrives("plain-auth", SMTP_INSECURE, "vzdump");
	test_arrives("starttls", SMTP_STARTTLS, "vzdump");
	test_arrives("login", SMTP_STARTTLS, "vzdump");
	test_arrives("noauth", SMTP_STARTTLS, NULL);
	test_arrives("tls", SMTP_TLS, "vzdump");
	test_content();
	test_certificates("starttls", SMTP_STARTTLS);
	test_certificates("tls", SMTP_TLS);
	test_login();
	test_no_login();
	test_no_starttls();
	test_some_refused();
	test_all_refused();
	test_mail_refused();
	test_unwilling();
	test_addresses();
	test_unreachable();
	test_no_goodbye();
	test_name_server();
	test_environment();
	test_cancel();
	receiver_stop();
	return done_testing();
}
