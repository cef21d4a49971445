/*
 * /etc/pve/vzdump-storage.cfg: what this program alone knows about storages.  It is no part of storage.cfg,
 * since Proxmox VE drops keys that it does not know when it writes that file.
 *
 *	storage: backup
 *		incremental enabled=1,max-generations=10
 */
#ifndef VZDUMP_STORAGE_OWN_CONFIG_H
#define VZDUMP_STORAGE_OWN_CONFIG_H

#include "storage/storage.h"

/*
 * What the file says about incremental backups to the storage `id`: a property string that is valid; NULL:
 * nothing.  Never fails: what cannot be used, in any section, is left out with a warning that has file and
 * line, and so is the whole file if it cannot be read.  Caller frees.
 */
char *storage_incremental(const struct paths *p, const struct storage_config *c, const char *id,
			  const struct log *log);

#endif
