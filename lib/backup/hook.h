/*
 * The hook script of --script as an observer: it is called at PVE's phases with PVE's arguments and
 * environment, "<script> <phase> [<mode> <vmid>]", and can fail them.
 *
 * It runs in a process group of its own, all of which is ended by a signal to vzdump (ERR_CANCELED; in a
 * phase that always comes only by a further signal) and by the time limit of hook-timeout (ERR_TIMEOUT; ours,
 * without it there is none, as in PVE).  What it prints goes to the phase's log.
 */
#ifndef VZDUMP_BACKUP_HOOK_H
#define VZDUMP_BACKUP_HOOK_H

#include "backup/observer.h"
#include "base/cancel.h"
#include "config/settings.h"

/* Borrowed. */
struct hook {
	const struct settings *settings; /* loaded; nothing is run without settings->hook.script */
	const struct cancel *cancel;
};

/* h must live as long as the observer is used. */
struct observer hook_observer(struct hook *h);

#endif
