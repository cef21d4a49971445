/*
 * Writes a VMA archive from clusters that arrive in any order, from several threads at once.
 *
 * Data is copied as rarely as possible: the caller gets an *extent*, a buffer with room for 59
 * clusters, reads straight into its slots (from a socket, say), names what each slot holds and puts
 * the extent back.  Worker threads then find the zero blocks, close the gaps, write the extent header
 * with its checksum and compress; one more thread writes the frames to the output, in order (but for
 * VMA_CHAINED).
 * The number of extents bounds the memory.
 *
 *	vma_writer_new(&options, output, &header, &w, err)
 *	vma_writer_extent_try_get(w, reserve, &e, err)	// fill e->data + slot * VMA_CLUSTER_SIZE
 *	vma_extent_set(e, slot, dev, cluster, len)
 *	vma_writer_extent_put(w, e)
 *	vma_writer_zero(w, dev, first, n)	// clusters known to be zero
 *	vma_writer_finish(w, &stats, err)
 *
 * The caller must hand in every cluster of every device exactly once; with a reuse, those that it does not
 * take over.  Layout and meaning: lib/vma/format.h.
 */
#ifndef VZDUMP_VMA_WRITER_H
#define VZDUMP_VMA_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/cancel.h"
#include "base/error.h"
#include "stream/output.h"
#include "vma/format.h"

struct vma_chain;
struct vma_reuse;

enum vma_layout {
	VMA_STREAM,  /* as it is; the output may compress it */
	VMA_FRAMES,  /* zstd frames, with index and seek table */
	VMA_CHAINED, /* the same, which the next backup can take over (vma/chain.h); in no particular order */
};

struct vma_writer_options {
	enum vma_layout layout;
	/*
	 * How many threads compress frames (0: one; a stream needs no more) and how many extents there are
	 * (0: six more than threads, and up to three more for VMA_CHAINED).  NULL: both 0.  Only
	 * vma_writer_new() reads it.
	 */
	const struct budget *budget;
	int level;                   /* of zstd; 0 = 3 */
	int ionice;                  /* -1 = leave; else PVE's 0..8 for the compressing and writing threads */
	const struct cancel *cancel; /* ends every wait below with ERR_CANCELED; may be NULL */
	/* VMA_CHAINED only: */
	const struct vma_chain *chain; /* copied; what it says of the archive is filled in */
	/*
	 * What is taken over from the base; NULL: nothing.  Belongs to the writer from now on, also when this
	 * fails, since a thread that hangs in the base's file system may outlive everything else.
	 */
	struct vma_reuse *reuse;
	size_t index_part_max, index_held_max; /* of vma/index.h; 0: as there.  Tests use less */
};

struct vma_writer_stats {
	uint64_t zero_bytes; /* guest data that is zero: known before, or found */
	uint64_t data_bytes; /* guest data stored */
	uint64_t vma_bytes;  /* uncompressed archive */
	uint64_t file_bytes; /* what went to the output */
	/* Of these, taken over from the base; by now: */
	struct output_copied copied;
};

struct vma_writer;

/*
 * A buffer for VMA_CLUSTERS_PER_EXTENT clusters; slot i is data + i * VMA_CLUSTER_SIZE.  Slots that
 * were not set are left out.  `user` is the caller's.
 */
struct vma_extent {
	uint8_t *data;
	void *user;
	struct vma_slot {
		uint8_t dev; /* 0 = unused */
		uint32_t cluster;
		uint32_t len; /* bytes; less than a cluster at the end of a disk, the rest
					 * up to the cluster is zeroed by the writer */
		bool compare; /* the writer compares it with the base, and takes it (vma/reuse.h) if it
					 * has changed; else it was taken */
	} slots[VMA_CLUSTERS_PER_EXTENT];
	struct vma_extent *next; /* the writer's, and the caller's while it holds the extent */
};

/*
 * Starts threads and writes the header.  The output belongs to the writer from now on, also when this
 * fails.  hdr is copied.  A later failure (full disk, dead compressor) shows in vma_writer_check(), in
 * the get functions and in vma_writer_finish().
 *
 * Memory: the extents, 3.7 MiB each; a compressed frame and some tables for each thread; for an archive
 * of zstd frames some six bytes a frame and what the index holds back (4 MiB at most).
 */
int vma_writer_new(const struct vma_writer_options *o, struct output *output, const struct vma_header *hdr,
		   struct vma_writer **ret, struct error **err);

/*
 * Gets an empty extent: 1 and *ret.  try_get returns 0 if none is free now; get waits.  Both leave
 * `reserve` extents free for others: a thread that reads ahead passes 1, so that the thread for which a
 * guest waits (it passes 0) always finds one.  Negative once the writer has failed.
 */
int vma_writer_extent_try_get(struct vma_writer *w, unsigned reserve, struct vma_extent **ret,
			      struct error **err);
int vma_writer_extent_get(struct vma_writer *w, unsigned reserve, struct vma_extent **ret,
			  struct error **err);
/* Readable (eventfd) after an extent came free or the writer failed; reset it by reading. */
int vma_writer_event_fd(const struct vma_writer *w);

static inline uint8_t *vma_extent_slot(const struct vma_extent *e, unsigned slot)
{
	return e->data + (size_t)slot * VMA_CLUSTER_SIZE;
}

static inline void vma_extent_set(struct vma_extent *e, unsigned slot, uint8_t dev, uint32_t cluster,
				  uint32_t len)
{
	e->slots[slot] = (struct vma_slot){ .dev = dev, .cluster = cluster, .len = len };
}

/*
 * Hands the extent over; the archive keeps the order of the calls, but for VMA_CHAINED.  An extent without
 * any set slot just goes back.  Never waits.  Once the writer has failed it takes extents back and drops
 * their content.
 */
void vma_writer_extent_put(struct vma_writer *w, struct vma_extent *e);

/*
 * n clusters from first on hold only zeroes.  May wait for the pipeline, but never for extents that
 * a caller holds.  Negative once failed.  They come in extents of their own, later than others: not for
 * a device called vmstate, whose clusters Proxmox's reader wants in order.
 */
int vma_writer_zero(struct vma_writer *w, uint8_t dev, uint32_t first, uint32_t n, struct error **err);

/*
 * True if one call of vma_writer_zero(), of up to 65536 clusters, would not wait now.  For a caller that
 * must not wait: QEMU stalls while answers that it sent are not read.
 */
bool vma_writer_zero_ready(struct vma_writer *w);

/* 0, or the error that stopped the writer (a copy). */
int vma_writer_check(struct vma_writer *w, struct error **err);

/* Bytes so far; any thread. */
void vma_writer_get_stats(struct vma_writer *w, struct vma_writer_stats *ret);
/* The zero_bytes of one device. */
uint64_t vma_writer_zero_bytes(const struct vma_writer *w, uint8_t dev);

/*
 * All extents must have been put.  Writes what is left, index and seek table.  After success all is
 * written and no thread runs any more; after a failure one may still hang in the output's file system.
 */
int vma_writer_finish(struct vma_writer *w, struct vma_writer_stats *ret, struct error **err);

/*
 * Makes the writer fail with ERR_CANCELED: waits of other threads end at once, and so does the writer's own
 * wait for the reader of a pipe.  Any thread.
 */
void vma_writer_abort(struct vma_writer *w);

/*
 * Stops without finishing if need be; frees.  Extents still held by the caller become invalid.  Returns
 * within a second or two: a thread that hangs in the output's file system is left to itself, and ends
 * with the process at the latest.
 */
void vma_writer_free(struct vma_writer *w);
DEFINE_CLEANUP(struct vma_writer *, vma_writer_free)

#endif
