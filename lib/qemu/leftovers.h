/*
 * Removes everything that a backup has added to a QEMU.  It finds these things by asking QEMU alone, so it
 * works after a crash as well as at the normal end.
 */
#ifndef VZDUMP_QEMU_LEFTOVERS_H
#define VZDUMP_QEMU_LEFTOVERS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"
#include "qemu/qmp.h"

/* *ret: whether the QEMU has any node, export, bitmap or group with our prefix. */
int graph_has_leftovers(struct qmp *q, bool *ret, struct error **err);

/* Things that have no name by which they could be recognised. */
enum {
	GRAPH_OURS_SERVER = 1 << 0, /* the journal says that we started the NBD server */
	GRAPH_OURS_PAUSED = 1 << 1, /* the journal says that we paused the guest */
};

/*
 * Removes everything with our prefix, in the right order, and undoes what `ours` lists; an NBD server that
 * has only exports of ours is stopped in any case, and what libvirt could not delete is deleted (detached.h).
 * Goes on after errors and returns the first; the others are logged as warnings.  ERR_PEER if a filter has
 * another user: one line that names it and says what to do.
 */
int graph_cleanup(struct qmp *q, unsigned ours, const struct log *log, struct error **err);

#endif
