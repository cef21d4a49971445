/* The restored guest's configuration. */
#ifndef VZDUMP_RESTORE_CONFIG_H
#define VZDUMP_RESTORE_CONFIG_H

#include "restore/plan.h"
#include "restore/replaced.h"
#include "restore/volumes.h"

/*
 * Makes the configuration of a whole guest: plan_config() of the archive's, and lines for the volumes that
 * stay of the guest that is replaced, which is sorted by this (replaced_sort()).  ret is appended to.
 */
int config_make(struct replaced *old, const struct plan *p, struct buf *ret, struct error **err);

/*
 * Replaces the guest's configuration by text, without our lock.  -EBUSY if our lock is not in it any more:
 * somebody else works on the guest.  not_synced: see guest_config_replace().
 */
int config_put(const struct restore_context *c, const char *text, struct error **not_synced,
	       struct error **err);

/*
 * Puts the disks' lines into the guest's configuration as it is now, and takes our lock out; what was in a
 * disk's place is kept as unusedN.  Errors as of config_put().
 */
int config_put_disks(const struct replaced *old, const struct plan *p, const struct volumes *vs,
		     struct error **not_synced, struct error **err);

#endif
