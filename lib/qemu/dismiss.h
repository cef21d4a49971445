/* Exports and jobs of ours, which are gone only some time after QEMU was told to end them. */
#ifndef VZDUMP_QEMU_DISMISS_H
#define VZDUMP_QEMU_DISMISS_H

#include "base/error.h"
#include "qemu/qmp.h"

/* What is ended. */
struct dismissal {
	const char *noun;    /* "export", for messages */
	const char *command; /* ends one at once */
	const char *key;     /* the command's argument that names it */
	const char *mode;    /* the command's argument "mode"; NULL: it has none */
	const char *query;   /* lists all; each has an "id" */
};

/* The ids of ours, as QEMU lists them now.  *ret is freed with strv_free(), also after an error. */
int dismiss_list(struct qmp *q, const struct dismissal *d, char ***ret, struct error **err);
/*
 * Ends those with these ids and returns when they are gone; 0 also for one that is not there.  Waits for all
 * together.
 */
int dismiss_all(struct qmp *q, const struct dismissal *d, char *const *ids, struct error **err);

#endif
