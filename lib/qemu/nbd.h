/*
 * libnbd's calls that wait, with a limit: its own wait for a server that hangs as long as it hangs, and
 * notice no signal.
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
 * (cancel may be NULL); the handle can only be closed then.
 */
int nbd_client_connect_unix(struct nbd_handle *h, const char *socket, int timeout_ms,
			    const struct cancel *cancel, struct error **err);
int nbd_client_connect_uri(struct nbd_handle *h, const char *uri, int timeout_ms, const struct cancel *cancel,
			   struct error **err);

/*
 * Waits for a command that was sent with nbd_aio_...(), whose result its cookie is (-1: it was not sent).
 * ERR_PEER with libnbd's words and nbd_get_errno() of it.  After ERR_CANCELED the command may still be
 * at work on its buffer until the handle is closed, and the handle can only be closed.
 */
int nbd_client_finish(struct nbd_handle *h, int64_t cookie, const struct cancel *cancel, struct error **err);

/* Says goodbye to the server, for a second at most, and closes.  NULL is fine. */
void nbd_client_close(struct nbd_handle *h);

#endif
