#include "stream/input.h"

#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "stream/bytes.h"

#define ZSTD_MAGIC           UINT32_C(0xFD2FB528)
#define ZSTD_SKIPPABLE       UINT32_C(0x184D2A50)
#define ZSTD_SKIPPABLE_MASK  UINT32_C(0xFFFFFFF0)
#define PIPE_SIZE            (1 << 20)

static const struct magic {
	const char *bytes;
	size_t len;
} others[] = {
	{ "\x1f\x8b", 2 },
	{ "\x89LZO", 4 },
	{ "BZh", 3 },
};
static const char xz_magic[] = "\xfd" "7zXZ";

int input_raw_init(struct input_raw *raw, int fd, struct error **err)
{
	ssize_t n;

	*raw = (struct input_raw){ .fd = fd };
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
	n = io_read_full(fd, raw->peek, sizeof(raw->peek));
	if (n < 0)
		return error_errno(err, (int)-n, "cannot read the archive");
	raw->peek_len = (size_t)n;
	return 0;
}

enum input_kind input_kind(const struct input_raw *raw)
{
	uint32_t magic = raw->peek_len >= 4 ? get_le32(raw->peek) : 0;

	if (magic == ZSTD_MAGIC || (magic & ZSTD_SKIPPABLE_MASK) == ZSTD_SKIPPABLE)
		return INPUT_ZSTD;
	if (raw->peek_len >= 5 && !memcmp(raw->peek, xz_magic, 5))
		return INPUT_XZ;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (raw->peek_len >= others[i].len &&
		    !memcmp(raw->peek, others[i].bytes, others[i].len))
			return INPUT_OTHER;
	return INPUT_PLAIN;
}

int input_raw_read(struct input_raw *raw, void *data, size_t len, size_t *ret_len,
		   struct error **err)
{
	size_t head = raw->peek_len - raw->peek_at;
	ssize_t n;

	if (head > len)
		head = len;
	memcpy(data, raw->peek + raw->peek_at, head);
	raw->peek_at += head;
	n = io_read_full(raw->fd, (char *)data + head, len - head);
	if (n < 0)
		return error_errno(err, (int)-n, "cannot read the archive at byte %llu",
				   (unsigned long long)raw->pos);
	*ret_len = head + (size_t)n;
	raw->pos += *ret_len;
	return 0;
}

/* ---- no packing at all ---- */

struct plain {
	struct unpacker base;
	struct input_raw *raw;
};

static int plain_read(struct unpacker *u, void *data, size_t len, size_t *ret_len,
		      struct error **err)
{
	return input_raw_read(((struct plain *)u)->raw, data, len, ret_len, err);
}

static void plain_free(struct unpacker *u)
{
	free(u);
}

static const struct unpacker_ops plain_ops = { .read = plain_read, .free = plain_free };

int unpacker_new(struct input_raw *raw, struct unpacker **ret, struct error **err)
{
	struct plain *p;

	switch (input_kind(raw)) {
	case INPUT_ZSTD:
		return unpacker_zstd_new(raw, NULL, 0, ret, err);
	case INPUT_XZ:
		return unpacker_xz_new(raw, ret, err);
	case INPUT_OTHER:
		return unpacker_archive_new(raw, ret, err);
	case INPUT_PLAIN:
		break;
	}
	p = xcalloc(1, sizeof(*p));
	p->base.ops = &plain_ops;
	p->raw = raw;
	*ret = &p->base;
	return 0;
}
