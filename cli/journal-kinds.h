/* All kinds that a guest's journal may hold, so that each command can undo what another one began. */
#ifndef VZDUMP_CLI_JOURNAL_KINDS_H
#define VZDUMP_CLI_JOURNAL_KINDS_H

#include "journal/journal.h"

/* Ends with NULL. */
extern const struct journal_kind *const journal_kinds[];

#endif
