/*
 * What one disk wants next: which clusters to read, which questions to ask, which TRIMs to send.
 *
 * It knows no connection, no thread and no clock.  The owner passes in what came back (answers, reads that
 * failed, what is done) and the time, and takes out what to do:
 *
 *	queue_next_status, queue_next_dirty	questions; queue_..._piece() and queue_..._end() answer them
 *	queue_next_read				clusters to read; then queue_done() or queue_retry()
 *	queue_next_zero				clusters that are zero, for the writer
 *	queue_next_trims			then queue_trim_end()
 *
 * Order of the reads: clusters that failed in a larger request; clusters that the guest has rewritten since
 * the start (*drain first*, since they are what fills a fleecing image); then from the beginning.  What block
 * status reports as zero is not read.  Status is asked for ahead of the reads, slowly, so that there is an
 * early idea of how much there is to read.
 *
 * Each cluster is given out once: by queue_next_read(), again only after queue_retry(), or by
 * queue_next_zero().  The cover that it is given must outlive it; clusters that come through a sink are
 * marked done there by another thread.  All functions from the thread that runs the copy.
 */
#ifndef VZDUMP_COPY_QUEUE_H
#define VZDUMP_COPY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "copy/cover.h"
#include "copy/run.h"
#include "copy/trim.h"

/* What the source of this disk can be asked, and how far its answers can be trusted. */
enum {
	QUEUE_STATUS = 1 << 0, /* block status can be asked; without it all is read */
	QUEUE_DIRTY = 1 << 1,  /* the dirty bitmap can be asked */
	QUEUE_TRIM = 1 << 2,   /* TRIM clusters that are done */
	/*
	 * What the guest has rewritten is read cluster by cluster, and a cluster is zero only if the dirty
	 * bitmap, asked once all else is done and queue_check_suspects() was called, says that the guest
	 * has not touched it.  Other reads of several clusters the owner must prove (proof.h).  With
	 * QUEUE_DIRTY, and not for a disk that has a sink.
	 */
	QUEUE_DISTRUST = 1 << 3,
	/*
	 * Only candidates are read, and all else is claimed.  A short run of them is read without asking for
	 * its block status.
	 */
	QUEUE_CANDIDATES = 1 << 4,
};

struct queue {
	struct cover *cover;
	unsigned flags;
	struct trims trims;

	/* what waits */
	struct runs data;   /* block status says there is data */
	struct runs drain;  /* rewritten by the guest, not claimed when seen */
	struct runs retry;  /* single clusters to read once more */
	struct runs zeroes; /* claimed as zero, to be given out by queue_next_zero() */

	struct {
		uint32_t cursor;   /* known, or being asked, up to here */
		uint32_t window;   /* clusters to ask for next time */
		uint32_t first, n; /* the question */
		uint64_t at;       /* how far its answer has come, in bytes */
		struct runs data;  /* its answer: where there is data */
		uint64_t asked_ns;
		uint64_t next_ns; /* when to ask again although enough waits to be read */
		bool open;        /* the question was not answered yet */
	} status;

	struct {
		uint32_t at;       /* where the running poll goes on */
		uint64_t answered; /* how far the last answer came, in bytes */
		struct runs found; /* collected by the running poll */
		uint64_t begun_ns; /* 0: no poll is running */
		uint64_t next_ns;  /* when to poll again */
		bool open;         /* a question was not answered yet */
		bool failed;       /* a part of the running poll had no answer */
	} dirty;

	enum {
		ZEROES_TRUSTED,   /* taken as soon as block status says so */
		ZEROES_COLLECTED, /* they become suspects until all else is done */
		ZEROES_CHECKED,   /* the running poll of the dirty bitmap confirms them */
	} trust;

	/* see queue_trim_again() */
	bool trim_again;
	struct map trimmed_again;
};

/* trim_granularity: see trims_init(); it also rounds what is drained. */
void queue_init(struct queue *q, struct cover *c, unsigned flags, uint64_t trim_granularity);
/* One that is all zero is fine. */
void queue_clear(struct queue *q);

/* ---- reads ---- */

enum queue_class {
	QUEUE_DRAIN, /* rewritten by the guest, or to be retried */
	QUEUE_LINEAR,
};

struct queue_read {
	struct run run;
	bool is_retry; /* it failed before: a failure is final */
};

/* Whether there is something of this class to be read now. */
bool queue_has_read(struct queue *q, enum queue_class what);
/* The next clusters of this class to be read, at most max, claimed by the call; false: none now. */
bool queue_next_read(struct queue *q, enum queue_class what, uint32_t max, struct queue_read *ret);
/* These clusters were read and are done. */
void queue_done(struct queue *q, struct run run);
/* The cluster, which was given out, must be read once more, alone. */
void queue_retry(struct queue *q, uint32_t cluster);
/* These clusters, which are claimed, must be read (again), unless they are done. */
void queue_read_again(struct queue *q, struct run run);
/* Whether all that is to be read was given out: nothing more comes but what queue_read_again() brings. */
bool queue_all_given(const struct queue *q);

/* These clusters, which are claimed, are zero. */
void queue_add_zeroes(struct queue *q, struct run run);

/* Whether clusters that are zero wait for the writer. */
static inline bool queue_has_zeroes(const struct queue *q)
{
	return runs_waiting(&q->zeroes) > 0;
}

/*
 * The next clusters that are zero, at most max; marked done by the call.  False: none now.  Not to be left
 * waiting for long: no block status is asked meanwhile.
 */
bool queue_next_zero(struct queue *q, uint32_t max, struct run *ret);

/* ---- questions: each is open from queue_next_...() to queue_..._end(), one of a kind at a time ---- */

/* Ask for the block status of *ret now; false: not now. */
bool queue_next_status(struct queue *q, uint64_t now_ns, struct question *ret);
/* A piece of the answer (PIECE_DATA, PIECE_ZERO); in order, from the beginning of the question on. */
void queue_status_piece(struct queue *q, const struct piece *p);
/* The answer has ended; error: an errno if there is none, or 0. */
void queue_status_end(struct queue *q, int error, uint64_t now_ns);

/* queue-dirty.c: ask the dirty bitmap about *ret now; false: not now. */
bool queue_next_dirty(struct queue *q, uint64_t now_ns, struct question *ret);
/* A piece of the answer (PIECE_CLEAN, PIECE_DIRTY); as above. */
void queue_dirty_piece(struct queue *q, const struct piece *p);
void queue_dirty_end(struct queue *q, int error, uint64_t now_ns);

/* ---- suspected zeroes, see QUEUE_DISTRUST; queue-dirty.c ---- */

/* All that is left to be taken from the source are zeroes to be confirmed; reads may be in flight. */
bool queue_only_suspects_left(const struct queue *q);
/* Confirms them by the dirty bitmap, which is complete now.  No question may be open. */
void queue_check_suspects(struct queue *q);

/* ---- TRIMs ---- */

/*
 * What is done by now is TRIMmed before anything is read, and before block status is asked.  Nothing may
 * have been given out yet.
 */
void queue_trim_first(struct queue *q);
/* The next TRIMs to be sent now; returns how many. */
unsigned queue_next_trims(struct queue *q, struct run ret[TRIMS_AT_ONCE]);
void queue_trim_end(struct queue *q);
/*
 * While it is on, copies of the guest's first writes wait on their way to the image (source/limit.h): one
 * that comes there when its cluster was read and TRIMmed already would stay.  So what the dirty bitmap finds
 * rewritten, and is done, is TRIMmed once more; a write is in the bitmap when its copy has ended.  Without
 * effect if there is no bitmap, or nothing is TRIMmed.
 */
void queue_trim_again(struct queue *q, bool on);

/* Whether nothing that was given out, apart from reads, waits for its end. */
bool queue_idle(const struct queue *q);

/* Lines of text for debugging. */
void queue_describe(const struct queue *q, uint64_t now_ns, struct buf *b);

#endif
