/*
 * QEMU's NBD server, of which a QEMU has only one, and our exports in it.
 *
 * A reader of an export must read QEMU's answers from the socket at once.  While answers do not fit into the
 * socket's buffer (208 KiB), QEMU cannot finish a drain, and a guest's reset, `stop` and `cont` all drain.
 * So limit the requests in flight, never the reading.
 *
 * Delete an export before its clients close their connections: QEMU 7.2.22 aborts when a client leaves an
 * export in an iothread.
 */
#ifndef VZDUMP_QEMU_SERVER_H
#define VZDUMP_QEMU_SERVER_H

#include "base/error.h"
#include "qemu/names.h"
#include "qemu/qmp.h"

/* ERR_INVALID if a server runs already, as it belongs to another program. */
int graph_server_start(struct qmp *q, const char *socket_path, struct error **err);
/* Does nothing if the server has an export that is not ours.  0 also if it does not run. */
int graph_server_stop(struct qmp *q, struct error **err);

/*
 * Writable, because clients send TRIM; has the metadata context qemu:dirty-bitmap:<names.bitmap>, and one
 * more of the base bitmap of T's node `node` that has the name `base` (NULL: none).
 */
int graph_add_export(struct qmp *q, const struct graph_names *n, const char *node, const char *base,
		     struct error **err);
/* Exports the image that is below a throttle node (throttle.h), for TRIMs, as n->trim. */
int graph_add_image_export(struct qmp *q, const struct graph_names *n, struct error **err);
/* The ids of our exports.  *ret is freed with strv_free(), also after an error. */
int graph_list_exports(struct qmp *q, char ***ret, struct error **err);
/*
 * Disconnects the clients of these exports and returns when they are gone; 0 also for one that is not there.
 * Do not call it in a pause: `stop` drains, and no drain ends while a client that was killed or hangs does
 * not read its answers.
 */
int graph_del_exports(struct qmp *q, char *const *ids, struct error **err);

/* ERR_INVALID if another program has a block job or an NBD export in this QEMU; the message names it. */
int graph_check_strangers(struct qmp *q, struct error **err);

#endif
