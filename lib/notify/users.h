/* Who is to be told, from which address and by which proxy: user.cfg and datacenter.cfg of PVE. */
#ifndef VZDUMP_NOTIFY_USERS_H
#define VZDUMP_NOTIFY_USERS_H

#include "base/paths.h"

/*
 * The mail address of "user@realm" in /etc/pve/user.cfg; NULL if it has none there.  On a host without that
 * file, root@pam is the mailbox `root`.  Caller frees.
 */
char *user_address(const struct paths *p, const char *user);
/* email_from of datacenter.cfg, else `root`.  Caller frees. */
char *mail_sender(const struct paths *p);
/* http_proxy of datacenter.cfg, else NULL.  Caller frees. */
char *http_proxy(const struct paths *p);

#endif
