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

int gotify_send(const struct gotify_endpoint *e, const struct notify_message *m,
		const struct notify_limits *l, struct error **err);

#endif
