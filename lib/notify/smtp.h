/* Mail by SMTP, over libcurl. */
#ifndef VZDUMP_NOTIFY_SMTP_H
#define VZDUMP_NOTIFY_SMTP_H

#include <stdint.h>

#include "base/error.h"
#include "notify/mail.h"

enum smtp_mode {
	SMTP_INSECURE, /* in clear; port 25 */
	SMTP_STARTTLS, /* TLS is demanded after the greeting; port 587 */
	SMTP_TLS,      /* TLS from the start; port 465 */
};

/* Borrowed. */
struct smtp_endpoint {
	const char *server;
	enum smtp_mode mode;
	uint16_t port;        /* 0: the mode's */
	const char *username; /* NULL: no authentication */
	const char *password; /* never in a log or an error */
	struct mail_head mail;
};

/*
 * Sends to all recipients; one that the server refuses does not keep the others from getting it, but is an
 * error.  The certificate is checked for `server`.  Errors name the server and what it said.
 */
int smtp_send(const struct smtp_endpoint *e, const struct notify_message *m, const struct notify_limits *l,
	      struct error **err);

#endif
