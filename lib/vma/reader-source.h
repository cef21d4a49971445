/* The front of the reader: fills chunks from the file, with single zstd frames or with unpacked bytes. */
#ifndef VZDUMP_VMA_READER_SOURCE_H
#define VZDUMP_VMA_READER_SOURCE_H

#include "stream/frame-cut.h"
#include "stream/unpacker.h"
#include "vma/reader-chunk.h"
#include "vma/reader.h"

struct source {
	struct input_raw raw;
	struct vma_reader_stats *stats; /* of frames; the reader's */
	bool tolerates;                 /* damages go into the chunks; else they are errors */
	bool plain;                     /* not packed at all */
	bool framed;                    /* frames are cut; false from where the file is one stream */
	bool has_frames;                /* the cutter has cut some */
	struct frame_cutter cutter;
	struct unpacker *unpacker; /* if not framed */
	struct error *late;        /* an error of the unpacker that came after some bytes */
	uint64_t n_frames;
	bool ended;
};

/* stats is set, all else is zero; then source_open(). */
void source_init(struct source *s);
void source_clear(struct source *s);
/* fd stays the caller's. */
int source_open(struct source *s, int fd, const struct cancel *cancel, struct error **err);
/* Continues with the second frame, at that offset of the file: 0 or -errno. */
int source_skip_first(struct source *s, uint64_t offset);

/* Fills c: 1, or 0 at the end. */
int source_next(struct source *s, struct chunk *c, struct error **err);

#endif
