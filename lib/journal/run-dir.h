/* A private folder for the sockets of one guest's backup or restore. */
#ifndef VZDUMP_JOURNAL_RUN_DIR_H
#define VZDUMP_JOURNAL_RUN_DIR_H

#include "journal/journal.h"

/*
 * Makes /run/vzdump-<vmid>.  If a folder of that name cannot be removed (something is mounted in it), a
 * random number is appended.  If the root's path is too long for sockets in it (names up to "efidisk0.sock"),
 * the folder is in /tmp.  The journal has it as JOURNAL_DIR before it exists.  Caller frees *ret.
 */
int run_dir_make(const struct paths *p, struct journal *j, char **ret, struct error **err);

#endif
