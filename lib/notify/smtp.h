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
 * error.  So is an address that is not ASCII, which is not even tried.  The certificate is checked for
 * `server`.  Errors name the server and what it said.
 *
 * User and password go by AUTH PLAIN or LOGIN, in mode SMTP_INSECURE in clear.  A server that does not offer
 * AUTH at all gets the mail without.  Nothing is tried twice.
 *
 * ERR_PEER: the server or the connection; an answer of 4xx is marked "temporarily".  ERR_TIMEOUT,
 * ERR_CANCELED; ERR_INVALID: an address or the server's name cannot be used.
 */
int smtp_send(const struct smtp_endpoint *e, const struct notify_message *m, const struct notify_limits *l,
	      struct error **err);

#endif
