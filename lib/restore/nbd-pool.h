/*
 * A writable NBD export that many threads write to: a few connections, each with one request at a time.
 * The calls take a free connection, so that they may be made from any thread; open and free excepted.
 */
#ifndef VZDUMP_RESTORE_NBD_POOL_H
#define VZDUMP_RESTORE_NBD_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

struct nbd_pool;

/*
 * Connects, several times where the server allows it.  cancel ends every wait for the server, also of the
 * calls below; borrowed, may be NULL.  ERR_PEER, ERR_TIMEOUT, ERR_CANCELED; ERR_INVALID if the export is
 * read-only.
 */
int nbd_pool_open(const char *uri, const struct cancel *cancel, struct nbd_pool **ret, struct error **err);
/* Of the export, in bytes. */
uint64_t nbd_pool_size(const struct nbd_pool *p);
/* Writes of any length.  -ENOSPC if the server says so. */
int nbd_pool_write(struct nbd_pool *p, uint64_t offset, const void *data, size_t len, struct error **err);
/*
 * Makes a range read as zeroes.  ERR_UNSUPPORTED, with no text in err, where the server has no command for
 * it.
 */
int nbd_pool_zero(struct nbd_pool *p, uint64_t offset, uint64_t len, struct error **err);
/* All that was written before, over any connection, is on disk. */
int nbd_pool_flush(struct nbd_pool *p, struct error **err);
/* Closes all connections; flushes nothing.  NULL is fine. */
void nbd_pool_free(struct nbd_pool *p);

#endif
