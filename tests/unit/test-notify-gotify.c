/* lib/notify/gotify.h against a real server: the bytes that arrive, and each way in which it can fail. */
#include <pthread.h>

#include "notify/gotify.h"
#include "test-notify-receiver.h"

#define TOKEN "AbCdEf.123456"
static const char *const secrets[] = { "AbCdEf", "123456", NULL };

static const struct notify_message message = {
	.severity = NOTIFY_ERROR,
	.title = "backup \"failed\" /ü",
	.text = "VMID\tName\n100 \\ web",
};

/* "https://localhost:1234/500"; scheme and server are those of the receiver.  Caller frees. */
static char *url_of(const char *scheme, const char *server, const char *path)
{
	return xasprintf("%s://localhost:%u%s", scheme, (unsigned)port_of(server), path);
}

static int send_with(const char *server, const struct notify_limits *l, struct error **err)
{
	const struct gotify_endpoint e = { .server = server, .token = TOKEN };

	return gotify_send(&e, &message, l, err);
}

static int send_to(const char *scheme, const char *server, const char *path, struct error **err)
{
	const struct notify_limits l = limits_with(PATIENT, ca_file);
	_cleanup_free_ char *url = url_of(scheme, server, path);

	receiver_forget("/requests");
	return send_with(url, &l, err);
}

static const char *header(struct json_object *request, const char *name)
{
	struct json_object *all = json_get_array(request, "headers");

	for (size_t i = 0; i < json_array_len(all); i++) {
		struct json_object *pair = json_array_at(all, i);

		if (!strcasecmp(json_object_get_string(json_array_at(pair, 0)), name))
			return json_object_get_string(json_array_at(pair, 1));
	}
	return "none";
}

static void test_bytes(void)
{
	/* the umlaut is shown as its two bytes */
	static const char want[] = "{\"title\":\"backup \\\"failed\\\" /\u00c3\u00bc\","
				   "\"message\":\"```\\nVMID\\tName\\n100 \\\\ web\\n```\",\"priority\":9,"
				   "\"extras\":{\"client::display\":{\"contentType\":\"text/markdown\"}}}";
	_cleanup_json_ struct json_object *request = NULL;
	struct error *err = NULL;

	if (!ok(send_to("http", "http", "", &err) == 0, "gotify takes it"))
		diag("%s", error_message(err));
	error_free(err);
	request = last_record("/requests");
	ok(count_lines("/requests") == 1, "there is one request");
	is_text(xasprintf("%s %s", json_get_str(request, "method"), json_get_str(request, "path")),
		"POST /message", "the request");
	is_text(xstrdup(header(request, "Content-Type")), "application/json", "Content-Type");
	is_text(xstrdup(header(request, "Authorization")), "Bearer " TOKEN, "Authorization");
	is_text(xstrdup(header(request, "X-Gotify-Key")), TOKEN, "X-Gotify-Key");
	is_text(xstrdup(header(request, "Expect")), "none", "Expect");
	is_text(xstrdup(json_get_str(request, "body")), want, "the body");
}

static void test_priorities(void)
{
	static const char *const want[] = { "1", "3", "5", "9", "3" };
	const struct notify_limits l = limits_with(PATIENT, ca_file);
	_cleanup_free_ char *url = url_of("http", "http", "///");
	const struct gotify_endpoint e = { .server = url, .token = TOKEN };
	struct notify_message m = message;

	for (int i = 0; i < NOTIFY_SEVERITIES; i++) {
		_cleanup_free_ char *text = xasprintf("\"priority\":%s,", want[i]);
		_cleanup_json_ struct json_object *request = NULL;

		m.severity = (enum notify_severity)i;
		gotify_send(&e, &m, &l, NULL);
		request = last_record("/requests");
		ok(strstr(json_get_str(request, "body"), text) != NULL, "priority of severity %d is %s", i,
		   want[i]);
		ok(!strcmp(json_get_str(request, "path"), "/message"), "slashes are not doubled");
	}
}

static void test_status(void)
{
	const struct notify_limits l = limits_with(PATIENT, ca_file);
	_cleanup_free_ char *url = url_of("http", "http", "");
	const struct gotify_endpoint e = { .server = url, .token = "Wr0ng.7890" };
	struct error *err = NULL;
	int r = gotify_send(&e, &message, &l, &err);

	ok(fails(r, ERR_PEER, TAKE_PTR(err), "HTTP 401: \"{\"error\": \"Unauthorized\"",
		 (const char *[]){ "Wr0ng", NULL }),
	   "a wrong token is an error with gotify's words");
	r = send_to("http", "http", "/500", &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "answers with HTTP 500: \"this is ?[31m500\"", secrets),
	   "500 is an error; its text is harmless");
	r = send_to("http", "http", "/307", &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "redirects to another place (HTTP 307)", secrets),
	   "a redirect is an error");
	ok(count_lines("/requests") == 1, "and is not followed");
	r = send_to("http", "http", "/parrot", &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "answers with HTTP 500: (its text is not shown", secrets),
	   "an answer with the token in it is not shown");
}

static void test_broken(void)
{
	struct notify_limits l = limits_with(IMPATIENT, ca_file);
	_cleanup_free_ char *url = url_of("http", "http", "/hang");
	struct error *err = NULL;
	int r;

	r = send_with(url, &l, &err);
	ok(fails(r, ERR_TIMEOUT, TAKE_PTR(err), "not done within 0.3 s", secrets),
	   "a server that hangs is left");
	r = send_to("http", "http", "/drop", &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "http://localhost:", secrets), "one that drops us is an error");
	r = send_to("http", "http", "/half", &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "http://localhost:", secrets), "as is half an answer");
	ok(send_to("http", "http", "/endless", &err) == 0, "an answer without an end is not waited for");
	r = send_with("http://localhost:1/", &l, &err);
	ok(r < 0 && strstr(error_message(err), "http://localhost:1"), "nobody listening is an error");
	error_free(TAKE_PTR(err));
}

static void test_tls(void)
{
	static const char *const bad[] = { "https-wronghost", "https-otherca", "https-expired" };
	const struct notify_limits by_default = limits_with(PATIENT, NULL);
	_cleanup_free_ char *url = url_of("https", "https", "");
	struct error *err = NULL;
	int r;

	ok(send_to("https", "https", "", NULL) == 0, "the right certificate is accepted");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		r = send_to("https", bad[i], "", &err);
		ok(fails(r, ERR_PEER, TAKE_PTR(err), "its certificate is not accepted", secrets) &&
			   count_lines("/requests") == 0,
		   "%s is not, and gets nothing", bad[i]);
	}
	r = send_with(url, &by_default, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "its certificate is not accepted", secrets) &&
		   count_lines("/requests") == 0,
	   "by default the system's authorities count");
	r = send_to("https", "http", "", &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "https://localhost:", secrets), "TLS where there is none");
}

static void test_not_a_url(void)
{
	static const char *const bad[] = {
		"",        "localhost",   "file:///etc",      "ftp://localhost",
		"http://", "http://a b/", "smtp://localhost", "http://x:y:z/\nsecret"
	};
	const struct notify_limits l = limits_with(PATIENT, ca_file);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error *err = NULL;
		int r = send_with(bad[i], &l, &err);

		ok(fails(r, ERR_INVALID, err, "server is not a URL that can be used",
			 (const char *[]){ "secret", NULL }),
		   "what is no URL is not taken, %zu", i);
	}
}

static void test_token(void)
{
	const struct notify_limits l = limits_with(PATIENT, ca_file);
	_cleanup_free_ char *url = url_of("http", "http", "");
	const struct gotify_endpoint e = { .server = url, .token = "abc\r\nEvil: xyz" };
	struct error *err = NULL;
	int r;

	receiver_forget("/requests");
	r = gotify_send(&e, &message, &l, &err);
	ok(fails(r, ERR_INVALID, err, "control character", (const char *[]){ "abc", "xyz", NULL }) &&
		   count_lines("/requests") == 0,
	   "a token cannot bring a header");
}

/* ---- proxies ---- */

static int send_by(const char *proxy, const char *url, struct error **err)
{
	struct notify_limits l = limits_with(PATIENT, ca_file);

	receiver_forget("/requests");
	l.proxy = proxy;
	return send_with(url, &l, err);
}

static void test_proxy(void)
{
	_cleanup_free_ char *http = url_of("http", "http", ""), *https = url_of("https", "https", "");
	_cleanup_free_ char *proxy = url_of("http", "proxy", ""), *first = NULL;
	_cleanup_json_ struct json_object *request = NULL, *tunneled = NULL;

	ok(send_by(proxy, http, NULL) == 0, "a proxy takes it");
	request = last_record("/requests");
	ok(count_lines("/requests") == 1 && !strcmp(json_get_str(request, "server"), "proxy") &&
		   !strncmp(json_get_str(request, "path"), http, strlen(http)),
	   "it gets the whole URL, and the server nothing from us");
	ok(send_by(proxy, https, NULL) == 0, "TLS goes through it");
	first = slurp("/requests");
	ok(count_lines("/requests") == 2 && strstr(first, "CONNECT") < strchr(first, '\n') &&
		   !memmem(first, strcspn(first, "\n"), "AbCdEf", 6),
	   "it does not see the token then");
	tunneled = last_record("/requests");
	ok(!strcmp(json_get_str(tunneled, "server"), "https"), "the server gets the request");
}

static void test_proxy_login(void)
{
	static const char *const hidden[] = { "pr0xy", "wr0ng", "cGF0", "AbCdEf", NULL };
	_cleanup_free_ char *http = url_of("http", "http", ""), *https = url_of("https", "https", "");
	_cleanup_free_ char *parrot = url_of("http", "http", "/parrot");
	const unsigned port = port_of("proxy-auth");
	_cleanup_free_ char *good = xasprintf("http://pat:pr0xy%%20p%%40ss@localhost:%u", port);
	_cleanup_free_ char *bad = xasprintf("http://pat:wr0ng%%20p%%40ss@localhost:%u/", port);
	_cleanup_free_ char *none = xasprintf("localhost:%u", port);
	struct error *err = NULL;
	int r;

	ok(send_by(good, http, NULL) == 0, "a password for the proxy, URL-encoded");
	ok(send_by(good, https, NULL) == 0, "with TLS, too");
	r = send_by(bad, http, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "HTTP 407", hidden), "a wrong one is refused");
	r = send_by(bad, https, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "407", hidden), "with TLS, too");
	r = send_by(none, http, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "HTTP 407", hidden), "a scheme may be missing");
	r = send_by(good, parrot, &err);
	ok(fails(r, ERR_PEER, TAKE_PTR(err), "HTTP 502: (its text is not shown", hidden),
	   "a proxy that repeats the password is not quoted");
}

static void test_bad_proxy(void)
{
	static const char *const bad[] = { "socks5://pat:pr0xy@localhost", "http://pat:pr0xy@",
					   "foo://pat:pr0xy@localhost:1", "http://pat:pr0xy@a b:1" };
	_cleanup_free_ char *http = url_of("http", "http", "");

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error *err = NULL;
		int r = send_by(bad[i], http, &err);

		ok(fails(r, ERR_INVALID, err, "http_proxy of datacenter.cfg cannot be used",
			 (const char *[]){ "pr0xy", NULL }) &&
			   count_lines("/requests") == 0,
		   "a proxy that cannot be used, %zu", i);
	}
}

static void test_environment(void)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY",
					     "ALL_PROXY" };
	_cleanup_free_ char *http = url_of("http", "http", ""), *proxy = url_of("http", "proxy", "");
	_cleanup_free_ char *requests = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		setenv(names[i], "http://127.0.0.1:9", 1);
	setenv("no_proxy", "*", 1);
	setenv("NO_PROXY", "*", 1);
	ok(send_to("http", "http", "", NULL) == 0, "the environment's proxies do not count");
	ok(send_to("https", "https", "", NULL) == 0, "for TLS neither");
	ok(send_by(proxy, http, NULL) == 0, "a proxy of ours is used");
	requests = slurp("/requests");
	ok(strstr(requests, "\"server\": \"proxy\"") != NULL, "whatever no_proxy says");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
}

/* ---- threads ---- */

struct sender {
	pthread_t thread;
	char *url;
	struct notify_limits limits;
	struct error *err;
	int r;
};

static void *sender_body(void *arg)
{
	struct sender *s = arg;

	s->r = send_with(s->url, &s->limits, &s->err);
	return NULL;
}

static void test_cancel(void)
{
	struct sender s = { .limits = limits_with(PATIENT, ca_file), .url = url_of("http", "http", "/hang") };
	struct cancel c;

	cancel_init(&c, NULL);
	s.limits.cancel = &c;
	receiver_forget("/requests");
	pthread_create(&s.thread, NULL, sender_body, &s);
	free(wait_for_lines("/requests", 1));
	cancel_request(&c);
	pthread_join(s.thread, NULL);
	ok(fails(s.r, ERR_CANCELED, s.err, "http://localhost:", secrets),
	   "a request to stop ends the waiting");
	cancel_clear(&c);
	free(s.url);
}

static void test_threads(void)
{
	struct sender all[8];
	int good = 0;

	receiver_forget("/requests");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		all[i] = (struct sender){ .limits = limits_with(PATIENT, ca_file),
					  .url = i % 2 ? url_of("http", "http", "")
						       : url_of("https", "https", "") };
		pthread_create(&all[i].thread, NULL, sender_body, &all[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		pthread_join(all[i].thread, NULL);
		good += all[i].r == 0;
		error_free(all[i].err);
		free(all[i].url);
	}
	ok(good == 8 && count_lines("/requests") == 8, "eight at once arrive");
}

int main(void)
{
	receiver_start("http_receiver.py");
	test_threads();
	test_bytes();
	test_priorities();
	test_status();
	test_broken();
	test_tls();
	test_not_a_url();
	test_token();
	test_proxy();
	test_proxy_login();
	test_bad_proxy();
	test_environment();
	test_cancel();
	receiver_stop();
	return done_testing();
}
