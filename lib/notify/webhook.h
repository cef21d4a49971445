/* Any HTTP server that takes notifications, over libcurl. */
#ifndef VZDUMP_NOTIFY_WEBHOOK_H
#define VZDUMP_NOTIFY_WEBHOOK_H

#include "base/error.h"
#include "notify/message.h"

enum webhook_method {
	WEBHOOK_POST,
	WEBHOOK_PUT,
	WEBHOOK_GET,
};

struct webhook_value {
	const char *name;
	const char *value; /* decoded from base64 */
};

/* Borrowed.  url, body and the headers' values are templates (template.h). */
struct webhook_endpoint {
	const char *url;
	enum webhook_method method;
	const struct webhook_value *headers;
	size_t n_headers;
	const char *body;                    /* NULL: none */
	const struct webhook_value *secrets; /* never in a log or an error */
	size_t n_secrets;
};

/*
 * Renders the templates and sends the request.  They can use title, message, severity, timestamp (epoch
 * seconds), fields.<name> and secrets.<name>; nothing is escaped but by their helpers.  There is no
 * Content-Type unless headers have one.  Errors are those of template_render(), which name no value, and of
 * http_send(), which show scheme, host and port of the URL alone.
 */
int webhook_send(const struct webhook_endpoint *e, const struct notify_message *m,
		 const struct notify_limits *l, struct error **err);

#endif
