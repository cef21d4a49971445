/* Unpacks xz with liblzma itself: libarchive would allocate as much for a dictionary as the file asks for. */
#include <lzma.h>

#include "base/mem.h"
#include "stream/unpacker.h"

#define READ_SIZE    (256u << 10)
#define MEMORY_LIMIT (UINT64_C(80) << 20) /* xz -9 needs 65 MiB */

struct xz_unpacker {
	struct unpacker base;
	struct input_raw *raw;
	lzma_stream lzma;
	lzma_action action; /* LZMA_FINISH once the input has ended */
	bool ended;
	uint8_t buf[READ_SIZE];
};

static int xz_error(const struct xz_unpacker *u, lzma_ret code, struct error **err)
{
	const unsigned long long pos = u->raw->pos;

	if (code == LZMA_MEMLIMIT_ERROR)
		return error_set(err, ERR_UNSUPPORTED,
				 "the archive needs a dictionary for which %llu MiB of memory do not "
				 "suffice; give it as 'xz -dc FILE | vma ... -'",
				 (unsigned long long)(MEMORY_LIMIT >> 20));
	return error_set(err, ERR_CORRUPT, "unpacking the archive failed at about byte %llu: %s", pos,
			 code == LZMA_BUF_ERROR    ? "it is cut off"
			 : code == LZMA_MEM_ERROR  ? "no memory"
			 : code == LZMA_DATA_ERROR ? "the data is damaged"
						   : "not an xz stream");
}

static int xz_refill(struct xz_unpacker *u, struct error **err)
{
	size_t n;
	int r = input_raw_read(u->raw, u->buf, sizeof(u->buf), &n, err);

	if (r < 0)
		return r;
	u->lzma.next_in = u->buf;
	u->lzma.avail_in = n;
	if (!n)
		u->action = LZMA_FINISH;
	return 0;
}

static int xz_unpack(struct unpacker *base, void *data, size_t len, size_t *ret_len, struct error **err)
{
	struct xz_unpacker *u = (struct xz_unpacker *)base;

	u->lzma.next_out = data;
	u->lzma.avail_out = len;
	while (u->lzma.avail_out && !u->ended) {
		lzma_ret code;
		int r = 0;

		if (!u->lzma.avail_in && u->action == LZMA_RUN)
			r = xz_refill(u, err);
		*ret_len = len - u->lzma.avail_out;
		if (r < 0)
			return r;
		code = lzma_code(&u->lzma, u->action);
		*ret_len = len - u->lzma.avail_out;
		u->ended = code == LZMA_STREAM_END;
		if (code != LZMA_OK && code != LZMA_STREAM_END)
			return xz_error(u, code, err);
	}
	*ret_len = len - u->lzma.avail_out;
	return 0;
}

static void xz_free(struct unpacker *base)
{
	struct xz_unpacker *u = (struct xz_unpacker *)base;

	lzma_end(&u->lzma);
	free(u);
}

static const struct unpacker_ops xz_ops = { .read = xz_unpack, .free = xz_free };

int unpacker_xz_new(struct input_raw *raw, struct unpacker **ret, struct error **err)
{
	struct xz_unpacker *u = xcalloc(1, sizeof(*u));
	lzma_ret code;

	u->base.ops = &xz_ops;
	u->raw = raw;
	u->lzma = (lzma_stream)LZMA_STREAM_INIT;
	u->action = LZMA_RUN;
	code = lzma_stream_decoder(&u->lzma, MEMORY_LIMIT, LZMA_CONCATENATED);
	if (code != LZMA_OK) {
		int r = xz_error(u, code, err);

		free(u);
		return r;
	}
	*ret = &u->base;
	return 0;
}
