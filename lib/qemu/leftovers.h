/*
 * Taking out of a QEMU all that a backup has put into it.  Works from what QEMU says alone, so that it serves
 * after a crash as well as at the normal end.
 */
#ifndef VZDUMP_QEMU_LEFTOVERS_H
#define VZDUMP_QEMU_LEFTOVERS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"
#include "qemu/qmp.h"

/* *ret: anything with our prefix is in the QEMU (nodes, exports, bitmaps). */
int graph_has_leftovers(struct qmp *q, bool *ret, struct error **err);

/* What cannot be recognised by its name. */
enum {
	GRAPH_OURS_SERVER = 1 << 0, /* the journal says that we started the NBD server */
	GRAPH_OURS_PAUSED = 1 << 1, /* the journal says that we paused the guest */
};

/*
 * Undoes all that carries our prefix, in the right order, and what `ours` names; an NBD server that has
 * exports of ours alone is stopped in any case.  Goes on after errors and returns the first; the others
 * are logged as warnings.  A filter that somebody else uses is ERR_PEER: one line that names who it is and
 * what to do.
 */
int graph_cleanup(struct qmp *q, unsigned ours, const struct log *log, struct error **err);

#endif
