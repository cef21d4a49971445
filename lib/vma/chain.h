/*
 * A chain: archives of one guest of which each took over what had not changed from the one before, its
 * *base*.  Each is complete by itself and outlives all others.  They share a uuid, a secret and the ids of
 * their disks; a *generation* is told by its gen, 16 random bytes.
 *
 *	file      := frame(header) pad (data | zeroes | part pad)* part* chain root seektable
 *	data      := frame(extent) trailer
 *	zeroes    := frame(extent+) pad
 *	chain     := skippable frame, magic 0x184D2A5B, directly before the root of the index
 *
 * - Each frame up to the last data frame begins at a multiple of `align`, so that frames with their
 *   trailers (vma/trailer.h) can be shared by file systems that share blocks.
 * - A data frame holds one extent, whose clusters belong to one disk and all store something.
 *
 * All of it is skipped by tools that do not know it.  Content of the chain frame, little-endian:
 *
 *	content   := "VMACHAIN"  version u16 = 1  0 u16  0 u32  uuid[16]  zstd frame
 *	body      := gen[16]  base_gen[16]  generation u32  align u32  started i64  new_bytes u64
 *	             kept_frames u32  kept_clusters u32  secret[192]  name_length u16  base_name[name_length]
 *
 * uuid is the archive's.  A reader must not use another version.
 */
#ifndef VZDUMP_VMA_CHAIN_H
#define VZDUMP_VMA_CHAIN_H

#include "base/buf.h"
#include "base/error.h"
#include "stream/frame.h"
#include "vma/format.h"
#include "vma/hash.h"

#define VMA_CHAIN_TEXT      "VMACHAIN"
#define VMA_CHAIN_VERSION   1
#define VMA_GEN_SIZE        16
#define VMA_CHAIN_MIN_ALIGN 4096u
#define VMA_CHAIN_MAX_ALIGN (128u << 10)
/* Clusters of a frame that replaces one of the base (see the numbers in doc/architecture.md). */
#define VMA_CHAIN_RECUT 8u

struct vma_chain {
	uint8_t gen[VMA_GEN_SIZE];
	uint8_t base_gen[VMA_GEN_SIZE]; /* all zero in the first generation */
	uint32_t generation;            /* 0: the chain begins here */
	uint32_t align;                 /* bytes, a power of two between the limits above */
	int64_t started;                /* ctime of the first generation */
	/* Of this archive; the writer sets them: */
	uint64_t new_bytes;     /* bytes of the file up to the chain frame that were not taken over */
	uint32_t kept_frames;   /* data frames that were taken over */
	uint32_t kept_clusters; /* in those, at most UINT32_MAX */
	struct vma_secret secret;
	char *base_name; /* file name of the base when it was taken; "" in the first generation; for people only */
};

/* Draws gen and secret of a first generation. */
int vma_chain_begin(struct vma_chain *c, int64_t ctime, uint32_t align, struct error **err);
/* The generation after `base`, whose archive has that name: draws gen. */
int vma_chain_next(struct vma_chain *c, const struct vma_chain *base, const char *base_name,
		   struct error **err);
void vma_chain_clear(struct vma_chain *c);
#define _cleanup_vma_chain_ _cleanup_(vma_chain_clear)

/* Appends the frame. */
int vma_chain_encode(const struct vma_chain *c, const uint8_t uuid[VMA_UUID_SIZE], struct frame_encoder *e,
		     struct buf *ret, struct error **err);
/*
 * Reads it.  ERR_UNSUPPORTED: it has another version; ERR_CORRUPT.  The caller clears *ret, also after an
 * error.
 */
int vma_chain_decode(const uint8_t *frame, size_t len, const uint8_t uuid[VMA_UUID_SIZE],
		     struct vma_chain *ret, struct error **err);
/*
 * Reads it from an archive, with a few small reads at the end of the file; fd's position stays. hdr, which
 * may be NULL, gets the copy of the header that the index has; it is empty after an error.  ERR_NOT_FOUND:
 * the archive belongs to no chain; others as vma_chain_decode().  The caller clears *ret, also after an
 * error.
 */
int vma_chain_read(int fd, struct vma_header *hdr, struct vma_chain *ret, struct error **err);
/* Whether the skippable frame that begins with these bytes is a chain frame, and not a trailer. */
bool vma_chain_looks_like(const uint8_t *frame, size_t len);

/* Lower-case hexadecimal digits, as names of bitmaps and messages have it. */
#define VMA_GEN_TEXT_SIZE (2 * VMA_GEN_SIZE + 1)
void vma_gen_text(char ret[VMA_GEN_TEXT_SIZE], const uint8_t gen[VMA_GEN_SIZE]);

#endif
