/* The kind of journal entries that only backups write. */
#ifndef VZDUMP_BACKUP_UNDO_H
#define VZDUMP_BACKUP_UNDO_H

#include "journal/journal.h"

#define JOURNAL_DOWN "down" /* the guest was shut down by us and is to be started again */

extern const struct journal_kind journal_kind_down;

#endif
