/*
 * QEMU's NBD server, of which a QEMU has only one, and our exports in it.
 *
 * A reader of an export must take QEMU's answers from the socket at once, whatever he does with them:
 * answers that do not fit into the socket's buffer (208 KiB) let no drain of QEMU finish, and a guest's
 * reset, `stop` and `cont` all drain.  Bound what is asked for, never what is read.
 *
 * Delete an export before its clients close their connections: QEMU 7.2.22 aborts when a client leaves an
 * export in an iothread.
 */
#ifndef VZDUMP_QEMU_SERVER_H
#define VZDUMP_QEMU_SERVER_H

#include "base/error.h"
#include "qemu/names.h"
#include "qemu/qmp.h"

/* ERR_INVALID if a server runs: it is somebody else's. */
int graph_server_start(struct qmp *q, const char *socket_path, struct error **err);
/* Leaves it alone if somebody else has an export in it.  Fine if it does not run. */
int graph_server_stop(struct qmp *q, struct error **err);

/* Writable, which is what allows TRIM; metadata context qemu:dirty-bitmap:<names.bitmap>. */
int graph_add_export(struct qmp *q, const struct graph_names *n, struct error **err);
/*
 * Disconnects clients; returns when the export is gone.  Fine if it is not there.  Never in a pause: `stop`
 * drains, and a client that was killed or does not read its answers lets nothing drain.
 */
int graph_del_export(struct qmp *q, const struct graph_names *n, struct error **err);

/* ERR_INVALID if somebody has a block job, or an NBD export, in this QEMU: one line that names it. */
int graph_check_strangers(struct qmp *q, struct error **err);

#endif
