/*
 * Calls of libnbd that wait, and end at a request to stop.  libnbd's own calls notice no signal and have no
 * time limit, so a server that hangs would block them.  Here connecting and disconnecting have a limit, in
 * milliseconds; a command may take as long as its storage needs.
 */
#ifndef VZDUMP_QEMU_NBD_H
#define VZDUMP_QEMU_NBD_H

#include <libnbd.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

/* How long a server may take for the handshake. */
#define NBD_CONNECT_MS 30000

/*
 * As nbd_connect_unix() and nbd_connect_uri().  ERR_PEER with libnbd's words, ERR_TIMEOUT, ERR_CANCELED
 * (cancel may be NULL); after an error the handle can only be closed.
 */
int nbd_client_connect_unix(struct nbd_handle *h, const char *socket, int timeout_ms,
			    const struct cancel *cancel, struct error **err);
int nbd_client_connect_uri(struct nbd_handle *h, const char *uri, int timeout_ms, const struct cancel *cancel,
			   struct error **err);

/*
 * Waits for a command that was sent with nbd_aio_...(), which has returned the cookie (-1: it was not sent).
 * ERR_PEER with libnbd's words; nbd_get_errno() is then that of the command.  After ERR_CANCELED the handle
 * can only be closed, and until then the command may still use its buffer.
 */
int nbd_client_finish(struct nbd_handle *h, int64_t cookie, const struct cancel *cancel, struct error **err);

/* Disconnects, which may take a second at most, and closes the handle.  h may be NULL. */
void nbd_client_close(struct nbd_handle *h);

#endif
