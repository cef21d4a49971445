/*
 * The pieces in which an archive goes from the source through the workers, and the lock they share.
 *
 *	source (the caller's thread):  chunk_get() ─▶ fills it ─▶ chunk_submit(), numbered
 *	worker:  chunk_take() ─▶ unpacks ─▶ chunk_unpacked()
 *	         chunk_take() ─▶ parses ─▶ chunk_next_turn() ─▶ hands the data out ─▶ chunk_put()
 *
 * Parsing is done in the order of the numbers, everything else in parallel.  A worker whose chunk is ready
 * before its turn goes on with the next one: a thread that the kernel has put aside for a while holds up the
 * others only once all chunks are ready.
 */
#ifndef VZDUMP_VMA_READER_CHUNK_H
#define VZDUMP_VMA_READER_CHUNK_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"
#include "stream/frame.h"
#include "vma/format.h"

#define CHUNK_DATA ((size_t)4 << 20)
#define CHUNK_HEAD ((size_t)VMA_EXTENT_MAX_SIZE + VMA_EXTENT_HEADER_SIZE)

struct chunk {
	struct chunk *next; /* free, waiting for a worker, or ready */
	uint64_t number;
	bool is_packed;
	bool is_lost; /* something before it is missing, or all of it */
	bool is_last;
	bool is_filler;   /* zeroes that stand for bytes of a plain archive that cannot be read */
	char *damage;     /* what is damaged, or NULL */
	char *unreadable; /* what the medium cannot read, or NULL */
	uint64_t frame;   /* number in the file */
	uint64_t offset;  /* of the frame in the file */
	uint8_t *packed;
	size_t packed_len;
	uint8_t *room; /* CHUNK_HEAD + CHUNK_DATA */
	uint8_t *data; /* in room, from CHUNK_HEAD on */
	size_t len;
};

/* Unpacks the frame in c->packed to c->data; after a failure it has no data. */
int chunk_unpack(struct frame_decoder *d, struct chunk *c, struct error **err);

struct chunk_pool {
	struct chunk *all;
	unsigned n;
	size_t packed_size;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t cond;
	struct chunk *free_chunks;
	struct chunk *todo, **todo_end;
	struct chunk *ready; /* unpacked, in any order */
	uint64_t turn;       /* the number of the chunk that may be parsed */
	bool finishing, failed;
	struct error *failure;
};

/* n chunks for frames of packed_size bytes.  After a failure, too, chunk_pool_clear() is needed. */
int chunk_pool_init(struct chunk_pool *p, unsigned n, size_t packed_size, struct error **err);
void chunk_pool_clear(struct chunk_pool *p);

/* Waits for a free chunk, to be filled; NULL: the pool has failed. */
struct chunk *chunk_get(struct chunk_pool *p);
void chunk_put(struct chunk_pool *p, struct chunk *c);
void chunk_submit(struct chunk_pool *p, struct chunk *c);
enum chunk_step {
	CHUNK_UNPACK,
	CHUNK_PARSE
};

/*
 * Waits for a chunk with which something can be done: the one whose turn it is, before one that is to be
 * unpacked.  NULL: nothing is left, or the pool has failed.
 */
struct chunk *chunk_take(struct chunk_pool *p, enum chunk_step *ret_step);
/* The chunk waits for its turn. */
void chunk_unpacked(struct chunk_pool *p, struct chunk *c);
/* The chunk whose turn it was has been parsed. */
void chunk_next_turn(struct chunk_pool *p);
/* Takes *err; the first failure is kept.  All waits end. */
void chunk_pool_fail(struct chunk_pool *p, struct error **err);
/* After the last chunk was submitted: chunk_take() no longer waits for more. */
void chunk_pool_finish(struct chunk_pool *p);

#endif
