/* lib/notify/webhook.h against a real server: what the templates make of it, and that secrets stay secret. */
#include "notify/webhook.h"
#include "test-notify-receiver.h"

#define SECRET "t0p/s3cr&t \"x\""
static const char *const hidden[] = { "t0p", "s3cr", "t0p%2F", NULL };

static const struct notify_field fields[] = { { "type", "vzdump" }, { "hostname", "pve1" } };

static const struct notify_message message = {
	.severity = NOTIFY_WARNING,
	.time = 1700000000,
	.title = "backup of \"web\"",
	.text = "line 1\nline ü",
	.fields = fields,
	.n_fields = ARRAY_SIZE(fields),
};

static const struct webhook_value the_secrets[] = { { "token", SECRET } };

static char *url_of(const char *path)
{
	return xasprintf("http://localhost:%u%s", (unsigned)port_of("http"), path);
}

/* The endpoint but for its URL, which is freed. */
static int send_to(char *url, struct webhook_endpoint e, struct error **err)
{
	const struct notify_limits l = limits_with(PATIENT, ca_file);
	_cleanup_free_ char *owned = url;

	receiver_forget("/requests");
	e.url = url;
	e.secrets = the_secrets;
	e.n_secrets = ARRAY_SIZE(the_secrets);
	return webhook_send(&e, &message, &l, err);
}

/* The value of the only header of that name, "none" or "many". */
static const char *header(struct json_object *request, const char *name)
{
	struct json_object *all = json_get_array(request, "headers");
	const char *value = "none";

	for (size_t i = 0; i < json_array_len(all); i++) {
		struct json_object *pair = json_array_at(all, i);

		if (!strcasecmp(json_object_get_string(json_array_at(pair, 0)), name))
			value = strcmp(value, "none") ? "many"
						      : json_object_get_string(json_array_at(pair, 1));
	}
	return value;
}

/* Sends, and returns the one request that arrived. */
static struct json_object *sent(const char *path, struct webhook_endpoint e, const char *what)
{
	struct error *err = NULL;
	int r = send_to(url_of(path), e, &err);

	if (!ok(r == 0 && count_lines("/requests") == 1, "%s arrives", what))
		diag("%s", error_message(err));
	error_free(err);
	return last_record("/requests");
}

static void is_body(struct json_object *request, const char *want)
{
	const char *got = json_get_str(request, "body");

	if (!ok(got && !strcmp(got, want), "the body of %zu bytes", strlen(want)))
		diag("got %s", got);
}

static void is_request(struct json_object *request, const char *method, const char *length, const char *body)
{
	is_text(xstrdup(json_get_str(request, "method")), method, "the method");
	is_text(xstrdup(header(request, "Content-Length")), length, "Content-Length");
	is_body(request, body);
}

static void test_methods(void)
{
	static const struct {
		enum webhook_method method;
		const char *name, *body, *length;
	} cases[] = {
		{ WEBHOOK_POST, "POST", "body", "4" }, { WEBHOOK_POST, "POST", "", "0" },
		{ WEBHOOK_POST, "POST", NULL, "0" },   { WEBHOOK_PUT, "PUT", "body", "4" },
		{ WEBHOOK_PUT, "PUT", NULL, "0" },     { WEBHOOK_GET, "GET", NULL, "none" },
		{ WEBHOOK_GET, "GET", "", "none" },    { WEBHOOK_GET, "GET", "body", "4" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct webhook_endpoint e = { .method = cases[i].method, .body = cases[i].body };
		_cleanup_json_ struct json_object *request = sent("/hook", e, cases[i].name);

		is_request(request, cases[i].name, cases[i].length, cases[i].body ? cases[i].body : "");
		ok(!strcmp(header(request, "Content-Type"), "none") &&
			   !strcmp(header(request, "Expect"), "none"),
		   "and has no type of its own");
	}
}

static void test_big_body(void)
{
	_cleanup_free_ char *body = xcalloc(1, (3 << 20) + 1);
	_cleanup_json_ struct json_object *request = NULL;

	memset(body, 'x', 3 << 20);
	request = sent("/hook", (struct webhook_endpoint){ .body = body }, "a body of 3 MiB");
	ok(strlen(json_get_str(request, "body")) == 3 << 20 && !strcmp(header(request, "Expect"), "none"),
	   "as a whole, without being asked for");
}

static void test_templates(void)
{
	const struct webhook_value headers[] = {
		{ "X-Auth", "Token {{ secrets.token }}" },
		{ "Content-Type", "text/plain" },
		{ "X-Empty", "" },
		{ "content-length", "7" },
		{ "Transfer-Encoding", "chunked" },
	};
	const struct webhook_endpoint e = {
		.body = "{{ title }}|{{ message }}|{{ severity }}|{{ timestamp }}|{{ fields.type }}|"
			"{{ fields.hostname }}|{{ secrets.token }}|<&>\n",
		.headers = headers,
		.n_headers = ARRAY_SIZE(headers),
	};
	_cleanup_json_ struct json_object *request =
		sent("/hook/{{ url-encode secrets.token }}?host={{ fields.hostname }}", e, "a webhook");

	is_text(xstrdup(json_get_str(request, "path")), "/hook/t0p%2Fs3cr%26t%20\"x\"?host=pve1", "the path");
	is_text(xstrdup(header(request, "X-Auth")), "Token " SECRET, "a header's value");
	is_text(xstrdup(header(request, "Content-Type")), "text/plain", "the type");
	is_text(xstrdup(header(request, "X-Empty")), "", "an empty header");
	is_text(xstrdup(header(request, "Transfer-Encoding")), "none", "Transfer-Encoding");
	/* the umlaut is shown as its two bytes */
	is_request(request, "POST", "81",
		   "backup of \"web\"|line 1\nline \u00c3\u00bc|warning|1700000000|vzdump|pve1|" SECRET
		   "|<&>\n");
}

static void test_helpers(void)
{
	const struct webhook_endpoint e = {
		.body = "{\"t\":\"{{ escape title }}\",\"m\":{{ json message }},\"f\":{{ json fields }}}",
	};
	_cleanup_json_ struct json_object *request = sent("/hook", e, "JSON");

	is_body(request, "{\"t\":\"backup of \\\"web\\\"\",\"m\":\"line 1\\nline \u00c3\u00bc\","
			 "\"f\":{\"type\":\"vzdump\",\"hostname\":\"pve1\"}}");
}

static void is_failure(const char *path, struct webhook_endpoint e, int code, const char *words,
		       const char *what)
{
	struct error *err = NULL;
	int r = send_to(url_of(path), e, &err);

	ok(fails(r, code, err, words, hidden), "%s", what);
}

static void test_failures(void)
{
	static const struct webhook_value headers[] = { { "X-Auth", "{{ secrets.token }}" } };
	const struct webhook_endpoint e = { .headers = headers, .n_headers = 1 };

	is_failure("/500/{{ url-encode secrets.token }}", e, ERR_PEER, "answers with HTTP 500: \"this is",
		   "500 is an error with the server's words");
	is_failure("/400", e, ERR_PEER, "answers with HTTP 400", "as is 400");
	is_failure("/parrot/{{ url-encode secrets.token }}", e, ERR_PEER, "HTTP 500: (its text is not shown",
		   "nothing is shown of an answer with a secret in it");
	is_failure("/parrot/{{ url-encode secrets.token }}?plain", (struct webhook_endpoint){ 0 }, ERR_PEER,
		   "HTTP 500: (its text is not shown", "nor if the URL alone has it");
	is_failure("/307/{{ url-encode secrets.token }}", e, ERR_PEER, "HTTP 307", "a redirect is an error");
	ok(count_lines("/requests") == 1, "and is not followed");
	is_failure("/drop/{{ url-encode secrets.token }}", e, ERR_PEER,
		   "http://localhost:", "a server that drops us is an error");
}

static void test_not_valid(void)
{
	static const struct webhook_value split[] = { { "X-Auth", "a\r\nEvil: {{ secrets.token }}" } };
	static const struct webhook_value name[] = { { "X Auth", "a" } };
	struct webhook_endpoint e = { 0 };

	is_failure("/hook/{{ secrets.token }}", e, ERR_INVALID, "url is not a URL that can be used",
		   "blanks in a URL are an error");
	e = (struct webhook_endpoint){ .headers = split, .n_headers = 1 };
	is_failure("/hook", e, ERR_INVALID, "'X-Auth' has a line break", "a value cannot bring a header");
	e = (struct webhook_endpoint){ .headers = name, .n_headers = 1 };
	is_failure("/hook", e, ERR_INVALID, "'X Auth' is not the name", "nor can a name");
	e = (struct webhook_endpoint){ .body = "{{#if" };
	is_failure("/hook", e, ERR_INVALID, "body of the webhook: ", "a template that is wrong is an error");
	ok(count_lines("/requests") == 0, "none of them sends anything");
}

static void test_hidden_without_name(void)
{
	static const struct webhook_value headers[] = { { "Authorization", "Bearer 0123456789" } };
	const struct webhook_endpoint e = { .headers = headers, .n_headers = 1, .body = "x" };
	struct error *err = NULL;
	int r = send_to(url_of("/parrot/AAAABBBB"), e, &err);

	ok(fails(r, ERR_PEER, err, "HTTP 500: (its text is not shown",
		 (const char *[]){ "0123456789", "AAAABBBB", NULL }),
	   "what is not declared as a secret may be one");
}

int main(void)
{
	receiver_start("http_receiver.py");
	test_methods();
	test_big_body();
	test_templates();
	test_helpers();
	test_failures();
	test_not_valid();
	test_hidden_without_name();
	receiver_stop();
	return done_testing();
}
