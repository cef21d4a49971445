/*
 * Where one disk is read from: an NBD export, by libnbd.  Requests go in, typed answers come out.
 *
 * Answers must be taken from the socket at once, whatever else waits: a QEMU whose answers nobody takes
 * cannot drain its devices, and a reset of the guest would hang; and that QEMU has ended would not be seen.
 * So the owner polls the descriptors without end and calls nbd_source_serve(), and the functions below that
 * take the answers never wait.  They are called from within nbd_source_serve() and nbd_source_free(), and
 * must not call functions of the source.
 *
 * There is a connection for reads, block status and TRIMs, and one for each bitmap: QEMU answers a question
 * for all that a connection asks about, so one for both would compute the block status with each look at the
 * dirty bitmap.  Where TRIMs of the export do not get to the fleecing image, one more sends them to it, each
 * when that of the export has ended.  A source belongs to one thread.
 */
#ifndef VZDUMP_COPY_NBD_SOURCE_H
#define VZDUMP_COPY_NBD_SOURCE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "copy/run.h"

/* What takes the answers.  Each ..._end comes once for every request, also if it could not be sent. */
struct nbd_source_ops {
	/* A piece of a block status answer (PIECE_DATA, PIECE_ZERO), in order. */
	void (*status_piece)(void *opaque, const struct piece *p);
	/* error: an errno, or 0 */
	void (*status_end)(void *opaque, int error);
	/* The same of the dirty bitmap (PIECE_CLEAN, PIECE_DIRTY). */
	void (*dirty_piece)(void *opaque, const struct piece *p);
	void (*dirty_end)(void *opaque, int error);
	/* The same, of nbd_source_ask_proof(). */
	void (*proof_piece)(void *opaque, const struct piece *p);
	void (*proof_end)(void *opaque, int error);
	/* And of the base bitmap. */
	void (*base_piece)(void *opaque, const struct piece *p);
	void (*base_end)(void *opaque, int error);
	void (*trim_end)(void *opaque);
};

struct nbd_source_address {
	const char *socket;      /* path of the server's unix socket */
	const char *export;      /* export name */
	const char *bitmap;      /* name of the exported dirty bitmap, NULL: none */
	const char *base_bitmap; /* the same of the base bitmap */
	const char *image; /* name of the fleecing image's export, which gets all TRIMs too; NULL: none */
};

/* One read; the caller keeps it until `end`, which may free it. */
struct nbd_read {
	/* error: an errno, or 0 */
	void (*end)(struct nbd_read *r, int error);
	int error; /* the source's */
};

struct nbd_source;

/*
 * Connects.  name is for messages, borrowed; size is what the export must have, in bytes.  ERR_PEER (also
 * when the export lacks what the address names, or has another size), ERR_TIMEOUT, ERR_CANCELED; cancel may
 * be NULL.
 */
int nbd_source_new(const char *name, uint64_t size, const struct nbd_source_address *a,
		   const struct cancel *cancel, const struct nbd_source_ops *ops, void *opaque,
		   struct nbd_source **ret, struct error **err);
/* Closes the connections: what is still open ends with ENOTCONN.  NULL is fine. */
void nbd_source_free(struct nbd_source *s);

bool nbd_source_can_status(const struct nbd_source *s);
bool nbd_source_can_dirty(const struct nbd_source *s);
bool nbd_source_can_trim(const struct nbd_source *s);

/*
 * Requests; offset and length in bytes, within the disk.  ERR_PEER when it cannot be sent, ERR_GONE when the
 * server has ended; the request's end is called then as well.
 */
int nbd_source_read(struct nbd_source *s, struct nbd_read *r, void *data, uint64_t offset, uint64_t length,
		    struct error **err);
/* One question of each kind at a time. */
int nbd_source_ask_status(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err);
int nbd_source_ask_dirty(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err);
/* About the dirty bitmap as well, for another reason. */
int nbd_source_ask_proof(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err);
int nbd_source_ask_base(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err);
int nbd_source_trim(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err);

/* Descriptors to poll, and what for. */
#define NBD_SOURCE_FDS 4
void nbd_source_watch(struct nbd_source *s, struct pollfd fds[NBD_SOURCE_FDS]);
/* After the poll: sends, and takes all answers that are there.  ERR_GONE when the server has ended. */
int nbd_source_serve(struct nbd_source *s, const struct pollfd fds[NBD_SOURCE_FDS], struct error **err);

#endif
