/* The file that the writer's output makes: frames one after the other, noted in seek table and index. */
#ifndef VZDUMP_VMA_WRITER_FILE_H
#define VZDUMP_VMA_WRITER_FILE_H

#include <stdatomic.h>

#include "stream/frame.h"
#include "stream/output.h"
#include "stream/seektable.h"
#include "vma/index.h"

struct writer_file {
	struct output *output;
	uint32_t align;                /* of frames (vma_chain.align); 0: they follow each other */
	struct frame_encoder *encoder; /* of header and index; NULL: a stream, without seek table and index */
	atomic_uint_fast64_t vma_bytes; /* unpacked; any thread may read it */
	uint64_t bytes;                 /* of the file so far */
	uint64_t n_frames;              /* so far, all kinds */
	struct seektable_writer seektable;
	struct vma_index_writer index;
};

/*
 * Writes len bytes: a frame of vma_len bytes, unpacked, of which the last `tail` bytes (0: none) are a
 * skippable frame of its own.  In a stream: a piece of it.
 */
int file_write(struct writer_file *f, const void *data, size_t len, size_t tail, size_t vma_len,
	       struct error **err);
/* Notes a frame, and the skippable one of `tail` bytes behind it, as file_write() does. */
int file_note(struct writer_file *f, uint64_t len, uint64_t tail, uint64_t vma_len, struct error **err);

/* The data frame with that number, which was noted last, stores these clusters. */
int file_index(struct writer_file *f, uint64_t frame, const uint64_t *keys, unsigned n, struct error **err);
/* Whether parts of the index have to be written now, by file_write_parts(). */
static inline bool file_index_is_full(const struct writer_file *f)
{
	return vma_index_is_full(&f->index);
}
/* Writes the parts of the index that are held back.  more: data follows. */
int file_write_parts(struct writer_file *f, bool more, struct error **err);

#endif
