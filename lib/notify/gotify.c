#include "notify/gotify.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "notify/http.h"

/* PVE's. */
static const uint64_t priorities[NOTIFY_SEVERITIES] = {
	[NOTIFY_INFO] = 1,  [NOTIFY_NOTICE] = 3,  [NOTIFY_WARNING] = 5,
	[NOTIFY_ERROR] = 9, [NOTIFY_UNKNOWN] = 3,
};

/* The text is shown as it is, not as Markdown: it has tables. */
static struct json_object *make_body(const struct notify_message *m)
{
	_cleanup_free_ char *text = xasprintf("```\n%s\n```", m->text);
	struct json_object *o = json_new_obj();

	json_put_str(o, "title", m->title);
	json_put_str(o, "message", text);
	json_put_u64(o, "priority", priorities[m->severity]);
	return json_put_obj(o, "extras",
			    json_put_obj(json_new_obj(), "client::display",
					 json_new_str("contentType", "text/markdown")));
}

/* <server>/message; a slash at the server's end is not doubled. */
static char *message_url(const char *server)
{
	size_t len = strlen(server);

	while (len > 0 && server[len - 1] == '/')
		len--;
	return xasprintf("%.*s/message", (int)len, server);
}

int gotify_send(const struct gotify_endpoint *e, const struct notify_message *m,
		const struct notify_limits *l, struct error **err)
{
	_cleanup_free_ char *url = message_url(e->server), *bearer = xasprintf("Bearer %s", e->token);
	_cleanup_json_ struct json_object *body = make_body(m);
	const char *secrets[] = { e->token, NULL };
	const struct http_header headers[] = {
		{ "Content-Type", "application/json" },
		{ "Authorization", bearer },
		{ "X-Gotify-Key", e->token },
	};
	const struct http_request q = {
		.what = "server",
		.method = "POST",
		.url = url,
		.headers = headers,
		.n_headers = ARRAY_SIZE(headers),
		.body = json_text(body),
		.secrets = secrets,
	};

	return http_send(&q, l, err);
}
