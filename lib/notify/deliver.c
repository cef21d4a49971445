#include "notify/deliver.h"

#include "base/mem.h"
#include "base/strv.h"
#include "base/thread.h"
#include "notify/gotify.h"
#include "notify/sendmail.h"
#include "notify/smtp.h"
#include "notify/users.h"
#include "notify/webhook.h"

enum {
	HTTP_TIMEOUT_MS = 10000,
	MAIL_TIMEOUT_MS = 20000,
};

/* A delivery with what its thread needs.  Strings of settings are the same for all. */
struct sender {
	struct delivery *delivery;
	const struct notify_message *message;
	struct notify_limits limits;
	const char *mail_sender; /* for an endpoint without an address of its own */
	char **recipients;       /* owned */
	pthread_t thread;
	bool started;
};

static void add_once(char ***list, const char *address)
{
	if (!strv_contains(*list, address))
		strv_add(list, address);
}

static char **find_recipients(const struct paths *p, const struct notify_endpoint *e, const struct log *log)
{
	char **list = NULL;

	for (char **a = e->mailto; a && *a; a++)
		add_once(&list, *a);
	for (char **user = e->mailto_user; user && *user; user++) {
		_cleanup_free_ char *address = user_address(p, *user);

		if (address)
			add_once(&list, address);
		else
			log_warn(
				log,
				"notification target '%s': user '%s' has no mail address in /etc/pve/user.cfg",
				e->name, *user);
	}
	return list;
}

static struct mail_head mail_head(const struct sender *s)
{
	const struct notify_endpoint *e = s->delivery->endpoint;

	return (struct mail_head){
		.author = e->author ? e->author : "Proxmox VE",
		.from = e->from_address ? e->from_address : s->mail_sender,
		.recipients = (const char *const *)s->recipients,
	};
}

static int send_mail(struct sender *s, struct error **err)
{
	const struct notify_endpoint *e = s->delivery->endpoint;
	const struct mail_head head = mail_head(s);

	if (!s->recipients)
		return error_set(err, ERR_INVALID, "nobody with an address is to get the mail");
	if (e->type == ENDPOINT_SENDMAIL)
		return sendmail_send(&head, s->message, &s->limits, err);
	return smtp_send(
		&(struct smtp_endpoint){
			.server = e->server,
			.mode = e->mode,
			.port = e->port,
			.username = e->username,
			.password = e->password,
			.mail = head,
		},
		s->message, &s->limits, err);
}

/* Borrows the strings.  Caller frees. */
static struct webhook_value *webhook_values(const struct named_values *v)
{
	struct webhook_value *list = xcalloc(v->n + 1, sizeof(*list));

	for (size_t i = 0; i < v->n; i++)
		list[i] = (struct webhook_value){ .name = v->list[i].name, .value = v->list[i].value };
	return list;
}

static int send_webhook(const struct sender *s, struct error **err)
{
	const struct notify_endpoint *e = s->delivery->endpoint;
	_cleanup_free_ struct webhook_value *headers = webhook_values(&e->headers);
	_cleanup_free_ struct webhook_value *secrets = webhook_values(&e->secrets);

	return webhook_send(
		&(struct webhook_endpoint){
			.url = e->url,
			.method = e->method,
			.headers = headers,
			.n_headers = e->headers.n,
			.body = e->body,
			.secrets = secrets,
			.n_secrets = e->secrets.n,
		},
		s->message, &s->limits, err);
}

static int send_any(struct sender *s, struct error **err)
{
	const struct notify_endpoint *e = s->delivery->endpoint;

	switch (e->type) {
	case ENDPOINT_SENDMAIL:
	case ENDPOINT_SMTP:
		return send_mail(s, err);
	case ENDPOINT_GOTIFY:
		return gotify_send(&(struct gotify_endpoint){ .server = e->server, .token = e->token },
				   s->message, &s->limits, err);
	case ENDPOINT_WEBHOOK:
		break;
	}
	return send_webhook(s, err);
}

static void *sender_main(void *arg)
{
	struct sender *s = arg;

	s->delivery->result = send_any(s, &s->delivery->err);
	return NULL;
}

static bool is_mail(const struct notify_endpoint *e)
{
	return e->type == ENDPOINT_SENDMAIL || e->type == ENDPOINT_SMTP;
}

static void start(struct sender *s)
{
	struct error *err = NULL;
	const int r = thread_start(&s->thread, sender_main, s, &err);

	s->started = r == 0;
	if (s->started) /* what became of it is the thread's business from here on */
		return;
	s->delivery->result = r;
	s->delivery->err = err;
}

void deliver(const struct paths *p, struct delivery *deliveries, size_t n, const struct notify_message *m,
	     const struct cancel *cancel, const struct log *log)
{
	_cleanup_free_ char *from = mail_sender(p), *proxy = http_proxy(p);
	_cleanup_free_ struct sender *senders = xcalloc(n, sizeof(*senders));
	const char *ca_file = getenv("SSL_CERT_FILE");

	for (size_t i = 0; i < n; i++) {
		const struct notify_endpoint *e = deliveries[i].endpoint;

		senders[i] = (struct sender){
			.delivery = &deliveries[i],
			.message = m,
			.limits = { .timeout_ms = is_mail(e) ? MAIL_TIMEOUT_MS : HTTP_TIMEOUT_MS,
				    .proxy = proxy,
				    .ca_file = ca_file && *ca_file ? ca_file : NULL,
				    .cancel = cancel,
				    .cancel_ignored = cancel_count(cancel) },
			.mail_sender = from,
			.recipients = is_mail(e) ? find_recipients(p, e, log) : NULL,
		};
	}
	for (size_t i = 0; i < n; i++)
		start(&senders[i]);
	for (size_t i = 0; i < n; i++) {
		if (senders[i].started)
			pthread_join(senders[i].thread, NULL);
		strv_free(senders[i].recipients);
	}
}
