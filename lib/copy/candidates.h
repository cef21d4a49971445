/*
 * Which clusters of one disk may have changed since the base of an incremental backup: asks the base bitmap
 * about the whole disk, once.  Pure like the queue: candidates_next() is a question, the next two functions
 * take its answer.
 *
 * The bitmap is believed only if the cluster that was the last one of the base's disk is dirty in it.  That
 * one was marked when the bitmap was added, and is lost when the disk is made smaller and larger again,
 * with the bits of what was cut off.
 *
 * Belongs to one thread.  Memory: a bit for each cluster until candidates_clear().
 */
#ifndef VZDUMP_COPY_CANDIDATES_H
#define VZDUMP_COPY_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/run.h"
#include "vma/map.h"

struct candidates {
	uint64_t size; /* bytes of the disk */
	bool known;    /* the bitmap has answered, or there is none */
	char *why;     /* all clusters are candidates, because; NULL: `map` is to be believed */
	struct map map;
	uint32_t marked; /* this cluster must be dirty */

	bool open;         /* a question is */
	uint32_t at;       /* asked up to here */
	uint64_t answered; /* bytes */
};

/*
 * size, was: bytes of the disk now and in the base. why: there is no bitmap, because: a few words, copied;
 * NULL: there is one.  False when memory is out; there is nothing to clear then.
 */
bool candidates_init(struct candidates *c, uint64_t size, uint64_t was, const char *why);
/* One that is all zero is fine. */
void candidates_clear(struct candidates *c);

/* Ask the bitmap about *ret now; false: not now.  It is open until candidates_end(). */
bool candidates_next(struct candidates *c, struct question *ret);
/* A piece of the answer (PIECE_CLEAN, PIECE_DIRTY), in order. */
void candidates_piece(struct candidates *c, const struct piece *p);
/* The answer has ended; error: an errno if there is none, or 0. */
void candidates_end(struct candidates *c, int error);

#endif
