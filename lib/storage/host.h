/* What every part of a backup or restore needs from its caller.  All borrowed. */
#ifndef VZDUMP_STORAGE_HOST_H
#define VZDUMP_STORAGE_HOST_H

#include "base/cancel.h"
#include "base/log.h"
#include "base/paths.h"
#include "storage/storage.h"

struct host {
	const struct paths *paths;
	const struct storage_config *storages;
	const struct log *log;
	const struct cancel *cancel;
};

#endif
