/* A private folder for the sockets of one guest's backup or restore, in the journal. */
#ifndef VZDUMP_JOURNAL_RUN_DIR_H
#define VZDUMP_JOURNAL_RUN_DIR_H

#include "journal/journal.h"

/*
 * /run/vzdump-<vmid>, with something random behind if one of that name stays in the way (something is
 * mounted in it), or a folder in /tmp when the root's path is too long for a socket in it (names
 * up to "efidisk0.sock").  The journal knows it before it exists and its undoing removes it.  Caller
 * frees *ret.
 */
int run_dir_make(const struct paths *p, struct journal *j, char **ret, struct error **err);

#endif
