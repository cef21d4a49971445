/*
 * A frame of an archive that is unpacked as far as somebody needs it, and further when somebody needs more.
 * What is handed out has been checked (vma/random-check.h), or zstd has checked it at the end of the frame.
 * A frame that can only be checked there is unpacked as a whole.
 */
#ifndef VZDUMP_VMA_RANDOM_FRAME_H
#define VZDUMP_VMA_RANDOM_FRAME_H

#include "stream/frame.h"
#include "vma/random-check.h"
#include "vma/random-map.h"

#define RANDOM_MAX_CONTENT ((size_t)8 << 20) /* of a frame, unpacked */

struct random_frame {
	struct frame_decoder *decoder;
	uint8_t *data; /* stays while the frame is the same */
	size_t cap;
	size_t content;
	size_t checked;              /* bytes of data that may be handed out */
	uint64_t packed, packed_end; /* in the file: what is not unpacked yet */
	struct random_check check;
};

void random_frame_clear(struct random_frame *f);
/* Begins with the frame of that number; nothing is unpacked yet. */
int random_frame_begin(struct random_frame *f, int fd, const struct random_map *map, size_t number,
		       struct error **err);
/* Unpacks until at least n bytes are checked, or all if it has fewer.  After an error it must begin again. */
int random_frame_reach(struct random_frame *f, int fd, const struct random_map *map, size_t n,
		       struct error **err);

#endif
