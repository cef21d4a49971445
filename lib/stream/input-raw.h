/*
 * The bytes of an archive as they are stored: a file, device or pipe, whose first bytes can be inspected
 * before they are read.
 *
 *	input_raw_init(&raw, fd, cancel, err)		// reads the first bytes into raw.peek
 *	input_raw_read(&raw, data, len, &got, err) ...	// 0 bytes: the end
 *
 * Nothing is to be freed.  One thread uses it.
 */
#ifndef VZDUMP_STREAM_INPUT_RAW_H
#define VZDUMP_STREAM_INPUT_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

#define INPUT_PEEK 16u

/* How many bytes could not be read, and the offsets where the first begins and the last ends. */
struct input_bad {
	uint64_t from, to;
	uint64_t bytes;
};

/* A descriptor whose first bytes can be inspected before they are read. */
struct input_raw {
	int fd; /* the caller's */
	const struct cancel *cancel;
	bool stalls; /* it is not a regular file, so a read may block forever */
	uint8_t peek[INPUT_PEEK];
	size_t peek_at, peek_len;
	uint64_t pos; /* bytes handed out */
	/* Bytes that the medium cannot read (EIO) become zeroes, in reads that hand out nothing else. */
	bool fill_bad;        /* set by a caller that wants that and evaluates bad */
	bool is_filler;       /* the last read handed out such zeroes */
	struct input_bad bad; /* the caller sets it to 0 once it has reported it */
	uint64_t bad_run;     /* bytes that could not be read, up to pos */
	size_t careful;       /* bytes to read in small pieces, after a failure */
};

/* cancel, which may be NULL, ends a wait for a pipe with ERR_CANCELED. */
int input_raw_init(struct input_raw *raw, int fd, const struct cancel *cancel, struct error **err);
/* Continues at that offset of the file, without filling raw.peek.  0 or -errno. */
int input_raw_seek(struct input_raw *raw, uint64_t offset);
/*
 * Reads up to len bytes: at least 1, or 0 at the end.  It may return fewer bytes before an error, which the
 * next call then returns.
 */
int input_raw_read(struct input_raw *raw, void *data, size_t len, size_t *ret_len, struct error **err);

#endif
