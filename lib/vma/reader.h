/*
 * Reads a VMA archive, packed or not, from a file or a pipe, front to back, on several threads.
 *
 *	vma_reader_new(fd, threads, cancel, &reader, err)	// reads the header
 *	vma_reader_header(reader)
 *	vma_reader_run(reader, &receiver, opaque, err)		// data goes to the receiver
 *	vma_reader_stats(reader), vma_reader_missing(reader, ...)
 *
 * Every cluster is handed over at most once, and every field is checked before use.  Memory is
 * bounded, whatever the archive claims: about 12 MiB for each of threads + 4 chunks at worst (4 MiB
 * packed, 4 MiB unpacked, 4 MiB of an extent that began in the chunk before), at most 24 MiB to
 * keep track of clusters, and 32 MiB for the window of a zstd stream.
 */
#ifndef VZDUMP_VMA_READER_H
#define VZDUMP_VMA_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "vma/format.h"

#define VMA_READER_MAX_THREADS 6u
#define VMA_READER_CHUNKS_MORE 4u /* than threads: ready before their turn, or being read */

/* Receives the content.  Callbacks may come from several threads at once unless stated otherwise. */
struct vma_receiver {
	/* Bytes of a device.  NULL: they are only checked. */
	int (*data)(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		    struct error **err);
	/* The same for bytes that are zero.  May be NULL. */
	int (*zero)(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err);
	/*
	 * Something is damaged (text is one line); reading continues after it.  NULL: reading fails instead.
	 * One call at a time.
	 */
	void (*damage)(void *opaque, const char *text);
	/* Clusters so far.  One call at a time.  May be NULL. */
	void (*progress)(void *opaque, uint64_t clusters);
};

struct vma_reader_stats {
	uint64_t clusters;
	uint64_t zero_bytes;                      /* in blocks that are not stored */
	uint64_t partial_zero_bytes;              /* of these, in clusters with stored ones */
	uint64_t vma_bytes;                       /* unpacked */
	uint64_t data_bytes[VMA_MAX_DEVICES + 1]; /* stored, by device */
	unsigned damages;
	/* A zstd file of frames that were unpacked one by one: */
	bool framed;
	bool header_alone;     /* in the first frame, as ours */
	bool has_seektable;    /* its last frame is one */
	uint64_t index_frames; /* skippable ones, with the magic of our index */
	uint64_t frames;       /* before the seek table, skippable ones included */
	uint64_t sum_seed;     /* of these sums (vma/sum.h): */
	uint64_t frames_sum;   /* over their sizes */
	uint64_t clusters_sum; /* over (frame, cluster) of all that store something */
	uint64_t stored_clusters;
	uint64_t
		contents_sum; /* after vma_reader_hash(): over (frame, cluster, mask, hash) of all frames that
				* store something */
	/* Of a chain (vma/chain.h): */
	uint64_t chain_frames; /* skippable ones with its magic: trailers, and what says which chain */
};

struct vma_reader;
struct vma_secret;

/*
 * Threads to read an archive with as fast as the machine allows: two more than it has processors, since each
 * waits now and then, for a turn, for a write, or beside other processes for a processor.
 */
unsigned vma_reader_threads(void);

/* fd stays the caller's.  cancel, which may be NULL, ends all reading with ERR_CANCELED. */
int vma_reader_new(int fd, unsigned threads, const struct cancel *cancel, struct vma_reader **ret,
		   struct error **err);
const struct vma_header *vma_reader_header(const struct vma_reader *reader);

/* Before vma_reader_run(), for an archive of a chain: all clusters are hashed.  The secret is copied. */
void vma_reader_hash(struct vma_reader *reader, const struct vma_secret *secret);

/*
 * Reads to the end, once.  Fails at the first damage, a missing cluster included, unless the receiver has
 * a damage callback; then only the receiver's own errors and failing reads end it.
 */
int vma_reader_run(struct vma_reader *reader, const struct vma_receiver *receiver, void *opaque,
		   struct error **err);
const struct vma_reader_stats *vma_reader_stats(const struct vma_reader *reader);
/* After vma_reader_run(): the next row of missing clusters from *at on; false: there is none. */
bool vma_reader_missing(const struct vma_reader *reader, uint8_t dev, uint64_t *at, uint64_t *ret_first,
			uint64_t *ret_n);
void vma_reader_free(struct vma_reader *reader);
DEFINE_CLEANUP(struct vma_reader *, vma_reader_free)

#endif
