/*
 * /etc/pve/notifications.cfg and /etc/pve/priv/notifications.cfg: targets ("endpoints") and matchers.
 *
 *	smtp: mail			section: type, colon, name
 *		server mail.example.com	indented: key, blank, value
 *		mailto a@example.com	some keys may come several times
 *
 * As in PVE anything that is not known or not right makes both files unusable as a whole.  The sections of
 * the second one, which only root can read, hold what is secret of the sections of that type and name in the
 * first.  man/notifications.cfg.5 has all keys.
 */
#ifndef VZDUMP_NOTIFY_CONFIG_H
#define VZDUMP_NOTIFY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/paths.h"
#include "notify/matcher.h"
#include "notify/smtp.h"
#include "notify/webhook.h"

enum endpoint_type {
	ENDPOINT_SENDMAIL,
	ENDPOINT_SMTP,
	ENDPOINT_GOTIFY,
	ENDPOINT_WEBHOOK,
};

struct named_value {
	char *name;
	char *value;
};

struct named_values {
	struct named_value *list;
	size_t n;
};

/* Owned.  Members that the type does not have, or that were not written, are NULL or 0. */
struct notify_endpoint {
	enum endpoint_type type;
	char *name;
	bool disabled;
	char *problem; /* why nothing can be sent by it; NULL: it is all right */

	/* sendmail, smtp */
	char **mailto;
	char **mailto_user; /* user@realm */
	char *from_address;
	char *author;

	char *server; /* smtp: host name or address; gotify: base URL */

	/* smtp */
	enum smtp_mode mode;
	uint16_t port;
	char *username;
	char *password;

	char *token; /* gotify */

	/* webhook */
	char *url;
	enum webhook_method method;
	struct named_values headers;
	char *body;
	struct named_values secrets;
};

struct notify_config {
	struct notify_endpoint *endpoints; /* in file order, then the built-in one */
	size_t n_endpoints;
	struct matcher *matchers; /* likewise */
	size_t n_matchers;
	bool is_default; /* there is no notifications.cfg */
};

/*
 * Reads both files; one that does not exist is empty.  "mail-to-root" and "default-matcher" are added if no
 * section has that name.  log gets warnings.  ERR_INVALID names file, line and, unless it may be secret, the
 * value that makes the files unusable.  The caller clears *ret after success.
 */
int notify_config_load(const struct paths *p, const struct log *log, struct notify_config *ret,
		       struct error **err);
void notify_config_clear(struct notify_config *c);
#define _cleanup_notify_config_ _cleanup_(notify_config_clear)

#endif
