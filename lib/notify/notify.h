/*
 * Notifications as PVE 9 sends them: the endpoints and matchers of notifications.cfg, or one mail to given
 * addresses.
 */
#ifndef VZDUMP_NOTIFY_NOTIFY_H
#define VZDUMP_NOTIFY_NOTIFY_H

#include <json-c/json.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/paths.h"
#include "notify/message.h"

/* Borrowed. */
struct notification {
	enum notify_severity severity;
	time_t time;
	const struct notify_field *fields;
	size_t n_fields;
	const char *template_name; /* "vzdump": vzdump-subject.txt.hbs, vzdump-body.txt.hbs, ... */
	struct json_object *data;  /* what the templates show */
};

/*
 * Renders the notification once, and sends it to all endpoints that the matchers choose, at the same time.
 * Returns after 30 s at most.  Whatever fails is logged as an error, and keeps no other endpoint from
 * getting it.
 */
void notify_send(const struct paths *p, const struct notification *n, const struct cancel *cancel,
		 const struct log *log);

/*
 * The names of the endpoints that it would be sent to, for saying so beforehand; n->data is not used.  log
 * hears of those that cannot be used.  ERR_INVALID as notify_config_load().  The caller frees *ret (NULL:
 * none).
 */
int notify_targets(const struct paths *p, const struct notification *n, const struct log *log, char ***ret,
		   struct error **err);

/* One mail by sendmail to these addresses (NULL-terminated), without matchers: --mailto.  Logs as above. */
void notify_mail(const struct paths *p, const struct notification *n, char *const *addresses,
		 const struct cancel *cancel, const struct log *log);

#endif
