/* Fills the map from seek table and index, with a single read at the end of the file if they fit. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "stream/bytes.h"
#include "stream/seektable.h"
#include "stream/varint.h"
#include "vma/chain.h"
#include "vma/index.h"
#include "vma/random-load.h"
#include "vma/random.h"

#define TAIL_FIRST ((uint64_t)1 << 20)
#define NONE       1 /* there is no such thing in the file */

/* The end of the file, as far as it was read. */
struct tail {
	int fd;
	uint64_t size; /* of the file */
	uint64_t start;
	struct buf bytes;
};

static int archive_is_corrupt(const char *text, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "%s", text);
}

static int read_tail(struct tail *t, uint64_t start, struct error **err)
{
	size_t len = (size_t)(t->size - start);
	ssize_t n;

	if (t->size - start > RANDOM_MAX_TAIL)
		return archive_is_corrupt("its index is larger than any should be", err);
	buf_reset(&t->bytes);
	n = io_pread_full(t->fd, buf_reserve(&t->bytes, len), len, (off_t)start);
	if (n < 0)
		return error_errno(err, (int)-n, "cannot read its end");
	if (n != (ssize_t)len)
		return archive_is_corrupt("it became shorter while it was read", err);
	buf_added(&t->bytes, len);
	t->start = start;
	return 0;
}

/* The bytes of a part of the file; *ret points into the tail, or into own if the part begins before it. */
static int file_bytes(struct tail *t, uint64_t offset, uint64_t len, struct buf *own, const uint8_t **ret,
		      struct error **err)
{
	if (offset > t->size || len > t->size - offset)
		return archive_is_corrupt("a frame lies beyond its end", err);
	if (offset >= t->start) {
		*ret = (const uint8_t *)t->bytes.data + (offset - t->start);
		return 0;
	}
	if (len > VMA_INDEX_UNPACKED_MAX)
		return archive_is_corrupt("a part of its index is too large", err);
	buf_reset(own);
	if (io_pread_full(t->fd, buf_reserve(own, (size_t)len), (size_t)len, (off_t)offset) != (ssize_t)len)
		return archive_is_corrupt("its index cannot be read", err);
	buf_added(own, (size_t)len);
	*ret = (const uint8_t *)own->data;
	return 0;
}

/* ---- seek table ---- */

static int add_frames(struct random_map *m, const uint8_t *entry, uint32_t n, size_t entry_size, uint64_t end,
		      struct error **err)
{
	uint64_t offset = 0;

	for (uint32_t i = 0; i < n; i++, entry += entry_size) {
		random_map_add_frame(m, offset, get_le32(entry + 4));
		offset += get_le32(entry);
	}
	if (offset != end)
		return archive_is_corrupt("seek table: its frames do not fill the file", err);
	m->offsets[m->n_frames] = offset;
	return 0;
}

/* False: there is none. */
static bool find_table(const struct tail *t, uint32_t *ret_n, size_t *ret_entry, uint64_t *ret_start)
{
	const uint8_t *footer;
	uint64_t len;

	if (t->bytes.len < SEEKTABLE_FOOTER_SIZE)
		return false;
	footer = (const uint8_t *)t->bytes.data + t->bytes.len - SEEKTABLE_FOOTER_SIZE;
	if (get_le32(footer + 5) != SEEKTABLE_MAGIC || footer[4] & 0x7f)
		return false;
	*ret_n = get_le32(footer);
	*ret_entry = SEEKTABLE_ENTRY_SIZE + (footer[4] & 0x80 ? 4u : 0);
	len = (uint64_t)*ret_n * *ret_entry + SEEKTABLE_FOOTER_SIZE + FRAME_SKIPPABLE_HEADER_SIZE;
	if (!*ret_n || len > t->size)
		return false;
	*ret_start = t->size - len;
	return true;
}

static int load_table(struct tail *t, struct random_map *m, struct error **err)
{
	uint64_t start;
	const uint8_t *head;
	size_t entry;
	uint32_t n;

	if (!find_table(t, &n, &entry, &start))
		return NONE;
	if (start < t->start) {
		/* with some more, as the index comes before the seek table */
		uint64_t more = start > TAIL_FIRST ? start - TAIL_FIRST : 0;
		int r = read_tail(t, more, err);

		if (r < 0)
			return r;
	}
	head = (const uint8_t *)t->bytes.data + (start - t->start);
	if (get_le32(head) != FRAME_SKIPPABLE_SEEK_TABLE ||
	    get_le32(head + 4) != t->size - start - FRAME_SKIPPABLE_HEADER_SIZE)
		return archive_is_corrupt("seek table: its length is not what the frames need", err);
	return add_frames(m, head + FRAME_SKIPPABLE_HEADER_SIZE, n, entry, start, err);
}

/* ---- index ---- */

static int frame_bytes(struct tail *t, const struct random_map *m, uint64_t frame, struct buf *own,
		       const uint8_t **ret, size_t *ret_len, struct error **err)
{
	uint64_t offset, len;

	if (frame >= m->n_frames)
		return archive_is_corrupt("index: it names a frame that is not there", err);
	offset = m->offsets[frame];
	len = m->offsets[frame + 1] - offset;
	*ret_len = (size_t)len;
	return file_bytes(t, offset, len, own, ret, err);
}

/* *unpacked is the total so far: a limit for small parts that unpack to a lot. */
static int unpack_part(struct tail *t, struct random_map *m, uint64_t frame, uint64_t *unpacked,
		       struct buf *ret, struct error **err)
{
	_cleanup_buf_ struct buf own = BUF_INIT;
	const uint8_t *raw;
	size_t len;
	int r = frame_bytes(t, m, frame, &own, &raw, &len, err);

	if (r == 0)
		r = vma_index_unpack(raw, len, m->hdr.uuid, VMA_INDEX_PART, ret, err);
	*unpacked += ret->len;
	if (r == 0 && *unpacked > RANDOM_MAX_UNPACKED)
		return archive_is_corrupt("its index is larger than any should be", err);
	return r;
}

static int take_part(struct tail *t, struct random_map *m, uint64_t frame, uint64_t clusters,
		     uint64_t *unpacked, struct error **err)
{
	_cleanup_buf_ struct buf part = BUF_INIT;
	struct vma_index_cursor c = { 0 };
	struct vma_index_run run;
	int r = unpack_part(t, m, frame, unpacked, &part, err);

	if (r < 0)
		return r;
	c.at = (const uint8_t *)buf_str(&part);
	c.end = c.at + part.len;
	while ((r = vma_index_next(&c, &run, err)) > 0) {
		if (run.n > clusters || run.frame >= m->n_frames)
			return archive_is_corrupt("index: a part of it has another number of clusters", err);
		clusters -= run.n;
		r = random_map_add_run(m, run.dev,
				       &(struct random_run){ .first = (uint32_t)run.first,
							     .n = (uint32_t)run.n,
							     .frame = (uint32_t)run.frame },
				       err);
		if (r < 0)
			return r;
	}
	if (r == 0 && clusters)
		return archive_is_corrupt("index: a part of it has another number of clusters", err);
	return r;
}

static int take_parts(struct tail *t, struct random_map *m, const uint8_t *at, const uint8_t *end,
		      struct error **err)
{
	uint64_t n, frame = 0, delta, clusters, unpacked = 0;
	int r = 0;

	if (!varint_get(&at, end, &n))
		return archive_is_corrupt("index: it is cut off", err);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		if (!varint_get(&at, end, &delta) || !varint_get(&at, end, &clusters))
			return archive_is_corrupt("index: it is cut off", err);
		if (!delta || delta > m->n_frames)
			return archive_is_corrupt("index: its parts do not follow each other", err);
		frame += delta;
		r = take_part(t, m, frame, clusters, &unpacked, err);
	}
	return r;
}

static int take_devices(struct random_map *m, const uint8_t **at, const uint8_t *end, struct error **err)
{
	uint64_t n, data, zero;

	if (!varint_get(at, end, &n))
		return archive_is_corrupt("index: it is cut off", err);
	for (uint64_t i = 0; i < n; i++) {
		uint8_t dev;

		if (*at == end)
			return archive_is_corrupt("index: it is cut off", err);
		dev = *(*at)++;
		if (!varint_get(at, end, &data) || !varint_get(at, end, &zero))
			return archive_is_corrupt("index: it is cut off", err);
		if (!m->hdr.devices[dev].name || data > m->hdr.devices[dev].size)
			return archive_is_corrupt("index: its totals of disks are wrong", err);
		m->stored[dev] = data;
	}
	return 0;
}

/* Takes the uuid from the root itself; the parts must have the same one. */
static int unpack_root(const uint8_t *raw, size_t len, struct buf *ret, struct error **err)
{
	if (len < FRAME_SKIPPABLE_HEADER_SIZE + VMA_INDEX_CONTENT_HEADER_SIZE ||
	    get_le32(raw) != FRAME_SKIPPABLE_VMA_INDEX)
		return NONE;
	return vma_index_unpack(raw, len, raw + FRAME_SKIPPABLE_HEADER_SIZE + 16, VMA_INDEX_ROOT, ret, err);
}

/* Unpacks the root and takes the header in it; *ret_at is what follows that. */
static int load_root(struct tail *t, struct random_map *m, struct buf *root, const uint8_t **ret_at,
		     struct error **err)
{
	_cleanup_buf_ struct buf own = BUF_INIT;
	const uint8_t *raw;
	size_t len;
	int r = frame_bytes(t, m, m->n_frames - 1, &own, &raw, &len, err);

	if (r == 0)
		r = unpack_root(raw, len, root, err);
	if (r != 0)
		return r;
	*ret_at = (const uint8_t *)buf_str(root);
	return vma_index_header(ret_at, *ret_at + root->len, raw + FRAME_SKIPPABLE_HEADER_SIZE + 16, &m->hdr,
				err);
}

static int load_index(struct tail *t, struct random_map *m, struct error **err)
{
	_cleanup_buf_ struct buf root = BUF_INIT;
	const uint8_t *at, *end;
	uint64_t vma_size;
	int r = load_root(t, m, &root, &at, err);

	if (r != 0)
		return r;
	end = (const uint8_t *)root.data + root.len;
	if (!varint_get(&at, end, &vma_size))
		return archive_is_corrupt("index: it is cut off", err);
	r = take_devices(m, &at, end, err);
	if (r == 0)
		r = take_parts(t, m, at, end, err);
	return r < 0 ? r : random_map_seal(m, err);
}

/* An archive that is not packed needs no index. */
static int load_without(struct tail *t, const char *path, struct random_map *m, struct error **err)
{
	uint8_t magic[4] = { 0 };

	if (io_pread_full(t->fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	    memcmp(magic, "VMA", sizeof(magic)) == 0)
		return random_map_load_plain(t->fd, t->size, m, err);
	return error_set(err, ERR_UNSUPPORTED,
			 "it has no index to read single places by; vma index %s makes one", path);
}

/* Reads the end of the file and the seek table. */
static int open_tail(struct tail *t, struct random_map *m, struct error **err)
{
	struct stat st;
	int r;

	if (fstat(t->fd, &st) < 0)
		return error_errno(err, errno, "cannot look at it");
	if (!S_ISREG(st.st_mode))
		return archive_is_corrupt("it is not a file", err);
	t->size = (uint64_t)st.st_size;
	r = read_tail(t, t->size > TAIL_FIRST ? t->size - TAIL_FIRST : 0, err);
	return r < 0 ? r : load_table(t, m, err);
}

int vma_random_header_copy(int fd, struct vma_header *ret, uint64_t *ret_end, struct error **err)
{
	_cleanup_buf_ struct buf root = BUF_INIT;
	struct tail t = { .fd = fd };
	struct random_map m = { 0 };
	const uint8_t *at;
	int r = open_tail(&t, &m, err);

	if (r == 0)
		r = load_root(&t, &m, &root, &at, err);
	if (r == NONE)
		r = error_set(err, ERR_NOT_FOUND, "it has no index");
	if (r == 0) {
		*ret_end = m.offsets[1];
		*ret = m.hdr;
		m.hdr = (struct vma_header){ 0 };
	}
	random_map_clear(&m);
	buf_clear(&t.bytes);
	return r;
}

/* The chain frame stands before the root.  Without it frames are unpacked as a whole. */
static void load_secret(struct tail *t, struct random_map *m)
{
	_cleanup_buf_ struct buf own = BUF_INIT;
	_cleanup_vma_chain_ struct vma_chain chain = { 0 };
	const uint8_t *raw;
	size_t len;

	if (m->n_frames < 2 || m->contents[m->n_frames - 2] ||
	    frame_bytes(t, m, m->n_frames - 2, &own, &raw, &len, NULL) < 0)
		return;
	if (!vma_chain_looks_like(raw, len) || vma_chain_decode(raw, len, m->hdr.uuid, &chain, NULL) < 0)
		return;
	m->secret = xmalloc(sizeof(*m->secret));
	*m->secret = chain.secret;
}

int random_map_load(int fd, const char *path, struct random_map *m, struct error **err)
{
	struct tail t = { .fd = fd };
	int r = open_tail(&t, m, err);

	if (r == 0)
		r = load_index(&t, m, err);
	if (r == 0)
		load_secret(&t, m);
	if (r == NONE) {
		random_map_clear(m);
		r = load_without(&t, path, m, err);
	}
	buf_clear(&t.bytes);
	return r;
}
