/*
 * Unpackers read a compressed stream; each has its own file (input-*.c).  input.h decides which one an
 * archive needs.
 *
 * raw is always the caller's and must live longer than the unpacker.  One thread uses both.
 */
#ifndef VZDUMP_STREAM_UNPACKER_H
#define VZDUMP_STREAM_UNPACKER_H

#include "base/cleanup.h"
#include "base/error.h"
#include "stream/input-raw.h"

struct unpacker;

/* None may be NULL. */
struct unpacker_ops {
	/*
	 * Reads len bytes, or fewer at the end.  *ret_len is set after a failure, too: those bytes came
	 * before the damage and are good.
	 */
	int (*read)(struct unpacker *u, void *data, size_t len, size_t *ret_len, struct error **err);
	void (*free)(struct unpacker *u);
};

struct unpacker {
	const struct unpacker_ops *ops;
};

/* Bytes as they are. */
int unpacker_plain_new(struct input_raw *raw, struct unpacker **ret, struct error **err);
/*
 * zstd as one stream.  It begins with the bytes of head, which were already read (they are copied; head_len
 * may be 0).  A window of more than 32 MiB is ERR_UNSUPPORTED.
 */
int unpacker_zstd_new(struct input_raw *raw, const void *head, size_t head_len, struct unpacker **ret,
		      struct error **err);
/* Takes 80 MiB at most: a stream that needs a larger dictionary is ERR_UNSUPPORTED. */
int unpacker_xz_new(struct input_raw *raw, struct unpacker **ret, struct error **err);
int unpacker_gzip_new(struct input_raw *raw, struct unpacker **ret, struct error **err);
/* lzop and bzip2, by libarchive, which may start a program. */
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
