/* Mail as PVE writes it: a text and an HTML alternative, RFC 5322 and MIME. */
#ifndef VZDUMP_NOTIFY_MAIL_H
#define VZDUMP_NOTIFY_MAIL_H

#include "base/buf.h"
#include "notify/message.h"

/* Borrowed. */
struct mail_head {
	const char *author;            /* display name, UTF-8 */
	const char *from;              /* address; also the envelope's */
	const char *const *recipients; /* addresses, NULL-terminated, all shown in To */
};

enum mail_lines {
	MAIL_LF,   /* for sendmail */
	MAIL_CRLF, /* for SMTP */
};

/* Appends the whole mail, headers and body. */
void mail_compose(const struct mail_head *head, const struct notify_message *m, enum mail_lines lines,
		  struct buf *out);

#endif
