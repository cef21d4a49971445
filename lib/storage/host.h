/* What every part of a backup or restore needs from its caller.  All borrowed. */
#ifndef VZDUMP_STORAGE_HOST_H
#define VZDUMP_STORAGE_HOST_H

#include "base/cancel.h"
#include "base/log.h"
#include "base/paths.h"
#include "storage/storage.h"

struct guest_ops;
struct journal_kind;
struct settings_commands;

struct host {
	const struct paths *paths;
	const struct storage_config *storages;
	const struct log *log;
	const struct cancel *cancel;
	const struct guest_ops *guest_ops;        /* how its guests are reached, see guest/guest-ops.h */
	const struct settings_commands *commands; /* how its guests are started */
	const struct journal_kind *const *kinds;  /* all that a journal may hold, see journal/journal.h */
};

#endif
