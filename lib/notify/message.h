/* What is sent: a rendered notification, and the limits of sending it. */
#ifndef VZDUMP_NOTIFY_MESSAGE_H
#define VZDUMP_NOTIFY_MESSAGE_H

#include <stddef.h>
#include <time.h>

#include "base/cancel.h"

/* PVE's; the order is that of its documentation. */
enum notify_severity {
	NOTIFY_INFO,
	NOTIFY_NOTICE,
	NOTIFY_WARNING,
	NOTIFY_ERROR,
	NOTIFY_UNKNOWN,
	NOTIFY_SEVERITIES
};
/* "info", "notice", ...: as matchers and webhooks have it. */
const char *notify_severity_name(enum notify_severity severity);

/* Metadata that matchers look at: type=vzdump, hostname, job-id. */
struct notify_field {
	const char *name;
	const char *value;
};

/* Borrowed.  Text is UTF-8 with LF at the ends of lines. */
struct notify_message {
	enum notify_severity severity;
	time_t time;
	const char *title; /* one line */
	const char *text;
	const char *html; /* NULL: there is none */
	const struct notify_field *fields;
	size_t n_fields;
};

/* Borrowed; the same for every endpoint of a notification. */
struct notify_limits {
	int timeout_ms;              /* for all that one endpoint does, 1 or more */
	const char *proxy;           /* http_proxy of datacenter.cfg, for gotify and webhook; NULL: none */
	const char *ca_file;         /* certificates that are trusted; NULL: the system's */
	const struct cancel *cancel; /* a request to stop ends the waiting; may be NULL */
	/* Requests so far, which do not count: a job that was interrupted still notifies (process.h). */
	unsigned cancel_ignored;
};

#endif
