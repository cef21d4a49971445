/* The path of an archive that the user names. */
#ifndef VZDUMP_PLACE_BACKUP_PATH_H
#define VZDUMP_PLACE_BACKUP_PATH_H

#include "base/error.h"
#include "base/log.h"
#include "storage/storage.h"

/*
 * name is "<storage>:backup/<file>", whose storage is activated (mounted), or a path (or "-"), which is copied.
 * Does not check that the archive exists.  ERR_INVALID if it is another kind of volume; errors of
 * volume_open() and storage_activate().  Caller frees *ret.  Facts:
 * PVE::API2::Qemu::classify_restore_archive.
 */
int backup_path(const struct storage_config *c, const char *name, const struct log *log, char **ret,
		struct error **err);

#endif
