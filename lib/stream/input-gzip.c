/* Unpacks gzip with zlib itself: libarchive checks neither the checksums nor what follows the data. */
#include <errno.h>
#include <stdbool.h>
#include <zlib.h>

#include "base/mem.h"
#include "stream/unpacker.h"

#define READ_SIZE   (256u << 10)
#define GZIP_WINDOW (15 + 16) /* 32 KiB, as for all gzip; 16: zlib checks headers and checksums */

struct gzip_unpacker {
	struct unpacker base;
	struct input_raw *raw;
	z_stream z;
	bool between; /* members, where the file may end */
	uint8_t buf[READ_SIZE];
};

static int gzip_damaged(const struct gzip_unpacker *u, const char *text, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "unpacking the archive failed at about byte %llu: %s",
			 (unsigned long long)(u->raw->pos - u->z.avail_in), text);
}

static int gzip_error(const struct gzip_unpacker *u, int code, struct error **err)
{
	if (code == Z_MEM_ERROR)
		return error_set(err, -ENOMEM, "no memory for unpacking gzip");
	return gzip_damaged(u, u->z.msg ? u->z.msg : "the data is damaged", err);
}

static int gzip_refill(struct gzip_unpacker *u, struct error **err)
{
	size_t n = 0;
	int r = input_raw_read(u->raw, u->buf, sizeof(u->buf), &n, err);

	u->z.next_in = u->buf;
	u->z.avail_in = (uInt)n;
	return r;
}

/* Skips zeroes after a member, which gzip also takes for padding.  True if there were some. */
static bool skip_padding(struct gzip_unpacker *u)
{
	const uInt before = u->z.avail_in;

	for (; u->z.avail_in && !*u->z.next_in; u->z.avail_in--)
		u->z.next_in++;
	return u->z.avail_in < before;
}

/* Starts another member, which must begin with the magic. */
static int begin_member(struct gzip_unpacker *u, struct error **err)
{
	if (*u->z.next_in != 0x1f)
		return gzip_damaged(u, "what follows the end of the gzip data is something else", err);
	u->between = false;
	inflateReset(&u->z);
	return 0;
}

/* Unpacks until the output is full, or until the end, which leaves room in it.  Both return 0. */
static int gzip_fill(struct gzip_unpacker *u, struct error **err)
{
	while (u->z.avail_out) {
		int r = u->z.avail_in ? 0 : gzip_refill(u, err);

		if (r < 0)
			return r;
		if (!u->z.avail_in)
			return u->between ? 0 : gzip_damaged(u, "it is cut off", err);
		if (u->between && skip_padding(u))
			continue;
		if (u->between && begin_member(u, err) < 0)
			return ERR_CORRUPT;
		r = inflate(&u->z, Z_NO_FLUSH);
		u->between = r == Z_STREAM_END;
		if (r != Z_OK && r != Z_STREAM_END)
			return gzip_error(u, r, err);
	}
	return 0;
}

static int gzip_unpack(struct unpacker *base, void *data, size_t len, size_t *ret_len, struct error **err)
{
	struct gzip_unpacker *u = (struct gzip_unpacker *)base;
	int r;

	u->z.next_out = data;
	u->z.avail_out = (uInt)len;
	r = gzip_fill(u, err);
	*ret_len = len - u->z.avail_out;
	return r;
}

static void gzip_free(struct unpacker *base)
{
	struct gzip_unpacker *u = (struct gzip_unpacker *)base;

	inflateEnd(&u->z);
	free(u);
}

static const struct unpacker_ops gzip_ops = { .read = gzip_unpack, .free = gzip_free };

int unpacker_gzip_new(struct input_raw *raw, struct unpacker **ret, struct error **err)
{
	struct gzip_unpacker *u = xcalloc(1, sizeof(*u));
	int code;

	u->base.ops = &gzip_ops;
	u->raw = raw;
	code = inflateInit2(&u->z, GZIP_WINDOW);
	if (code != Z_OK) {
		int r = gzip_error(u, code, err);

		free(u);
		return r;
	}
	*ret = &u->base;
	return 0;
}
