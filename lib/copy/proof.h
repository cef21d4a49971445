/*
 * Reads of several clusters from a QEMU that may answer them wrong: source_endpoint.distrust_ranges.
 *
 * Such a QEMU may read from the disk a cluster that it has copied to the filter's target, after the guest has
 * overwritten it.  The dirty bitmap of the target has a cluster before QEMU counts it as copied.  So a read
 * is right if the bitmap, asked when the data is here, says that none of its clusters was copied; while QEMU
 * reads a cluster that was not, the guest's writes to it wait.  All others are read again, cluster by
 * cluster.
 *
 *	proofs_add()		the data of a read is here
 *	proofs_next_question()	for the bitmap, about many reads at once
 *	proofs_piece(), proofs_end()	its answer
 *	proofs_take()		the reads that were judged
 *
 * Pure, as the queue is.  All functions from the thread that runs the copy.
 */
#ifndef VZDUMP_COPY_PROOF_H
#define VZDUMP_COPY_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "copy/cover.h"
#include "copy/run.h"

/* The caller keeps it until it is taken. */
struct proof_read {
	struct run run;
	enum {
		PROOF_WAITS,
		PROOF_ASKED,
		PROOF_DIRTY, /* asked, and a part of the answer says that it may be wrong */
		PROOF_RIGHT,
		PROOF_WRONG, /* or nobody knows */
	} state;
	struct proof_read *next;
};

struct proofs {
	struct proof_read *first, *last; /* in the order in which they came */
	uint64_t answered;               /* how far the answer has come, in bytes */
	bool open;                       /* a question was not answered yet */
};

/* All zero is an empty one. */
void proofs_add(struct proofs *p, struct proof_read *r, struct run run);
/* Ask the bitmap about *ret now; false: not now. */
bool proofs_next_question(struct proofs *p, const struct cover *c, struct question *ret);
/* A piece of the answer (PIECE_CLEAN, PIECE_DIRTY); in order, from the beginning of the question on. */
void proofs_piece(struct proofs *p, const struct piece *piece);
/* The answer has ended; error: an errno if there is none, or 0. */
void proofs_end(struct proofs *p, int error);
/* The next read that was judged, PROOF_RIGHT or PROOF_WRONG; NULL: none. */
struct proof_read *proofs_take(struct proofs *p);
/* Any read that is left, when nothing will be asked any more; NULL: none. */
struct proof_read *proofs_drop(struct proofs *p);

#endif
