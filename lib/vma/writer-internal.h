/*
 * The inside of the writer.
 *
 *	caller:  extent or batch of zero runs ─▶ todo
 *	workers: todo ─▶ extents in archive form ─▶ a packed frame, numbered when taken from todo
 *	output:  frames in the order of their numbers ─▶ descriptor; index; seek table
 *
 * A frame is taken together with the job under one lock, so that the oldest job always has one and
 * the order never starves.  All that moves lies in fixed pools; nothing is allocated per extent.
 */
#ifndef VZDUMP_VMA_WRITER_INTERNAL_H
#define VZDUMP_VMA_WRITER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "stream/frame.h"
#include "stream/output.h"
#include "stream/seektable.h"
#include "vma/index.h"
#include "vma/writer.h"

#define ZERO_FRAME_EXTENTS  2048u /* extents without blocks that make one frame: 1 MiB */
#define ZERO_FRAME_SIZE     (ZERO_FRAME_EXTENTS * VMA_EXTENT_HEADER_SIZE)
#define ZERO_FRAME_CLUSTERS (ZERO_FRAME_EXTENTS * VMA_CLUSTERS_PER_EXTENT)
#define ZERO_FRAME_RUNS     4096u
#define EXTENT_ALIGN        4096u

struct zero_run {
	uint8_t dev;
	uint32_t first;
	uint32_t n;
};

/* Clusters known to be zero, enough for one frame. */
struct zero_batch {
	struct zero_batch *next;
	unsigned n_runs;
	unsigned clusters;
	struct zero_run runs[ZERO_FRAME_RUNS];
};

/* One of both. */
struct job {
	struct vma_extent *extent;
	struct zero_batch *batch;
};

/* What a worker made of a job, on its way to the output. */
struct frame {
	struct frame *next; /* while free */
	uint64_t number;
	bool done;
	uint8_t *out; /* memory of its own */
	size_t out_cap;
	const uint8_t *data; /* what is to be written: out, or the extent's memory */
	size_t len;
	size_t vma_len;            /* unpacked */
	struct vma_extent *extent; /* given back when written, or NULL */
	unsigned n_keys;
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT]; /* clusters it stores, ascending */
};

/* An extent in archive form. */
struct packed_extent {
	const uint8_t *data; /* header and blocks */
	size_t len;
	unsigned n_keys;
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
};

struct device_count {
	atomic_uint_fast64_t data;
	atomic_uint_fast64_t zero;
};

struct vma_writer {
	struct vma_writer_options o;
	struct vma_header hdr;
	struct buf header; /* encoded, packed */
	size_t header_vma_len;

	pthread_mutex_t lock;     /* guards all down to the next comment */
	pthread_cond_t todo_cond; /* a job came, a frame came free, or the end */
	pthread_cond_t done_cond; /* a frame is done, or the end */
	pthread_cond_t free_cond; /* an extent or batch came free, a thread ended, or failure */
	struct vma_extent *free_extents;
	unsigned n_free;
	struct zero_batch *free_batches;
	struct zero_batch *open_batch;
	struct job *todo; /* a ring of todo_cap */
	unsigned todo_cap, todo_head, todo_len;
	struct frame *free_frames;
	struct frame **pending; /* taken frames by number modulo n_frames */
	uint64_t next_number;   /* of the next frame to be taken */
	unsigned running;       /* threads */
	bool abandoned;         /* nobody waits for them any more: the last one frees the writer */
	bool submitted;         /* anything at all */
	bool finishing;
	bool failed;
	struct error *failure;

	/* Fixed after the start. */
	struct vma_extent *extents;
	unsigned n_extents;
	struct zero_batch *batches;
	unsigned n_batches;
	struct frame *frames;
	unsigned n_frames;
	int event_fd;
	struct writer_thread *threads; /* workers, then the output */
	unsigned n_threads, n_started;

	/* The output thread's. */
	struct output *output;
	struct frame_encoder *side; /* header, index */
	struct seektable_writer seektable;
	struct vma_index_writer index;
	uint64_t frame_count; /* in the file, all kinds */

	/* Any thread. */
	struct device_count counts[VMA_MAX_DEVICES + 1];
	atomic_uint_fast64_t vma_bytes;
};

struct writer_thread {
	struct vma_writer *w;
	pthread_t id;
	unsigned number;
	bool is_output;
	struct frame_encoder *encoder; /* zstd workers */
	uint8_t *scratch;              /* ZERO_FRAME_SIZE, workers */
};

static inline bool writer_is_zstd(const struct vma_writer *w)
{
	return w->o.layout == VMA_FRAMES;
}

/* writer-pool.c: memory. */
int writer_pool_init(struct vma_writer *w, struct error **err);
void writer_pool_clear(struct vma_writer *w);

/* writer.c.  The first failure stays; takes *err. */
void writer_fail(struct vma_writer *w, struct error **err);
/* All with the lock held. */
void writer_fail_locked(struct vma_writer *w, struct error **err);
void writer_give_extent(struct vma_writer *w, struct vma_extent *e);
void writer_give_batch(struct vma_writer *w, struct zero_batch *b);
/* A copy of the failure, which a request to stop becomes too; 0 without one. */
int writer_check_locked(struct vma_writer *w, struct error **err);
/* Waits on free_cond, not so long that a request to stop would go unseen. */
void writer_wait_free(struct vma_writer *w);
/* Without the lock: all memory, when there is no thread any more. */
void writer_free(struct vma_writer *w);

/* writer-feed.c, with the lock held: what is still open. */
void writer_submit_last(struct vma_writer *w);

/* writer-thread.c */
int writer_threads_start(struct vma_writer *w, struct error **err);
/*
 * They have been told to end.  False: one of them hangs in the target's file system, and the last of
 * them will call writer_free().
 */
bool writer_threads_join(struct vma_writer *w);
/* What they needed, when there is none any more. */
void writer_threads_clear(struct vma_writer *w);

/* writer-pack.c: what the caller gave in archive form, in place. */
int writer_pack_extent(struct vma_writer *w, struct vma_extent *e, struct packed_extent *ret,
		       struct error **err);
/* Into out, of ZERO_FRAME_SIZE bytes: one extent at least.  Returns the length. */
size_t writer_pack_batch(const struct vma_writer *w, const struct zero_batch *b, uint8_t *out);

/* writer-worker.c, writer-output.c: the threads' bodies; a failure makes the writer fail. */
int writer_worker_run(struct writer_thread *t, struct error **err);
int writer_output_run(struct vma_writer *w, struct error **err);

#endif
