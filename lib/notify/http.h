/* One HTTP request that delivers a notification. */
#ifndef VZDUMP_NOTIFY_HTTP_H
#define VZDUMP_NOTIFY_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "notify/message.h"

/* Borrowed. */
struct http_header {
	const char *name;
	const char *value;
};

/* Borrowed. */
struct http_request {
	const char *what;   /* the configuration's key that the URL is from, for messages */
	const char *method; /* "POST", "PUT", "GET" */
	const char *url;    /* whole; bytes that are not ASCII are URL-encoded */
	const struct http_header *headers;
	size_t n_headers;
	const char *body; /* "" or NULL: none; only GET has no Content-Length then */
	/*
	 * NULL-terminated.  What the server answers is not shown if it repeats a piece of these (answer.h).
	 * User and password of the URL and the proxy's password always count as such, and if secrets may be
	 * hidden anywhere in the request, all of the URL behind the host and the values of headers too.
	 */
	const char *const *secrets;
	bool may_hide_secrets;
};

/*
 * Sends it and waits for the answer.  0 is a status of 200 to 299.  ERR_INVALID: the URL or a header cannot
 * be used; ERR_PEER with the status and the beginning of what the server says; and what transfer_error()
 * makes.  A redirect is an error, since it is not followed (PVE would take it for a success).
 *
 * Content-Length and Transfer-Encoding among the headers are left out, since these are ours.  Beside what it
 * is given it sends Host, Accept, User-Agent and Content-Length, and no Content-Type.
 */
int http_send(const struct http_request *q, const struct notify_limits *l, struct error **err);

#endif
