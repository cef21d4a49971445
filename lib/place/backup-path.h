/* Where an archive is that a user names. */
#ifndef VZDUMP_PLACE_BACKUP_PATH_H
#define VZDUMP_PLACE_BACKUP_PATH_H

#include "base/error.h"
#include "base/log.h"
#include "storage/storage.h"

/*
 * The path of "<storage>:backup/<file>", whose storage is made usable (mounted), or the path that name is
 * ("-", too).  Does not look whether it exists.  Caller frees *ret.  Facts:
 * PVE::API2::Qemu::classify_restore_archive.
 */
int backup_path(const struct storage_config *c, const char *name, const struct log *log, char **ret,
		struct error **err);

#endif
