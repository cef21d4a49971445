/* The writer's memory: all of it is mapped at the start, and touched only when it is needed. */
#ifndef VZDUMP_VMA_WRITER_MEMORY_H
#define VZDUMP_VMA_WRITER_MEMORY_H

#include "vma/writer-zeroes.h"
#include "vma/writer.h"

/* A unit of output: a compressed frame, or a piece of the stream. */
struct frame {
	struct frame *next;        /* while it is free, or ready in any order */
	uint8_t *out;              /* memory of its own */
	size_t out_cap;            /* of out */
	const uint8_t *data;       /* what is to be written: out, or the extent's memory */
	size_t len;                /* of data */
	size_t tail;               /* of len: a skippable frame behind the frame */
	size_t vma_len;            /* unpacked */
	struct vma_extent *extent; /* given back when data is written, or NULL */
	unsigned n_keys;
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT]; /* clusters it stores, ascending */
};

struct writer_memory {
	unsigned n_extents, n_zeroes, n_frames;
	struct vma_extent *extents; /* with room for the header in front of the data */
	struct zeroes *zeroes;
	struct frame *frames;
};

/* n_extents, n_zeroes and n_frames are set; frame_size is the size of each frame's out. */
int writer_memory_init(struct writer_memory *m, size_t frame_size, struct error **err);
void writer_memory_clear(struct writer_memory *m);

/* Maps so many bytes, which are zero; NULL after a failure.  unmap: NULL is fine. */
uint8_t *writer_memory_map(size_t size, struct error **err);
void writer_memory_unmap(uint8_t *p, size_t size);

#endif
