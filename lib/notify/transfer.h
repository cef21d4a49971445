/*
 * One transfer by libcurl, under the rules that hold for every endpoint:
 *
 *   - certificate and host name are checked, TLS is 1.2 or later, the time for everything is limited;
 *   - only the protocols that are named are spoken, and no redirect is followed;
 *   - nothing comes from the environment or from files of a user: no http_proxy, no no_proxy, no .netrc;
 *   - a request to stop ends it within a second or so;
 *   - errors name scheme, host and port.  The rest of a URL, user names and passwords are never handed to
 *     what makes the texts.
 *
 * Each transfer has a handle of its own, so that any number of threads can have one.  libcurl's global part
 * is set up by the first and stays until the process ends.  SIGPIPE has to be ignored or blocked: libcurl
 * does not touch signals here.
 */
#ifndef VZDUMP_NOTIFY_TRANSFER_H
#define VZDUMP_NOTIFY_TRANSFER_H

#include <curl/curl.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "notify/message.h"

struct transfer {
	CURL *curl; /* for options that only one protocol needs */
	const struct notify_limits *limits;
	uint64_t end;   /* units_now_ns() at which all has to be over */
	char **secrets; /* of the proxy: its password, and in the form that it is sent in; NULL: none */
	char *peer;     /* "https://host:8443", for messages */
	char detail[CURL_ERROR_SIZE];
};

/* An empty URL to fill. */
CURLU *transfer_url_new(void);
DEFINE_CLEANUP(CURLU *, curl_url_cleanup)
#define _cleanup_url_ _cleanup_(curl_url_cleanupp)

/*
 * Borrows url and l until transfer_clear().  protocols is a list with commas, as "http,https".  Never fails,
 * except for ERR_UNSUPPORTED if libcurl cannot be set up; transfer_clear() is needed in any case.
 */
int transfer_init(struct transfer *t, CURLU *url, const char *protocols, const struct notify_limits *l,
		  struct error **err);
void transfer_clear(struct transfer *t);

/*
 * Has the transfer go through the limits' http_proxy, if there is one: http://[user:password@]host[:port].
 * Without a port it is 1080, as for PVE.  ERR_INVALID if it cannot be used.
 */
int transfer_use_proxy(struct transfer *t, struct error **err);

/* Runs it; blocks.  CURLE_OK or what libcurl says; transfer_error() makes an error of it. */
CURLcode transfer_run(struct transfer *t);

/*
 * Sets the error for a code of transfer_run() other than CURLE_OK: ERR_CANCELED, ERR_TIMEOUT, or ERR_PEER.
 * Returns its code.
 */
int transfer_error(const struct transfer *t, CURLcode code, struct error **err);

#endif
