/* Shared by all parts of a restore: the host, the caller's parameters, the journal, a private folder. */
#ifndef VZDUMP_RESTORE_CONTEXT_H
#define VZDUMP_RESTORE_CONTEXT_H

#include "guest/guest-ops.h"
#include "journal/journal.h"
#include "restore/restore.h"
#include "storage/host.h"

struct restore_context {
	const struct host *host;             /* borrowed */
	const struct restore_params *params; /* borrowed */
	struct guest guest;                  /* the one that is restored */
	struct journal *journal;             /* NULL until it is opened, and after commit_keep() */
	char *dir;                           /* private folder for sockets; NULL until it is made */
};

/* Makes the private folder unless there is one, and adds it to the journal before. */
int restore_context_dir(struct restore_context *c, struct error **err);

#endif
