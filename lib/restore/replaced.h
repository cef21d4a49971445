/*
 * The guest that a restore replaces, or restores single disks into: whether that is allowed, and what happens
 * to its volumes and firewall rules.
 *
 *	replaced_find(&old, &context, err)	// is there one, and may it be replaced?
 *	replaced_sort(&old, &plan, &config)	// which of its volumes go, which stay
 *	firewall_write(&old, &plan, err)
 *	... the new configuration is put in place ...
 *	replaced_remove_volumes(&old)
 *	replaced_clear(&old)
 *
 * One thread.  Facts: restore_cleanup_oldconf and rescan of PVE::QemuServer.
 */
#ifndef VZDUMP_RESTORE_REPLACED_H
#define VZDUMP_RESTORE_REPLACED_H

#include "guest/guest.h"
#include "restore/context.h"
#include "restore/plan.h"

struct replaced {
	const struct restore_context *context;
	bool exists;                /* there is a guest of that id */
	struct guest_config config; /* as it was found; only if it exists */
	/* set by replaced_sort(); NULL: none */
	char **doomed;    /* volumes that go */
	char **kept;      /* volumes that stay, as unusedN */
	char **snapshots; /* the guest's; they go from the volumes that stay */
	/* set by firewall_write(): path of a copy of the rules, "": there were none; NULL: not touched */
	char *firewall_copy;
};

/* ---- replaced.c ---- */

/*
 * Looks for the guest and sets old->exists.  Errors: -EEXIST if another guest (a container, or one of
 * another node) has the id, or if it may not be replaced without --force; -EPERM if it is protected; -EBUSY
 * if it is in use; ERR_NOT_FOUND if single disks are restored and there is no guest.
 */
int replaced_find(struct replaced *old, const struct restore_context *c, struct error **err);
void replaced_clear(struct replaced *old);
/*
 * -EBUSY if the guest runs, or if a program has one of its own disks open for writing: then it runs even if
 * nothing answers at its socket.  May be called again at any time.
 */
int replaced_check_stopped(const struct replaced *old, struct error **err);

/*
 * -EBUSY if the guest's configuration is not the one that was found, apart from our lock.  To be called once
 * the guest is locked: what is decided from the old configuration would not suit the new one.
 */
int replaced_check_unchanged(const struct replaced *old, struct error **err);

/* ---- replaced-volumes.c ---- */

/* -EBUSY if a program has a disk of the guest's own open for writing.  Disks that are gone are skipped. */
int replaced_check_volumes_unused(const struct replaced *old, struct error **err);
/* False for volumes that are not the guest's own (others' disks, paths).  True if that is unknown. */
bool replaced_may_own(const struct replaced *old, const char *volid);
/*
 * Fills old->doomed, kept and snapshots.  A volume goes if the archive has a disk in its place; the others
 * stay, and lines "unusedN: ..." for them are added to config, which is the new guest's.
 */
void replaced_sort(struct replaced *old, const struct plan *p, struct buf *config);
/*
 * When the new configuration is in place: removes the doomed volumes, and the old snapshots of those that
 * stay.  A volume that the configuration names nevertheless stays; one that cannot be removed is added to it
 * as unusedN.  Failures are only warned about.
 */
void replaced_remove_volumes(const struct replaced *old);

/* ---- firewall.c: firewall rules, if the archive has some and a whole guest is restored ---- */

/* Checks that the existing rules can be saved, before hours of copying. */
int firewall_check(const struct replaced *old, const struct plan *p, struct error **err);
/* Saves the old rules and puts the archive's in place, in the journal. */
int firewall_write(struct replaced *old, const struct plan *p, struct error **err);

/* ---- template.c ---- */

/*
 * Whether a template may be replaced: -EBUSY if there are linked clones of its volumes, -EPERM for single
 * disks.
 */
int template_check(const struct replaced *old, struct error **err);

#endif
