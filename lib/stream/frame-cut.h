/*
 * Cuts a zstd file into its frames without unpacking them, front to back, also from a pipe.  A frame
 * that does not give the size of its content, or gives a large one, ends the cutting: from there on the
 * file must be unpacked as a stream.
 */
#ifndef VZDUMP_STREAM_FRAME_CUT_H
#define VZDUMP_STREAM_FRAME_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "stream/input-raw.h"

#define FRAME_CUT_READ (256u << 10)

enum frame_cut_kind {
	FRAME_CUT_END,
	FRAME_CUT_FRAME,     /* a whole frame is in out */
	FRAME_CUT_SKIPPABLE, /* one was skipped */
	FRAME_CUT_STREAM,    /* out holds the bytes read so far; continue with unpacker_zstd_new() */
};

struct frame_cut {
	enum frame_cut_kind kind;
	uint64_t offset; /* in the file */
	uint64_t packed; /* bytes of the frame; STREAM: bytes in out */
	uint64_t content;
	uint32_t magic; /* SKIPPABLE */
};

struct frame_cutter {
	struct input_raw *raw; /* the caller's */
	size_t max_content;    /* of a frame that is cut */
	bool only_frames;      /* set by the caller, who resyncs: a frame that would end the cutting is
				* damaged, and so are a trailer and a pad that no frame follows */
	bool is_lost;          /* no frame has come since a resync; data may look like one */
	bool was_costly;       /* the last measuring */
	uint64_t costly_end;   /* candidates before this offset share COSTLY_MAX measurings */
	unsigned costly;       /* measurings of them so far */
	uint8_t *rest;         /* bytes that are read but not handed out: rest_at .. rest_len */
	size_t rest_at, rest_len;
};

void frame_cutter_init(struct frame_cutter *c, struct input_raw *raw, size_t max_content);
void frame_cutter_clear(struct frame_cutter *c);
/* The size that out must have, in bytes. */
size_t frame_cutter_room(const struct frame_cutter *c);

/* After ERR_CORRUPT frame_cutter_resync() may find the next frame; ret->offset is set even then. */
int frame_cutter_next(struct frame_cutter *c, uint8_t *out, struct frame_cut *ret, struct error **err);
/*
 * Moves on to the next place that looks like a frame, at least one byte after the failure.  Until a real
 * frame comes, a skippable one counts only if another frame follows it: any 8 bytes of data may look like
 * one of 4 GiB.
 */
int frame_cutter_resync(struct frame_cutter *c, struct error **err);

#endif
