/* Sends one message to several endpoints at the same time. */
#ifndef VZDUMP_NOTIFY_DELIVER_H
#define VZDUMP_NOTIFY_DELIVER_H

#include "base/log.h"
#include "base/paths.h"
#include "notify/config.h"
#include "notify/message.h"

/* An endpoint that gets the message, and what became of it.  Begin with zeroes and `endpoint`, borrowed. */
struct delivery {
	const struct notify_endpoint *endpoint;
	int result; /* 0, or a negative code */
	struct error *err;
};

/*
 * Sends m to the endpoint of each of n deliveries, and stores what came of it.  Returns when all have ended,
 * which they do within their time limits: ten seconds for gotify and webhooks, as in PVE, twenty for mail.
 * log gets warnings about users without an address.  Endpoints that are disabled or have a problem are not
 * looked for here.
 */
void deliver(const struct paths *p, struct delivery *deliveries, size_t n, const struct notify_message *m,
	     const struct cancel *cancel, const struct log *log);

#endif
