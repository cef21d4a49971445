/*
 * The new volumes of a restore: one for each disk that is restored, on the storage chosen for it.
 *
 *	volumes_init(&v, &context, &plan)
 *	volumes_make(&v, &old, err)
 *	... they are filled, see targets.h and live.h ...
 *	volumes_check_there(&v, err), volumes_deactivate(&v)
 *	volumes_clear(&v)
 *
 * Each is in the journal before it exists; nothing here removes one.  One thread.
 */
#ifndef VZDUMP_RESTORE_VOLUMES_H
#define VZDUMP_RESTORE_VOLUMES_H

#include "guest/guest.h"
#include "restore/context.h"
#include "restore/plan.h"
#include "storage/storage.h"

struct new_volume {
	struct plan_disk *disk; /* in the plan; its volid is set by volumes_make() */
	struct volume volume;   /* empty before that, and for a cloud-init image that was there already */
	bool live;              /* it is filled while the guest runs, see live.h */
};

struct volumes {
	const struct restore_context *context;
	const struct guest_config *old; /* see volumes_make() */
	struct new_volume *v;           /* in the order in which the disks were chosen */
	size_t n;
};

/* One for each disk that plan_choose() chose.  Context and plan are borrowed. */
void volumes_init(struct volumes *vs, const struct restore_context *c, const struct plan *p);

/*
 * Finds names, allocates and activates.  A cloud-init image of that name that is there already is used as it
 * is, since its content is generated when the guest starts.  Other volumes get no name that the guest of that
 * id, whose configuration is old (borrowed; NULL: there is none), has for a volume, not even for a lost one.
 */
int volumes_make(struct volumes *vs, const struct guest_config *old, struct error **err);

/*
 * The rate for the whole restore in bytes per second, 0: no limit.  If the caller leaves it to the
 * storages, it is the smallest limit of those that have one.
 */
uint64_t volumes_bwlimit(const struct volumes *vs);

/* ERR_NOT_FOUND if one is gone for certain: a cleanup that took this process for dead may have removed it. */
int volumes_check_there(const struct volumes *vs, struct error **err);

/* Like PVE, leaves no volume active on a host where its guest does not run.  Failures are warnings. */
void volumes_deactivate(const struct volumes *vs);

/* Forgets them; the volumes stay. */
void volumes_clear(struct volumes *vs);

#endif
