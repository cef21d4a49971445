/*
 * Resource pools, the lines
 *
 *	pool:<name>:<comment>:<guest>,<guest>,...:<storage>,...:
 *
 * of <root>/etc/pve/user.cfg.  A guest is in one pool at most.  Facts: parse_user_config and
 * add_vm_to_pool of PVE::AccessControl, cfs_lock of PVE::Cluster.
 */
#ifndef VZDUMP_GUEST_POOL_H
#define VZDUMP_GUEST_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/paths.h"

/*
 * The guests of a pool, in the order of the file.  ERR_NOT_FOUND if there is no such pool.  Caller frees
 * *ret.
 */
int pool_guests(const struct paths *p, const char *name, uint32_t **ret, size_t *ret_n, struct error **err);
/*
 * Puts a guest into a pool, and takes it out of any other.  Everything else in the file stays as it is.
 * Takes the lock that PVE takes, the folder <root>/etc/pve/priv/lock/file-user_cfg, and waits up to 10 s for
 * it.  not_synced as in io_write_file_atomic().
 */
int pool_add_guest(const struct paths *p, const char *name, uint32_t vmid, struct error **not_synced,
		   struct error **err);

#endif
