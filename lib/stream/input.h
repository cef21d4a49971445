/*
 * Where a stream of bytes comes from: a descriptor (file, device, pipe), and an unpacker behind it
 * that is chosen by the first bytes.
 *
 *	input_raw_init(&raw, fd, cancel, err)		// reads the first bytes
 *	input_kind(&raw)				// zstd, gzip, ... or plain
 *	unpacker_new(&raw, &u, err)
 *	unpacker_read(u, data, len, &got, err) ...	// less than len: the end
 *
 * One thread uses an input.
 */
#ifndef VZDUMP_STREAM_INPUT_H
#define VZDUMP_STREAM_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/error.h"

#define INPUT_PEEK 16u

enum input_kind {
	INPUT_PLAIN,
	INPUT_ZSTD,
	INPUT_XZ,
	INPUT_GZIP,
	INPUT_OTHER, /* lzop, bzip2: what libarchive unpacks */
};

/* Bytes that could not be read, and where the first and the last of them stand. */
struct input_bad {
	uint64_t from, to;
	uint64_t bytes;
};

/* A descriptor whose first bytes may be looked at before they are read. */
struct input_raw {
	int fd; /* the caller's */
	const struct cancel *cancel;
	bool stalls; /* it is no file, so a read may wait for ever */
	uint8_t peek[INPUT_PEEK];
	size_t peek_at, peek_len;
	uint64_t pos; /* bytes handed out */
	/* What a medium cannot read (EIO) becomes zeroes, in reads that hand out nothing else. */
	bool fill_bad;        /* the caller wants that, and looks at bad */
	bool is_filler;       /* the last read handed out such */
	struct input_bad bad; /* the caller sets it to 0 when it has told it */
	uint64_t bad_run;     /* bytes that could not be read, up to pos */
	size_t careful;       /* bytes to read in small pieces, behind a failure */
};

/* cancel, which may be NULL, ends a wait for a pipe with ERR_CANCELED. */
int input_raw_init(struct input_raw *raw, int fd, const struct cancel *cancel, struct error **err);
/* Goes on elsewhere in the file; nothing is looked at before it is read.  0 or -errno. */
int input_raw_seek(struct input_raw *raw, uint64_t offset);
enum input_kind input_kind(const struct input_raw *raw);
/* 1 byte at least, or the end; less than len before an error, which the next read then meets. */
int input_raw_read(struct input_raw *raw, void *data, size_t len, size_t *ret_len, struct error **err);

struct unpacker;

struct unpacker_ops {
	/* Until len or the end. */
	int (*read)(struct unpacker *u, void *data, size_t len, size_t *ret_len, struct error **err);
	void (*free)(struct unpacker *u);
};

struct unpacker {
	const struct unpacker_ops *ops;
};

/* raw stays the caller's and must live on. */
int unpacker_new(struct input_raw *raw, struct unpacker **ret, struct error **err);
/* As above for zstd, beginning with bytes that were read already (copied). */
int unpacker_zstd_new(struct input_raw *raw, const void *head, size_t head_len, struct unpacker **ret,
		      struct error **err);
/* Takes 80 MiB at most: a stream that needs a larger dictionary is ERR_UNSUPPORTED. */
int unpacker_xz_new(struct input_raw *raw, struct unpacker **ret, struct error **err);
int unpacker_gzip_new(struct input_raw *raw, struct unpacker **ret, struct error **err);
int unpacker_archive_new(struct input_raw *raw, struct unpacker **ret, struct error **err);

static inline int unpacker_read(struct unpacker *u, void *data, size_t len, size_t *ret_len,
				struct error **err)
{
	return u->ops->read(u, data, len, ret_len, err);
}

static inline void unpacker_free(struct unpacker *u)
{
	if (u)
		u->ops->free(u);
}
DEFINE_CLEANUP(struct unpacker *, unpacker_free)

#endif
