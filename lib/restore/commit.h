/*
 * The end of a restore: from here on the guest is the new one.  One thread.
 *
 * Until the configuration is replaced everything can be undone.  From then on the configuration itself says
 * what is to go, also to whoever reads the journal after a crash: see the undoing of a restore's journal.
 */
#ifndef VZDUMP_RESTORE_COMMIT_H
#define VZDUMP_RESTORE_COMMIT_H

#include "restore/context.h"
#include "restore/plan.h"
#include "restore/replaced.h"
#include "restore/volumes.h"

/*
 * Puts firewall rules and configuration in place, in one step that replaces the old configuration, or the
 * empty one with our lock.  Then removes what the guest that was replaced leaves, and the journal; failures
 * of that are warned about.  After an error nothing is replaced.
 */
int commit_run(struct restore_context *c, const struct plan *p, const struct volumes *vs,
	       struct replaced *old, struct error **err);

/*
 * Keeps everything, whatever happens: removes the journal and the copy of the old firewall rules.  After an
 * error the journal stays, and everything can still be undone.
 */
int commit_keep(struct restore_context *c, const struct replaced *old, struct error **err);

#endif
