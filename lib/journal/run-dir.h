/* A private folder for the sockets of one guest's backup or restore. */
#ifndef VZDUMP_JOURNAL_RUN_DIR_H
#define VZDUMP_JOURNAL_RUN_DIR_H

#include "journal/journal.h"

/*
 * Makes /run/vzdump-<vmid>.  A random number is appended if a folder of that name cannot be removed
 * (something is mounted in it).  It is in /tmp if the root's path is too long for sockets in it (names up to
 * "efidisk0.sock"). The journal has it as JOURNAL_DIR before it exists.  Caller frees *ret.
 */
int run_dir_make(const struct paths *p, struct journal *j, char **ret, struct error **err);

#endif
