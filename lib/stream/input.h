/*
 * Detects how an archive is compressed from its first bytes, and makes the unpacker for it.
 *
 *	input_raw_init(&raw, fd, cancel, err)
 *	input_unpacker_new(&raw, &u, err)
 *	unpacker_read(u, data, len, &got, err) ...	// less than len: the end
 *	unpacker_free(u)
 */
#ifndef VZDUMP_STREAM_INPUT_H
#define VZDUMP_STREAM_INPUT_H

#include "stream/input-raw.h"
#include "stream/unpacker.h"

enum input_kind {
	INPUT_PLAIN,
	INPUT_ZSTD,
	INPUT_XZ,
	INPUT_GZIP,
	INPUT_OTHER, /* lzop, bzip2 */
};

/* The kind that raw.peek shows. */
enum input_kind input_kind(const struct input_raw *raw);
/* The unpacker for that kind; raw stays the caller's and must live on. */
int input_unpacker_new(struct input_raw *raw, struct unpacker **ret, struct error **err);

#endif
