/* The restored guest's configuration. */
#ifndef VZDUMP_RESTORE_CONFIG_H
#define VZDUMP_RESTORE_CONFIG_H

#include "restore/plan.h"
#include "restore/replaced.h"
#include "restore/volumes.h"

/*
 * Appends the configuration of a whole guest to ret: plan_config() of the archive's, and lines for those
 * volumes of the replaced guest that stay.  Calls replaced_sort() to find out which.
 */
int config_make(struct replaced *old, const struct plan *p, struct buf *ret, struct error **err);

/*
 * Replaces the guest's configuration with text, without our lock.  -EBUSY if our lock is no longer in it:
 * another program works on the guest.  not_synced: see guest_config_replace().
 */
int config_put(const struct restore_context *c, const char *text, struct error **not_synced,
	       struct error **err);

/* The line by which a live restore has the guest started without running. */
#define CONFIG_FREEZE "freeze: 1"

/*
 * At the end of a live restore: replaces start, the configuration that the guest was started with, by text.
 * If somebody has changed it since, that is kept, without CONFIG_FREEZE and our lock.
 */
int config_put_last(const struct restore_context *c, const char *start, const char *text,
		    struct error **not_synced, struct error **err);

/*
 * Puts the disks' lines into the guest's configuration as it is now, and removes our lock.  A volume that was
 * in a disk's place is kept as unusedN.  Errors as of config_put().
 */
int config_put_disks(const struct replaced *old, const struct plan *p, const struct volumes *vs,
		     struct error **not_synced, struct error **err);

#endif
