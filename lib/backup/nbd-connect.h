/* Connecting to an NBD server that may not answer: a QEMU that stands still, a storage daemon that waits for a disk. */
#ifndef VZDUMP_BACKUP_NBD_CONNECT_H
#define VZDUMP_BACKUP_NBD_CONNECT_H

#include <libnbd.h>

#include "base/cancel.h"
#include "base/error.h"

#define NBD_CONNECT_TIMEOUT_MS 60000

/*
 * Connects h, whose options are set, to the unix socket, and waits for the end of the handshake; up to timeout_ms
 * or until a stop is requested.  cancel may be NULL.  ERR_PEER with libnbd's words, ERR_TIMEOUT, ERR_CANCELED.
 */
int nbd_connect_within(struct nbd_handle *h, const char *socket, int timeout_ms, const struct cancel *cancel,
		       struct error **err);

#endif
