#include "notify/transfer.h"

#include <pthread.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

static CURLcode global_state;

static void set_up_globally(void)
{
	global_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURLU *transfer_url_new(void)
{
	return xcheck(curl_url());
}

/* A part of the URL; NULL if it has none.  Caller frees by curl_free(). */
static char *url_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static void free_part(char **part)
{
	curl_free(*part);
}
#define _cleanup_part_ _cleanup_(free_part)

/* Scheme, host and port as they stand in the URL, and nothing else of it.  Caller frees. */
static char *peer_of(CURLU *url)
{
	_cleanup_part_ char *scheme = url_part(url, CURLUPART_SCHEME);
	_cleanup_part_ char *host = url_part(url, CURLUPART_HOST);
	_cleanup_part_ char *port = url_part(url, CURLUPART_PORT);

	return xasprintf("%s://%s%s%s", scheme ? scheme : "?", host ? host : "?", port ? ":" : "",
			 port ? port : "");
}

static bool is_canceled(const struct transfer *t)
{
	return cancel_count(t->limits->cancel) > t->limits->cancel_ignored;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	const struct transfer *t = arg;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	return is_canceled(t) || units_now_ns() >= t->end;
}

static void set_limits(struct transfer *t)
{
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)t->limits->timeout_ms);
	curl_easy_setopt(t->curl, CURLOPT_TIMEOUT_MS, (long)t->limits->timeout_ms);
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	/* Else the end of the transfer waits for a name server that stays silent, whatever the limit is. */
	curl_easy_setopt(t->curl, CURLOPT_QUICK_EXIT, 1L);
	/*
	 * libcurl takes its own time, two minutes, for saying goodbye to a mail server.  It does so within
	 * transfer_run(), where on_progress() ends it, if the connection is not kept.
	 */
	curl_easy_setopt(t->curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(t->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(t->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(t->curl, CURLOPT_XFERINFODATA, t);
}

static void set_trust(struct transfer *t)
{
	const char *ca = t->limits->ca_file;

	curl_easy_setopt(t->curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(t->curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(t->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(t->curl, CURLOPT_PROXY_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(t->curl, CURLOPT_PROXY_SSL_VERIFYHOST, 2L);
	if (!ca)
		return;
	/* These alone: without the NULLs the system's folder of certificates would count beside them. */
	curl_easy_setopt(t->curl, CURLOPT_CAINFO, ca);
	curl_easy_setopt(t->curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(t->curl, CURLOPT_PROXY_CAINFO, ca);
	curl_easy_setopt(t->curl, CURLOPT_PROXY_CAPATH, NULL);
}

int transfer_init(struct transfer *t, CURLU *url, const char *protocols, const struct notify_limits *l,
		  struct error **err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	*t = (struct transfer){ .limits = l, .peer = peer_of(url) };
	pthread_once(&once, set_up_globally);
	if (global_state == CURLE_OK)
		t->curl = curl_easy_init();
	if (!t->curl)
		return error_set(err, ERR_UNSUPPORTED, "%s: libcurl cannot be set up: %s", t->peer,
				 curl_easy_strerror(global_state ? global_state : CURLE_FAILED_INIT));
	curl_easy_setopt(t->curl, CURLOPT_CURLU, url);
	curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, protocols);
	curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, t->detail);
	/* "" is "none"; without it libcurl asks the environment. */
	curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(t->curl, CURLOPT_NOPROXY, "");
	set_limits(t);
	set_trust(t);
	return 0;
}

void transfer_clear(struct transfer *t)
{
	curl_easy_cleanup(t->curl);
	free(t->peer);
	strv_free(t->secrets);
	*t = (struct transfer){ 0 };
}

/* The proxy as a URL of its parts; a scheme that is missing is http. */
static int parse_proxy(const char *proxy, CURLU *ret, struct error **err)
{
	_cleanup_free_ char *text = xasprintf("%s%s", strstr(proxy, "://") ? "" : "http://", proxy);
	_cleanup_part_ char *scheme = NULL;

	if (curl_url_set(ret, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
		scheme = url_part(ret, CURLUPART_SCHEME);
	if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return error_set(err, ERR_INVALID,
				 "http_proxy of datacenter.cfg cannot be used: it has to be "
				 "http://[user:password@]host[:port], with special characters URL-encoded");
	return 0;
}

/* user and password may be NULL. */
static void set_proxy_login(struct transfer *t, const char *user, const char *password)
{
	_cleanup_free_ char *login = xasprintf("%s:%s", user ? user : "", password ? password : "");
	_cleanup_buf_ struct buf basic = BUF_INIT;

	curl_easy_setopt(t->curl, CURLOPT_PROXYUSERNAME, user);
	curl_easy_setopt(t->curl, CURLOPT_PROXYPASSWORD, password);
	if (!password)
		return;
	base64_encode(login, strlen(login), &basic);
	strv_add(&t->secrets, password);
	strv_add(&t->secrets, buf_str(&basic));
}

/* libcurl puts a proxy that it cannot use into its texts: it gets one without user and password. */
int transfer_use_proxy(struct transfer *t, struct error **err)
{
	_cleanup_url_ CURLU *url = transfer_url_new();
	_cleanup_free_ char *peer = NULL;
	char *user = NULL, *password = NULL;
	int r;

	if (!t->limits->proxy || !*t->limits->proxy)
		return 0;
	r = parse_proxy(t->limits->proxy, url, err);
	if (r < 0)
		return r;
	peer = peer_of(url);
	curl_url_get(url, CURLUPART_USER, &user, CURLU_URLDECODE);
	curl_url_get(url, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
	curl_easy_setopt(t->curl, CURLOPT_PROXY, peer);
	set_proxy_login(t, user, password);
	curl_free(user);
	curl_free(password);
	return 0;
}

CURLcode transfer_run(struct transfer *t)
{
	CURLcode code;

	t->detail[0] = '\0';
	t->end = units_now_ns() + (uint64_t)t->limits->timeout_ms * 1000000u;
	code = curl_easy_perform(t->curl);
	return code == CURLE_ABORTED_BY_CALLBACK && !is_canceled(t) ? CURLE_OPERATION_TIMEDOUT : code;
}

/* libcurl's own words, where they are of names, addresses, sockets and certificates and nothing else. */
static const char *detail_of(const struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return t->detail[0] ? t->detail : curl_easy_strerror(code);
	default:
		return curl_easy_strerror(code);
	}
}

int transfer_error(const struct transfer *t, CURLcode code, struct error **err)
{
	const char *detail = detail_of(t, code);

	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK:
		return error_wrap(err, cancel_check(t->limits->cancel, err), "%s", t->peer);
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(err, ERR_TIMEOUT, "%s: not done within %g s, which is the limit", t->peer,
				 t->limits->timeout_ms / 1000.0);
	case CURLE_PEER_FAILED_VERIFICATION:
		return error_set(err, ERR_PEER, "%s: its certificate is not accepted: %s", t->peer, detail);
	default:
		return error_set(err, ERR_PEER, "%s: %s", t->peer, detail);
	}
}
