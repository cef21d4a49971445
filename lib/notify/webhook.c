#include "notify/webhook.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "notify/http.h"
#include "notify/template.h"

/* clang-format off */
static const char *const methods[] = {
	[WEBHOOK_POST] = "POST",
	[WEBHOOK_PUT]  = "PUT",
	[WEBHOOK_GET]  = "GET",
};
/* clang-format on */

/* A webhook with its templates rendered. */
struct rendered {
	struct buf url;
	struct buf body;
	struct http_header *headers;
	struct buf *values;
	size_t n;
};

static void rendered_clear(struct rendered *r)
{
	buf_clear(&r->url);
	buf_clear(&r->body);
	for (size_t i = 0; i < r->n; i++)
		buf_clear(&r->values[i]);
	free(r->values);
	free(r->headers);
}

/* What the templates can show. */
static struct json_object *template_data(const struct webhook_endpoint *e, const struct notify_message *m)
{
	struct json_object *o = json_new_obj(), *fields = json_new_obj(), *secrets = json_new_obj();

	for (size_t i = 0; i < m->n_fields; i++)
		json_put_str(fields, m->fields[i].name, m->fields[i].value);
	for (size_t i = 0; i < e->n_secrets; i++)
		json_put_str(secrets, e->secrets[i].name, e->secrets[i].value);
	json_put_str(o, "title", m->title);
	json_put_str(o, "message", m->text);
	json_put_str(o, "severity", notify_severity_name(m->severity));
	json_put_u64(o, "timestamp", (uint64_t)m->time);
	json_put_obj(o, "fields", fields);
	return json_put_obj(o, "secrets", secrets);
}

/* The error's text may quote the template, which has names of secrets and not their values. */
static int render(const char *text, const char *what, struct json_object *data, struct buf *out,
		  struct error **err)
{
	int r = template_render(text, data, TEMPLATE_TEXT, out, err);

	return r < 0 ? error_wrap(err, r, "%s of the webhook", what) : 0;
}

static int render_headers(const struct webhook_endpoint *e, struct json_object *data, struct rendered *to,
			  struct error **err)
{
	to->headers = xcalloc(e->n_headers + 1, sizeof(*to->headers));
	to->values = xcalloc(e->n_headers + 1, sizeof(*to->values));
	to->n = e->n_headers;
	for (size_t i = 0; i < e->n_headers; i++) {
		_cleanup_free_ char *what = xasprintf("header '%s'", e->headers[i].name);
		int r = render(e->headers[i].value, what, data, &to->values[i], err);

		if (r < 0)
			return r;
		to->headers[i] = (struct http_header){ e->headers[i].name, buf_str(&to->values[i]) };
	}
	return 0;
}

static int render_all(const struct webhook_endpoint *e, const struct notify_message *m, struct rendered *to,
		      struct error **err)
{
	_cleanup_json_ struct json_object *data = template_data(e, m);
	int r = render(e->url, "url", data, &to->url, err);

	if (r == 0)
		r = render_headers(e, data, to, err);
	if (r == 0 && e->body)
		r = render(e->body, "body", data, &to->body, err);
	return r;
}

int webhook_send(const struct webhook_endpoint *e, const struct notify_message *m,
		 const struct notify_limits *l, struct error **err)
{
	_cleanup_(rendered_clear) struct rendered done = { 0 };
	_cleanup_free_ const char **secrets = xcalloc(e->n_secrets + 1, sizeof(*secrets));
	struct http_request q = {
		.what = "url",
		.method = methods[e->method],
		.secrets = secrets,
		.may_hide_secrets = true,
	};
	int r = render_all(e, m, &done, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < e->n_secrets; i++)
		secrets[i] = e->secrets[i].value;
	q.url = buf_str(&done.url);
	q.body = buf_str(&done.body);
	q.headers = done.headers;
	q.n_headers = done.n;
	return http_send(&q, l, err);
}
