#include "stream/input.h"

#include <string.h>

#include "stream/frame.h"

static int zstd_new(struct input_raw *raw, struct unpacker **ret, struct error **err)
{
	return unpacker_zstd_new(raw, NULL, 0, ret, err);
}

/* Without zstd, which has several magics and is checked before these. */
static const struct magic {
	enum input_kind kind;
	size_t len;
	const char *bytes;
} magics[] = {
	{ INPUT_XZ, 5,
	  "\xfd"
	  "7zXZ" },
	{ INPUT_GZIP, 2, "\x1f\x8b" },
	{ INPUT_OTHER, 4, "\x89LZO" },
	{ INPUT_OTHER, 3, "BZh" },
};

static int (*const unpackers[])(struct input_raw *raw, struct unpacker **ret, struct error **err) = {
	[INPUT_PLAIN] = unpacker_plain_new,   [INPUT_ZSTD] = zstd_new,
	[INPUT_XZ] = unpacker_xz_new,         [INPUT_GZIP] = unpacker_gzip_new,
	[INPUT_OTHER] = unpacker_archive_new,
};

enum input_kind input_kind(const struct input_raw *raw)
{
	if (raw->peek_len >= FRAME_MAGIC_SIZE && frame_begins(raw->peek))
		return INPUT_ZSTD;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (raw->peek_len >= magics[i].len && !memcmp(raw->peek, magics[i].bytes, magics[i].len))
			return magics[i].kind;
	return INPUT_PLAIN;
}

int input_unpacker_new(struct input_raw *raw, struct unpacker **ret, struct error **err)
{
	return unpackers[input_kind(raw)](raw, ret, err);
}
