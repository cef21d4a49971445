/*
 * The hook script of --script as an observer: it is called at PVE's phases with PVE's arguments and
 * environment, "<script> <phase> [<mode> <vmid>]", and can fail them.
 *
 * It runs in its own process group.  The whole group is ended by a signal to vzdump (ERR_CANCELED; in a phase
 * with PHASE_ALWAYS only by a further signal) or after hook-timeout (ERR_TIMEOUT; this option is ours, and
 * without it there is no limit, as in PVE).  Its output goes to the phase's log.
 */
#ifndef VZDUMP_BACKUP_HOOK_H
#define VZDUMP_BACKUP_HOOK_H

#include "backup/observer.h"
#include "base/cancel.h"
#include "config/settings.h"

/* Borrowed. */
struct hook {
	const struct settings *settings; /* loaded; if settings->hook.script is NULL, nothing is run */
	const struct cancel *cancel;
};

/* Whether the script (NULL: none) can be called; ERR_NOT_FOUND, ERR_INVALID. */
int hook_check(const char *script, struct error **err);

/* h must outlive the observer. */
struct observer hook_observer(struct hook *h);

#endif
