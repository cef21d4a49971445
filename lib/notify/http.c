#include "notify/http.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "notify/answer.h"
#include "notify/transfer.h"

/* ---- the request ---- */

/* Blanks and controls are errors for PVE too; libcurl would encode some of them, depending on its version. */
static int parse_url(const struct http_request *q, CURLU *url, struct error **err)
{
	const char *s = q->url;

	while ((unsigned char)*s > ' ' && *s != 0x7f)
		s++;
	if (!*s && (str_prefix(q->url, "http://", NULL) || str_prefix(q->url, "https://", NULL)) &&
	    curl_url_set(url, CURLUPART_URL, q->url, CURLU_URLENCODE) == CURLUE_OK)
		return 0;
	/* not even its beginning is shown: nobody knows where in it a secret is */
	return error_set(err, ERR_INVALID,
			 "%s is not a URL that can be used: it has to begin with http:// or https://, and "
			 "blanks in it have to be URL-encoded (%%20)",
			 q->what);
}

static bool is_token(const char *s)
{
	return *s && !s[strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

/* Anything else could end the header and begin another one. */
static bool is_header_value(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static int check_header(const struct http_header *h, struct error **err)
{
	if (!is_token(h->name))
		return error_set(err, ERR_INVALID, "'%s' is not the name of an HTTP header", h->name);
	if (!is_header_value(h->value))
		return error_set(err, ERR_INVALID,
				 "the value of the HTTP header '%s' has a line break or another control "
				 "character in it",
				 h->name);
	return 0;
}

static bool is_ours(const char *name)
{
	return !strcasecmp(name, "Content-Length") || !strcasecmp(name, "Transfer-Encoding");
}

static void add_line(struct curl_slist **list, const char *line)
{
	*list = xcheck(curl_slist_append(*list, line));
}

/* libcurl writes "name;" for a header without a value; "name:" leaves one of its own out. */
static int add_headers(const struct http_request *q, struct curl_slist **list, struct error **err)
{
	bool has_type = false;

	for (size_t i = 0; i < q->n_headers; i++) {
		const struct http_header *h = &q->headers[i];
		const char *value = h->value + strspn(h->value, " \t");
		_cleanup_free_ char *line = NULL;
		int r = check_header(h, err);

		if (r < 0)
			return r;
		if (is_ours(h->name))
			continue;
		has_type |= !strcasecmp(h->name, "Content-Type");
		line = *value ? xasprintf("%s: %s", h->name, value) : xasprintf("%s;", h->name);
		add_line(list, line);
	}
	if (!has_type)
		add_line(list, "Content-Type:");
	/* no waiting for "100 Continue" */
	add_line(list, "Expect:");
	return 0;
}

static void set_method(CURL *curl, const struct http_request *q)
{
	const char *body = q->body ? q->body : "";

	if (strcmp(q->method, "GET") == 0 && !*body)
		return;
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
}

/* ---- the answer ---- */

/* What does not fit is not waited for: to return less than there was ends the transfer. */
static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct buf *body = arg;
	const size_t room = ANSWER_KEPT - body->len, len = size * n;

	buf_add(body, data, len < room ? len : room);
	return len < room ? len : 0;
}

static void add_parts(char ***to, CURLU *url, const CURLUPart *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *text = NULL;

		if (curl_url_get(url, parts[i], &text, 0) == CURLUE_OK)
			strv_add(to, text + (*text == '/'));
		curl_free(text);
	}
}

/* What must not be shown.  A content type is no secret, and words of it are common. */
static char **collect_secrets(const struct transfer *t, const struct http_request *q, CURLU *url)
{
	static const CURLUPart always[] = { CURLUPART_USER, CURLUPART_PASSWORD };
	static const CURLUPart behind_host[] = { CURLUPART_PATH, CURLUPART_QUERY };
	char **all = xcalloc(1, sizeof(*all));

	for (const char *const *s = q->secrets; *s; s++)
		strv_add(&all, *s);
	for (char **s = t->secrets; s && *s; s++)
		strv_add(&all, *s);
	add_parts(&all, url, always, ARRAY_SIZE(always));
	if (!q->may_hide_secrets)
		return all;
	add_parts(&all, url, behind_host, ARRAY_SIZE(behind_host));
	for (size_t i = 0; i < q->n_headers; i++)
		if (strcasecmp(q->headers[i].name, "Content-Type") != 0)
			strv_add(&all, q->headers[i].value);
	return all;
}

static int status_error(const struct transfer *t, long status, const char *excerpt, struct error **err)
{
	if (status >= 300 && status < 400)
		return error_set(err, ERR_PEER,
				 "%s redirects to another place (HTTP %ld), which is not followed: configure "
				 "the URL that it leads to",
				 t->peer, status);
	return error_set(err, ERR_PEER, "%s answers with HTTP %ld%s%s", t->peer, status, excerpt ? ": " : "",
			 excerpt ? excerpt : "");
}

static int finish(const struct transfer *t, CURLcode code, const struct http_request *q, CURLU *url,
		  const struct buf *body, struct error **err)
{
	_cleanup_strv_ char **secrets = NULL;
	_cleanup_free_ char *excerpt = NULL;
	long status = 0;

	/* a long answer that we have cut off is one too */
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && body->len == ANSWER_KEPT))
		return transfer_error(t, code, err);
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return 0;
	secrets = collect_secrets(t, q, url);
	excerpt = answer_excerpt(body->data, body->len, (const char *const *)secrets);
	return status_error(t, status, excerpt, err);
}

static int exchange(const struct http_request *q, CURLU *url, struct curl_slist *headers,
		    const struct notify_limits *l, struct error **err)
{
	_cleanup_(transfer_clear) struct transfer t = { 0 };
	_cleanup_buf_ struct buf body = BUF_INIT;
	int r = transfer_init(&t, url, "http,https", l, err);

	if (r == 0)
		r = transfer_use_proxy(&t, err);
	if (r < 0)
		return r;
	curl_easy_setopt(t.curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(t.curl, CURLOPT_USERAGENT, "vzdump/" VZDUMP_VERSION);
	curl_easy_setopt(t.curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(t.curl, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t.curl, CURLOPT_WRITEDATA, &body);
	set_method(t.curl, q);
	return finish(&t, transfer_run(&t), q, url, &body, err);
}

int http_send(const struct http_request *q, const struct notify_limits *l, struct error **err)
{
	_cleanup_url_ CURLU *url = transfer_url_new();
	struct curl_slist *headers = NULL;
	int r = parse_url(q, url, err);

	if (r == 0)
		r = add_headers(q, &headers, err);
	if (r == 0)
		r = exchange(q, url, headers, l, err);
	curl_slist_free_all(headers);
	return r;
}
