/*
 * Whether what is unpacked of a frame is right, before its end, where zstd's checksum is: by the sums of its
 * parts (vma/parts.h), or in a chain by the hashes of its clusters (vma/trailer.h).  Both stand behind the
 * frame.
 */
#ifndef VZDUMP_VMA_RANDOM_CHECK_H
#define VZDUMP_VMA_RANDOM_CHECK_H

#include "vma/parts.h"
#include "vma/trailer.h"

struct random_check {
	enum {
		CHECK_NONE, /* nothing more can be told before the end of the frame */
		CHECK_PARTS,
		CHECK_CLUSTERS
	} by;
	size_t checked; /* bytes of the frame, unpacked, that are right */
	struct vma_parts parts;
	struct vma_trailer *trailer; /* has its memory from the first use on */
	unsigned slot;               /* of the extent: the next one */
	const struct vma_secret *secret;
};

void random_check_clear(struct random_check *c);
/*
 * Begins with a frame of that content; behind: the skippable frame that follows it.  secret: of the chain,
 * or NULL; stays the caller's.
 */
void random_check_begin(struct random_check *c, size_t content, const uint8_t *behind, size_t len,
			const struct vma_secret *secret);
/*
 * Looks at what has been unpacked since, and moves checked on.  At what is not right it stays: the end of the
 * frame will tell whether that is damaged, or what stands behind it.
 */
void random_check_more(struct random_check *c, const uint8_t *data, size_t unpacked, size_t content);

#endif
