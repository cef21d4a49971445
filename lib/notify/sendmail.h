/* Mail by the program `sendmail`, which each mail server has. */
#ifndef VZDUMP_NOTIFY_SENDMAIL_H
#define VZDUMP_NOTIFY_SENDMAIL_H

#include "base/error.h"
#include "notify/mail.h"

/*
 * Hands the mail to the first `sendmail` in PATH, which includes /usr/sbin (process.h).  ERR_NOT_FOUND if
 * there is none.  Another exit status than 0 is an error.
 */
int sendmail_send(const struct mail_head *head, const struct notify_message *m, const struct notify_limits *l,
		  struct error **err);

#endif
