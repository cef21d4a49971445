/* The kinds of journal entries that only restores make, and that of images; see undo.c. */
#ifndef VZDUMP_RESTORE_UNDO_H
#define VZDUMP_RESTORE_UNDO_H

#include "journal/journal.h"

/* The lock of a guest that is being restored, the same as PVE's. */
#define RESTORE_LOCK "create"

#define JOURNAL_STARTED "started" /* a QEMU for a guest that has not run yet: it is ended */
#define JOURNAL_CONFIG  "config" /* the configuration is not the guest's own; value: path of a copy of that */
#define JOURNAL_GUEST   "guest"  /* a configuration that holds nothing but our lock; value: which lock */
#define JOURNAL_FIREWALL \
	"firewall" /* firewall rules put in place; value: path of a copy of the old ones, or "" */
#define JOURNAL_REPLACED "replaced" /* a volume of the guest that is replaced; value: volume id */
#define JOURNAL_COMMIT   "commit"   /* the new configuration is about to be put in place */

extern const struct journal_kind journal_kind_started;
extern const struct journal_kind journal_kind_config;
extern const struct journal_kind journal_kind_image;
extern const struct journal_kind journal_kind_replaced;
extern const struct journal_kind journal_kind_firewall;
extern const struct journal_kind journal_kind_guest;
extern const struct journal_kind journal_kind_commit;

#endif
