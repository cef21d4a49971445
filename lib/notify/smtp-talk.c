#include "notify/smtp-talk.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "notify/answer.h"

/* clang-format off */
static const struct {
	const char *word;
	enum smtp_step step;
} commands[] = {
	{ "EHLO",      SMTP_HELLO },
	{ "HELO",      SMTP_HELLO },
	{ "STARTTLS",  SMTP_STARTS_TLS },
	{ "AUTH",      SMTP_LOGIN },
	{ "MAIL FROM", SMTP_SENDER },
	{ "RCPT TO",   SMTP_RECIPIENT },
	{ "DATA",      SMTP_CONTENT },
};

static const char *const names[] = {
	[SMTP_CONNECTED]  = "the connection",
	[SMTP_HELLO]      = "the greeting",
	[SMTP_STARTS_TLS] = "STARTTLS",
	[SMTP_LOGIN]      = "username and password",
	[SMTP_SENDER]     = "the sender",
	[SMTP_RECIPIENT]  = "the recipient",
	[SMTP_CONTENT]    = "the mail",
	[SMTP_MAIL]       = "the mail",
	[SMTP_OTHER]      = "a command",
};
/* clang-format on */

const char *smtp_step_name(enum smtp_step step)
{
	return names[step];
}

void smtp_talk_init(struct smtp_talk *t, const char *const *recipients, const char *const *secrets)
{
	*t = (struct smtp_talk){ .recipients = recipients, .secrets = secrets };
}

void smtp_talk_clear(struct smtp_talk *t)
{
	buf_clear(&t->names);
	buf_clear(&t->why);
	buf_clear(&t->reply);
}

static enum smtp_step step_of(const char *line, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const size_t n = strlen(commands[i].word);

		if (len >= n && !strncasecmp(line, commands[i].word, n))
			return commands[i].step;
	}
	return SMTP_OTHER;
}

static int code_of(const struct buf *reply)
{
	const char *s = buf_str(reply);

	for (int i = 0; i < 3; i++)
		if (!isdigit((unsigned char)s[i]))
			return 0;
	return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

void smtp_talk_sent(struct smtp_talk *t, const char *line, size_t len)
{
	/* Base64 can look like a command. */
	if (t->step == SMTP_LOGIN && t->code == 334)
		return;
	t->step = step_of(line, len);
	if (t->step == SMTP_RECIPIENT)
		t->asked++;
}

/*
 * A reply for an error.  To AUTH only its numbers ("535 5.7.8") are shown: nothing else is sure not to have
 * a piece of the password in it, in base64.
 */
static void add_reply(const struct smtp_talk *t, struct buf *to)
{
	unsigned class, subject, detail;

	if (t->code < 500)
		buf_adds(to, "temporarily: ");
	if (t->step != SMTP_LOGIN) {
		_cleanup_free_ char *text = answer_excerpt(t->reply.data, t->reply.len, t->secrets);

		buf_adds(to, text);
		return;
	}
	buf_addf(to, "%d", t->code);
	if (sscanf(buf_str(&t->reply) + 3, " %1u.%3u.%3u", &class, &subject, &detail) == 3)
		buf_addf(to, " %u.%u.%u", class, subject, detail);
}

static void recipient_refused(struct smtp_talk *t)
{
	const char *const *recipient = t->recipients;

	t->refused++;
	for (size_t i = 1; *recipient && i < t->asked; i++)
		recipient++;
	if (t->refused > SMTP_TALK_NAMED || !*recipient)
		return;
	buf_addf(&t->names, "%s%s (", t->refused > 1 ? ", " : "", *recipient);
	add_reply(t, &t->names);
	buf_addc(&t->names, ')');
}

static void finish_reply(struct smtp_talk *t)
{
	if (t->step == SMTP_OTHER) {
		/* QUIT, after all that counts */
	} else if (t->code >= 400 && t->step == SMTP_RECIPIENT) {
		recipient_refused(t);
		t->step = SMTP_OTHER; /* what else it may say is no answer to this */
	} else if (t->code >= 400) {
		/* the last one counts: libcurl tries HELO after EHLO, and more than one way to log in */
		buf_reset(&t->why);
		add_reply(t, &t->why);
		t->failed = true;
		t->failed_step = t->step;
	} else {
		t->failed = false;
		if (t->step == SMTP_CONTENT)
			t->step = SMTP_MAIL;
	}
}

void smtp_talk_heard(struct smtp_talk *t, const char *line, size_t len)
{
	const bool more = len > 3 && line[3] == '-';
	const size_t skip = t->reply.len > 0 && len > 4 ? 4 : 0;

	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (t->reply.len < ANSWER_KEPT && len > skip) {
		if (skip)
			buf_addc(&t->reply, ' ');
		buf_add(&t->reply, line + skip, len - skip);
	}
	if (more) {
		/* the first line is shown as the last one is */
		t->reply.data[3] = ' ';
		return;
	}
	t->code = code_of(&t->reply);
	if (t->code > 0)
		finish_reply(t);
	buf_reset(&t->reply);
}
