/*
 * What a mail server says to each command.  libcurl keeps only the code of the last answer, so the lines are
 * followed as they pass.
 */
#ifndef VZDUMP_NOTIFY_SMTP_TALK_H
#define VZDUMP_NOTIFY_SMTP_TALK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Refused recipients that an error names; others are counted. */
#define SMTP_TALK_NAMED 10

/* What the server answers to. */
enum smtp_step {
	SMTP_CONNECTED,
	SMTP_HELLO, /* EHLO or HELO */
	SMTP_STARTS_TLS,
	SMTP_LOGIN, /* AUTH and its further lines */
	SMTP_SENDER,
	SMTP_RECIPIENT,
	SMTP_CONTENT, /* DATA */
	SMTP_MAIL,    /* the mail itself */
	SMTP_OTHER,
};

struct smtp_talk {
	const char *const *recipients; /* borrowed; in the order of the RCPT commands */
	const char *const *secrets;    /* borrowed; see answer_excerpt() */
	enum smtp_step step;
	int code;         /* of the last reply */
	size_t asked;     /* RCPT commands so far */
	size_t refused;   /* how many of them the server refused */
	struct buf names; /* the refused ones, and why: "a@x (550 ...), b@x (temporarily: 451 ...)" */
	bool failed;      /* the server refused something else */
	enum smtp_step failed_step;
	struct buf why;   /* its answer to that, with "temporarily: " in front if it may take it later */
	struct buf reply; /* the one that comes in, its lines joined */
};

void smtp_talk_init(struct smtp_talk *t, const char *const *recipients, const char *const *secrets);
void smtp_talk_clear(struct smtp_talk *t);

/* A line of ours: a command, or a line that continues AUTH.  Nothing of it is kept. */
void smtp_talk_sent(struct smtp_talk *t, const char *line, size_t len);
/* A line of the server's.  Lines of one reply have the same code; all but the last have "-" behind it. */
void smtp_talk_heard(struct smtp_talk *t, const char *line, size_t len);
/* What was refused: "the user name and password", "the mail". */
const char *smtp_step_name(enum smtp_step step);

#endif
