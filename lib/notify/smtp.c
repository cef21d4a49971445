#include "notify/smtp.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "notify/smtp-talk.h"
#include "notify/transfer.h"

/* clang-format off */
static const struct {
	const char *scheme;
	uint16_t port;
	long use_ssl;
} modes[] = {
	[SMTP_INSECURE] = { "smtp",   25, CURLUSESSL_NONE },
	[SMTP_STARTTLS] = { "smtp",  587, CURLUSESSL_ALL },
	[SMTP_TLS]      = { "smtps", 465, CURLUSESSL_ALL },
};
/* clang-format on */

struct mail_text {
	struct buf text;
	size_t sent;
};

static void mail_text_clear(struct mail_text *m)
{
	buf_clear(&m->text);
}

/* What MAIL and RCPT can take from everybody: no UTF-8 (SMTPUTF8), and nothing that ends a command. */
static bool is_address(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || strchr("<>", *s))
			return false;
	return true;
}

/* ---- the URL ---- */

/* The name that we greet with.  PVE's mailer says the host's name too, with a domain or without. */
static void hello_name(char *name, size_t size)
{
	if (gethostname(name, size) < 0)
		name[0] = '\0';
	name[size - 1] = '\0';
	if (!name[0] ||
	    name[strspn(name, "-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		memcpy(name, "localhost", sizeof("localhost"));
}

/* An IPv6 address stands in brackets in a URL. */
static char *url_host(const char *server)
{
	return strchr(server, ':') && *server != '[' ? xasprintf("[%s]", server) : xstrdup(server);
}

static int make_url(const struct smtp_endpoint *e, CURLU *url, struct error **err)
{
	_cleanup_free_ char *host = url_host(e->server), *text = NULL;
	const unsigned port = e->port ? e->port : modes[e->mode].port;
	char name[HOST_NAME_MAX + sizeof("localhost")];

	hello_name(name, sizeof(name));
	if (strpbrk(host, "/@?#%\\ "))
		return error_set(err, ERR_INVALID, "'%s' is not the name or address of a mail server",
				 e->server);
	text = xasprintf("%s://%s:%u/%s", modes[e->mode].scheme, host, port, name);
	if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
		return error_set(err, ERR_INVALID, "'%s' is not the name or address of a mail server",
				 e->server);
	return 0;
}

/* ---- the transfer ---- */

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct mail_text *m = arg;
	const size_t left = m->text.len - m->sent;

	n *= size;
	if (n > left)
		n = left;
	memcpy(to, m->text.data + m->sent, n);
	m->sent += n;
	return n;
}

static int on_line(CURL *curl, curl_infotype type, char *data, size_t len, void *arg)
{
	(void)curl;
	if (type == CURLINFO_HEADER_OUT)
		smtp_talk_sent(arg, data, len);
	else if (type == CURLINFO_HEADER_IN)
		smtp_talk_heard(arg, data, len);
	return 0;
}

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

static struct curl_slist *recipient_list(const char *const *recipients)
{
	struct curl_slist *list = NULL;

	for (; *recipients; recipients++)
		list = xcheck(curl_slist_append(list, *recipients));
	return list;
}

static void set_login(CURL *curl, const struct smtp_endpoint *e)
{
	if (!e->username)
		return;
	curl_easy_setopt(curl, CURLOPT_USERNAME, e->username);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, e->password ? e->password : "");
	/* PVE's; libcurl would also try Kerberos with the host's tickets, and NTLM. */
	curl_easy_setopt(curl, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
}

static void set_mail(CURL *curl, const struct smtp_endpoint *e, struct mail_text *mail,
		     struct smtp_talk *talk)
{
	curl_easy_setopt(curl, CURLOPT_USE_SSL, modes[e->mode].use_ssl);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, e->mail.from);
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(curl, CURLOPT_READDATA, mail);
	curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->text.len);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_line);
	curl_easy_setopt(curl, CURLOPT_DEBUGDATA, talk);
}

static CURLcode transfer_mail(struct transfer *t, const struct smtp_endpoint *e,
			      const char *const *recipients, struct mail_text *mail, struct smtp_talk *talk)
{
	struct curl_slist *list = recipient_list(recipients);
	CURLcode code;

	set_mail(t->curl, e, mail, talk);
	set_login(t->curl, e);
	curl_easy_setopt(t->curl, CURLOPT_MAIL_RCPT, list);
	code = transfer_run(t);
	curl_slist_free_all(list);
	return code;
}

/* ---- what became of it ---- */

static int refused(const struct transfer *t, const struct smtp_talk *talk, struct error **err)
{
	const size_t took = talk->asked - talk->refused;

	return error_set(err, ERR_PEER, "%s refuses %zu of %zu recipients: %s%s%s", t->peer, talk->refused,
			 talk->asked, buf_str(&talk->names), talk->refused > SMTP_TALK_NAMED ? ", ..." : "",
			 took ? "; the others have got the mail" : "");
}

static int outcome(const struct transfer *t, CURLcode code, const struct smtp_talk *talk, struct error **err)
{
	if (code == CURLE_OK)
		return talk->refused ? refused(t, talk, err) : 0;
	if (code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_OPERATION_TIMEDOUT)
		return transfer_error(t, code, err);
	if (talk->failed)
		return error_set(err, ERR_PEER, "%s refuses %s: %s", t->peer,
				 smtp_step_name(talk->failed_step), buf_str(&talk->why));
	if (code == CURLE_USE_SSL_FAILED)
		return error_set(
			err, ERR_PEER,
			"%s does not offer STARTTLS, so nothing was sent: mode 'tls' may be the right "
			"one, with its port",
			t->peer);
	if (talk->refused && talk->refused == talk->asked)
		return refused(t, talk, err);
	if (code == CURLE_LOGIN_DENIED)
		return error_set(err, ERR_PEER,
				 "%s offers neither AUTH PLAIN nor AUTH LOGIN, so there is no way to log in",
				 t->peer);
	/* libcurl's words for it have a number of an error that was none */
	if (code == CURLE_RECV_ERROR && str_prefix(t->detail, "response reading failed", NULL))
		return error_set(
			err, ERR_PEER,
			"%s does not answer as a mail server does, or hangs up: look whether the port "
			"belongs to the mode",
			t->peer);
	return transfer_error(t, code, err);
}

static int send_to(const struct smtp_endpoint *e, const char *const *recipients,
		   const struct notify_message *m, const struct notify_limits *l, struct error **err)
{
	const char *secrets[] = { e->password, NULL };
	const struct mail_head head = { e->mail.author, e->mail.from, recipients };
	_cleanup_url_ CURLU *url = transfer_url_new();
	_cleanup_(mail_text_clear) struct mail_text mail = { 0 };
	_cleanup_(smtp_talk_clear) struct smtp_talk talk;
	_cleanup_(transfer_clear) struct transfer t = { 0 };
	int r;

	smtp_talk_init(&talk, recipients, secrets);
	r = make_url(e, url, err);
	if (r == 0)
		r = transfer_init(&t, url, "smtp,smtps", l, err);
	if (r < 0)
		return r;
	mail_compose(&head, m, MAIL_CRLF, &mail.text);
	return outcome(&t, transfer_mail(&t, e, recipients, &mail, &talk), &talk, err);
}

int smtp_send(const struct smtp_endpoint *e, const struct notify_message *m, const struct notify_limits *l,
	      struct error **err)
{
	static const char why[] =
		"is no address that SMTP can take: ASCII without blanks, as user@example.com";
	_cleanup_strv_ char **good = NULL, **bad = NULL;
	_cleanup_free_ char *names = NULL;
	int r;

	if (!is_address(e->mail.from))
		return error_set(err, ERR_INVALID, "from-address '%s' %s", e->mail.from, why);
	for (const char *const *to = e->mail.recipients; *to; to++)
		strv_add(is_address(*to) ? &good : &bad, *to);
	names = bad ? strv_join(bad, ", ") : NULL;
	if (!good)
		return error_set(err, ERR_INVALID, "%s %s", names ? names : "no recipient", names ? why : "");
	r = send_to(e, (const char *const *)good, m, l, err);
	if (!bad)
		return r;
	if (r == 0)
		return error_set(err, ERR_INVALID, "%s %s; the others have got the mail", names, why);
	return error_wrap(err, r, "%s %s", names, why);
}
