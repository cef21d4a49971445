/* A gotify server, over libcurl. */
#ifndef VZDUMP_NOTIFY_GOTIFY_H
#define VZDUMP_NOTIFY_GOTIFY_H

#include "base/error.h"
#include "notify/message.h"

/* Borrowed. */
struct gotify_endpoint {
	const char *server; /* base URL */
	const char *token;  /* never in a log or an error */
};

/*
 * Posts the title and the text, as preformatted Markdown, to <server>/message.  PVE's priorities: info 1,
 * notice and unknown 3, warning 5, error 9.  Errors are those of http_send().
 */
int gotify_send(const struct gotify_endpoint *e, const struct notify_message *m,
		const struct notify_limits *l, struct error **err);

#endif
