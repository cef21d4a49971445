/*
 * The VMA index: which frame of a .vma.zst holds which cluster.  With it and the seek table a reader
 * reaches any cluster by unpacking one frame.  Every zstd tool skips it.
 *
 *	file      := frame(header) (frame(extent+) sums? | part)* part* root seektable
 *	part      := skippable frame, magic 0x184D2A5A, kind 0
 *	root      := skippable frame, magic 0x184D2A5A, kind 1
 *	sums      := see vma/parts.h; behind frames that store something
 *	seektable := see stream/seektable.h; covers all of them
 *
 * The content of a skippable frame, little-endian:
 *
 *	content   := "VMAINDEX"  version u16 = 1  kind u16  0 u32  uuid[16]  zstd frame
 *
 * uuid is the archive's; an index with another uuid must not be used.  The zstd frame has
 * content size and checksum and holds, as varints (LEB128) unless another type is given:
 *
 *	part      := record*
 *	record    := frame_delta  n_runs  run{n_runs}
 *	run       := tag  [dev u8]  first
 *	root      := header_len  byte[header_len]  vma_size
 *	             n_devices (dev u8  data_bytes  zero_bytes){n_devices}
 *	             n_parts (frame_delta  clusters){n_parts}
 *
 * - Frames are counted from 0 (the header) as in the seek table, skippable ones included.
 *   frame_delta is the distance from the previous frame in the same part or list (initially 0).
 * - A run is a row of consecutive clusters; the frame stores at least one block of each.
 *   tag = (number - 1) * 2, plus 1 if dev differs from that of the previous run (initially 0); only
 *   then dev follows.  first is the zigzag distance from the end of the previous run of this dev in
 *   this part (initially 0).
 * - Clusters that no run names are zero.  They are in extents without blocks.
 * - The root repeats the header of the archive, has the size of the unpacked archive, for each
 *   device the bytes stored and the bytes that are zero, and the frames that are parts, each once
 *   and ascending, with the number of clusters in each.
 *
 * Parts are held back and written before the root, so that one read at the end of the file gets all
 * of it, unless they grow large; then they are written between the data.
 */
#ifndef VZDUMP_VMA_INDEX_H
#define VZDUMP_VMA_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "stream/frame.h"
#include "vma/format.h"

#define VMA_INDEX_MAGIC               "VMAINDEX"
#define VMA_INDEX_VERSION             1
#define VMA_INDEX_PART                0
#define VMA_INDEX_ROOT                1
#define VMA_INDEX_CONTENT_HEADER_SIZE 32
#define VMA_INDEX_PART_MAX            (1u << 20)  /* unpacked, about: a writer closes the part here */
#define VMA_INDEX_HELD_MAX            (4u << 20)  /* packed parts that a writer holds back */
#define VMA_INDEX_UNPACKED_MAX        (20u << 20) /* that a reader accepts */

struct vma_reader;

/*
 * Checks seek table and index at the end of the file against what the reader has found.  The reader must
 * have finished and found no damage.  *ret_index says whether there is an index at all.  ERR_CORRUPT: they
 * do not agree.
 */
int vma_index_check(int fd, const struct vma_reader *reader, bool *ret_index, struct error **err);

/*
 * Unpacks a part or the root (the skippable frame with its header) of the archive with that uuid and
 * appends what it holds.  Limits: VMA_INDEX_UNPACKED_MAX.
 */
int vma_index_unpack(const uint8_t *frame, size_t len, const uint8_t uuid[VMA_UUID_SIZE], uint16_t kind,
		     struct buf *ret, struct error **err);
/*
 * Takes the header at the beginning of an unpacked root, which must have this uuid; *at moves behind it.
 * After a failure *ret is empty.
 */
int vma_index_header(const uint8_t **at, const uint8_t *end, const uint8_t uuid[VMA_UUID_SIZE],
		     struct vma_header *ret, struct error **err);
/* The next run of a part. */
struct vma_index_run {
	uint64_t frame;
	uint8_t dev;
	uint64_t first, n;
};
struct vma_index_cursor {
	const uint8_t *at, *end;
	uint64_t frame, runs;
	uint8_t dev;
	uint32_t expected[VMA_MAX_DEVICES + 1];
};
/* 1: a run; 0: the end; negative: it is malformed.  Clusters stay below 2^32. */
int vma_index_next(struct vma_index_cursor *c, struct vma_index_run *ret, struct error **err);

/* A stored cluster of a device, in the order of device and cluster. */
static inline uint64_t vma_cluster_key(uint8_t dev, uint32_t cluster)
{
	return (uint64_t)dev << 32 | cluster;
}

struct vma_index_writer {
	uint8_t uuid[VMA_UUID_SIZE];
	size_t part_max, held_max; /* as above, unless a test wants less */
	struct buf part;           /* the open one, that is filled now */
	uint64_t last_frame;
	unsigned dev;
	uint32_t expected[VMA_MAX_DEVICES + 1];
	uint64_t clusters; /* in the open part */

	/* Parts that are packed and not written yet: their frames one after the other. */
	struct buf held;
	struct buf held_sizes;  /* of size_t */
	struct buf part_counts; /* of uint64_t: clusters of each part so far, held ones included */
	struct buf part_frames; /* of uint64_t: frame number of each part that was written */
};

void vma_index_writer_init(struct vma_index_writer *w, const uint8_t uuid[VMA_UUID_SIZE]);
void vma_index_writer_clear(struct vma_index_writer *w);

/* Adds a frame that stores these n clusters (keys, ascending, no duplicates).  Frames come in order. */
int vma_index_add(struct vma_index_writer *w, uint64_t frame, const uint64_t *keys, unsigned n,
		  struct frame_encoder *e, struct error **err);
/* Closes the open part. */
int vma_index_seal(struct vma_index_writer *w, struct frame_encoder *e, struct error **err);

/* True when the held parts should be written: each of vma_index_held(), then vma_index_written(). */
static inline bool vma_index_is_full(const struct vma_index_writer *w)
{
	return w->held.len > w->held_max;
}
/* The i-th part that is held back, or NULL. */
const void *vma_index_held(const struct vma_index_writer *w, size_t i, size_t *ret_len);
/*
 * Call it when the held parts have been written, as frames from first_frame on: each `step`-th, if other
 * frames stand between them.
 */
void vma_index_written(struct vma_index_writer *w, uint64_t first_frame, unsigned step);

struct vma_index_device {
	uint64_t data_bytes;
	uint64_t zero_bytes;
};

/* Appends the root, once all parts are written. */
int vma_index_root(struct vma_index_writer *w, const struct vma_header *hdr, uint64_t vma_size,
		   const struct vma_index_device devices[VMA_MAX_DEVICES + 1], struct frame_encoder *e,
		   struct buf *ret, struct error **err);

#endif
