/* All that a guest's journal may hold: whoever began it, each command can undo it. */
#ifndef VZDUMP_CLI_JOURNAL_KINDS_H
#define VZDUMP_CLI_JOURNAL_KINDS_H

#include "journal/journal.h"

/* Ends with NULL. */
extern const struct journal_kind *const journal_kinds[];

#endif
