/* Unpacks lzop and bzip2 with libarchive, which runs a program if it was built without the library. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "stream/unpacker.h"

#define READ_SIZE (256u << 10)

struct archive_unpacker {
	struct unpacker base;
	struct input_raw *raw;
	struct archive *archive;
	struct error *failure; /* of raw; more precise than what libarchive reports */
	const uint8_t *block;  /* libarchive's, unpacked */
	size_t block_len;
	uint8_t buf[READ_SIZE];
};

static la_ssize_t on_read(struct archive *a, void *opaque, const void **ret)
{
	struct archive_unpacker *u = opaque;
	size_t n = 0;

	if (u->failure || input_raw_read(u->raw, u->buf, sizeof(u->buf), &n, &u->failure) < 0) {
		archive_set_error(a, EIO, "%s", error_message(u->failure));
		return -1;
	}
	*ret = u->buf;
	return (la_ssize_t)n;
}

static int archive_error(struct archive_unpacker *u, struct error **err)
{
	const char *text = archive_error_string(u->archive);

	if (u->failure)
		return error_set(err, u->failure->code, "%s", u->failure->message);
	return error_set(err, ERR_CORRUPT, "unpacking the archive failed at about byte %llu: %s",
			 (unsigned long long)u->raw->pos, text ? text : "no memory");
}

/* libarchive ignores bytes after the last stream of bzip2.  The program lzop checks for them itself. */
static int check_archive_end(const struct archive_unpacker *u, struct error **err)
{
	const uint64_t used = (uint64_t)archive_filter_bytes(u->archive, -1);

	if (archive_filter_code(u->archive, 0) != ARCHIVE_FILTER_BZIP2 || used == u->raw->pos)
		return 0;
	return error_set(err, ERR_CORRUPT,
			 "unpacking the archive failed at about byte %llu: what follows the end of the "
			 "bzip2 data is something else",
			 (unsigned long long)used);
}

/* Reads blocks, as archive_read_data() loses data when it fails.  1: there is a block; 0: the end. */
static int next_archive_block(struct archive_unpacker *u, struct error **err)
{
	const void *data = NULL;
	la_int64_t offset;
	int code = ARCHIVE_OK;

	while (code >= ARCHIVE_WARN && code != ARCHIVE_EOF && !u->block_len) {
		code = archive_read_data_block(u->archive, &data, &u->block_len, &offset);
		u->block = data;
	}
	if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
		u->block_len = 0;
	if (code < ARCHIVE_WARN)
		return archive_error(u, err);
	return u->block_len > 0;
}

static int archive_unpack(struct unpacker *base, void *data, size_t len, size_t *ret_len, struct error **err)
{
	struct archive_unpacker *u = (struct archive_unpacker *)base;

	*ret_len = 0;
	while (*ret_len < len) {
		int r = next_archive_block(u, err);
		size_t now = u->block_len < len - *ret_len ? u->block_len : len - *ret_len;

		if (r <= 0)
			return r < 0 ? r : check_archive_end(u, err);
		memcpy((uint8_t *)data + *ret_len, u->block, now);
		u->block += now;
		u->block_len -= now;
		*ret_len += now;
	}
	return 0;
}

static void archive_unpacker_free(struct unpacker *base)
{
	struct archive_unpacker *u = (struct archive_unpacker *)base;

	archive_read_free(u->archive);
	error_free(u->failure);
	free(u);
}

static const struct unpacker_ops archive_ops = {
	.read = archive_unpack,
	.free = archive_unpacker_free,
};

/* Replaces archive_read_open() and archive_read_next_header(), which do not check for lack of memory. */
static bool archive_begin(struct archive_unpacker *u, struct archive_entry *entry)
{
	struct archive *a = u->archive;

	return entry && archive_read_support_filter_bzip2(a) >= ARCHIVE_WARN &&
	       archive_read_support_filter_lzop(a) >= ARCHIVE_WARN &&
	       archive_read_support_format_raw(a) >= ARCHIVE_WARN &&
	       archive_read_set_read_callback(a, on_read) >= ARCHIVE_WARN &&
	       archive_read_set_callback_data(a, u) >= ARCHIVE_WARN &&
	       archive_read_open1(a) >= ARCHIVE_WARN && archive_read_next_header2(a, entry) >= ARCHIVE_WARN;
}

static int open_archive(struct archive_unpacker *u, struct error **err)
{
	struct archive_entry *entry = archive_entry_new2(u->archive);
	int r = archive_begin(u, entry) ? 0 : archive_error(u, err);

	archive_entry_free(entry);
	return r;
}

int unpacker_archive_new(struct input_raw *raw, struct unpacker **ret, struct error **err)
{
	struct archive_unpacker *u = xcalloc(1, sizeof(*u));
	int r;

	u->base.ops = &archive_ops;
	u->raw = raw;
	u->archive = archive_read_new();
	r = u->archive ? open_archive(u, err) : error_set(err, -ENOMEM, "no memory for libarchive");
	if (r < 0) {
		archive_unpacker_free(&u->base);
		return r;
	}
	*ret = &u->base;
	return 0;
}
