/*
 * A writable NBD export that many threads write to: a few connections, each with one request at a time.
 * Each call takes a free connection, so any thread may make it, except for open and free.
 */
#ifndef VZDUMP_RESTORE_NBD_POOL_H
#define VZDUMP_RESTORE_NBD_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

struct nbd_pool;

/*
 * Connects, several times if the server allows it.  cancel ends every wait for the server, also of the
 * calls below; borrowed, may be NULL.  ERR_PEER, ERR_TIMEOUT, ERR_CANCELED; ERR_INVALID if the export is
 * read-only.
 */
int nbd_pool_open(const char *uri, const struct cancel *cancel, struct nbd_pool **ret, struct error **err);
/* The size of the export, in bytes. */
uint64_t nbd_pool_size(const struct nbd_pool *p);
/* Writes data of any length.  -ENOSPC if the server reports that. */
int nbd_pool_write(struct nbd_pool *p, uint64_t offset, const void *data, size_t len, struct error **err);
/*
 * Makes a range read as zeroes.  ERR_UNSUPPORTED, with no text in err, if the server has no command for it.
 */
int nbd_pool_zero(struct nbd_pool *p, uint64_t offset, uint64_t len, struct error **err);
/* Returns once all earlier writes, over any connection, are on disk. */
int nbd_pool_flush(struct nbd_pool *p, struct error **err);
/* Closes all connections; flushes nothing.  NULL is fine. */
void nbd_pool_free(struct nbd_pool *p);

#endif
