/*
 * The inside of the reader.
 *
 *	source (the caller's thread):  file ─▶ chunks, numbered; a zstd frame each, or unpacked bytes
 *	workers:  unpack a frame ─▶ in the order of the numbers: find the extents, check them, claim
 *	          their clusters ─▶ out of order again: hand the data to the sink
 *
 * An extent that goes on in the next chunk is copied in front of that chunk's data, where there is
 * room for it, so that extents always lie in one piece.  Our own frames never need that.  So is one
 * of a stream that ends with the chunk, where damages are tolerated: what follows tells whether it
 * is whole.
 */
#ifndef VZDUMP_VMA_READER_INTERNAL_H
#define VZDUMP_VMA_READER_INTERNAL_H

#include <pthread.h>

#include "stream/frame-cut.h"
#include "stream/input.h"
#include "vma/reader.h"
#include "vma/seen.h"

#define CHUNK_DATA ((size_t)4 << 20)
#define CHUNK_HEAD ((size_t)VMA_EXTENT_MAX_SIZE + VMA_EXTENT_HEADER_SIZE)

struct chunk {
	struct chunk *next; /* free, or waiting for a worker */
	uint64_t number;
	bool is_packed;
	bool is_lost; /* in front of it, or all of it, something is missing */
	bool is_last;
	bool is_filler;   /* zeroes that stand for bytes of a plain archive that cannot be read */
	char *damage;     /* what, or NULL */
	char *unreadable; /* the same of what the medium does not give */
	uint64_t frame;   /* number in the file */
	uint64_t offset;  /* of the frame in the file */
	uint8_t *packed;
	size_t packed_len;
	size_t content; /* that the packed frame says it has */
	uint8_t *room;  /* CHUNK_HEAD + CHUNK_DATA */
	uint8_t *data;  /* in room, from CHUNK_HEAD on */
	size_t len;
};

/* A row of bytes that is nothing but checked extents. */
struct span {
	uint8_t *at, *end;
};

/* Bytes of the unpacked archive that are filler. */
struct stretch {
	uint64_t from, to;
};

/* What comes one chunk after the other. */
struct parser {
	uint8_t *tail; /* the beginning of an extent that is not complete, CHUNK_HEAD bytes */
	size_t tail_len;
	bool is_lost;           /* looking for the next extent */
	uint64_t pos;           /* of the next byte in the unpacked archive */
	struct stretch *filler; /* ascending; what lies in front of pos is left out */
	size_t n_filler, cap_filler;
	struct vma_seen seen;
};

struct vma_reader {
	struct input_raw raw;
	struct vma_header hdr;
	struct error *hdr_damage; /* hdr is the index's copy, as the header itself is hurt */
	unsigned n_threads;
	uint64_t seed;

	/* The source's. */
	bool plain; /* not packed at all */
	bool framed;
	bool has_frames; /* that the cutter cut */
	struct frame_cutter cutter;
	struct unpacker *unpacker; /* not framed, or not any more */
	struct error *late;        /* of the unpacker, which gave something before */
	uint64_t frame_count;
	bool source_ended;
	struct chunk *first; /* what came with the header */
	struct chunk *all;
	unsigned n_chunks;

	const struct vma_sink *sink;
	void *opaque;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t cond;
	struct chunk *free_chunks;
	struct chunk *todo, **todo_end;
	uint64_t turn; /* the number of the chunk that may be parsed */
	bool finishing, failed;
	struct error *failure;

	/* Whose turn it is. */
	struct parser parser;
	struct vma_reader_stats stats;
};

struct reader_thread {
	struct vma_reader *r;
	pthread_t id;
	void *unpacker; /* ZSTD_DCtx */
	struct span *spans;
	size_t n_spans, cap_spans;
};

/* reader-source.c.  Fills c: 1, or 0 at the end.  Damages go into the chunk if the sink wants them. */
int reader_source_next(struct vma_reader *r, struct chunk *c, struct error **err);

/* reader-parse.c, in turn.  Finds the spans of the chunk. */
int reader_parse(struct reader_thread *t, struct chunk *c, struct error **err);
/* After the last one. */
int reader_parse_end(struct vma_reader *r, struct error **err);
/* Tolerates the error, which is cleared, or returns its code. */
int reader_damage(struct vma_reader *r, struct error **err);

/* reader-emit.c: what is in the span goes to the sink. */
int reader_emit(const struct vma_reader *r, const struct span *s, struct error **err);

/* reader-thread.c */
int reader_unpack(void *unpacker, struct chunk *c, struct error **err);
int reader_threads_run(struct vma_reader *r, struct error **err);
struct chunk *reader_chunk_get(struct vma_reader *r);

#endif
