/*
 * The end of a restore: from here on the guest is the new one.  One thread.
 *
 * Until the configuration is replaced everything can be undone.  From then on the configuration itself shows
 * what must be removed, even if the journal is read after a crash: see undo.c.
 */
#ifndef VZDUMP_RESTORE_COMMIT_H
#define VZDUMP_RESTORE_COMMIT_H

#include "restore/context.h"
#include "restore/plan.h"
#include "restore/replaced.h"
#include "restore/volumes.h"

/*
 * Puts firewall rules and configuration in place, in one step that replaces the old configuration, or the
 * empty one with our lock.  Then removes what is left of the replaced guest, and the journal; failures
 * of that are only warned about.  After an error nothing is replaced.
 */
int commit_run(struct restore_context *c, const struct plan *p, const struct volumes *vs,
	       struct replaced *old, struct error **err);

/*
 * From now on everything is kept: removes the journal and the copy of the old firewall rules.  After an
 * error the journal stays, and everything can still be undone.
 */
int commit_keep(struct restore_context *c, const struct replaced *old, struct error **err);

#endif
