/* Finding the chain frame of an archive by the last entries of its seek table. */
#include <errno.h>
#include <sys/stat.h>

#include "base/io.h"
#include "stream/bytes.h"
#include "stream/seektable.h"
#include "vma/chain.h"
#include "vma/index.h"

#define CHAIN_MAX 4096u /* bytes; its content is far below that */

/* Where the last two frames before the seek table are. */
struct ends {
	uint64_t chain, root; /* offsets */
	size_t chain_len, root_len;
};

static int belongs_to_none(const char *text, struct error **err)
{
	return error_set(err, ERR_NOT_FOUND, "it belongs to no chain: %s", text);
}

static int read_part(int fd, void *out, size_t len, uint64_t offset, struct error **err)
{
	ssize_t n = io_pread_full(fd, out, len, (off_t)offset);

	if (n < 0)
		return error_errno(err, (int)-n, "cannot read its end");
	if (n != (ssize_t)len)
		return error_set(err, ERR_CORRUPT, "it became shorter while it was read");
	return 0;
}

/* tail: the last two entries, of at most 12 bytes each, and the footer. */
#define TAIL (2 * 12 + SEEKTABLE_FOOTER_SIZE)

/* start: where the seek table begins. */
static int find_frames(const uint8_t tail[TAIL], size_t entry, uint64_t start, struct ends *ret,
		       struct error **err)
{
	const uint8_t *last = tail + (TAIL - SEEKTABLE_FOOTER_SIZE - entry);

	ret->root_len = get_le32(last);
	ret->chain_len = get_le32(last - entry);
	if (ret->root_len > start || ret->chain_len > start - ret->root_len)
		return error_set(err, ERR_CORRUPT, "seek table: its frames do not fill the file");
	ret->root = start - ret->root_len;
	ret->chain = ret->root - ret->chain_len;
	return 0;
}

static int read_table(int fd, uint64_t size, struct ends *ret, struct error **err)
{
	uint8_t tail[TAIL], head[FRAME_SKIPPABLE_HEADER_SIZE];
	const uint8_t *footer = tail + (TAIL - SEEKTABLE_FOOTER_SIZE);
	uint64_t len;
	size_t entry;
	int r;

	if (size < TAIL)
		return belongs_to_none("it has no seek table", err);
	r = read_part(fd, tail, TAIL, size - TAIL, err);
	if (r < 0)
		return r;
	entry = SEEKTABLE_ENTRY_SIZE + (footer[4] & 0x80 ? 4u : 0);
	len = (uint64_t)get_le32(footer) * entry + SEEKTABLE_FOOTER_SIZE;
	if (get_le32(footer + 5) != SEEKTABLE_MAGIC || get_le32(footer) < 2 || len > UINT32_MAX ||
	    len + sizeof(head) > size)
		return belongs_to_none("it has no seek table", err);
	r = read_part(fd, head, sizeof(head), size - len - sizeof(head), err);
	if (r < 0)
		return r;
	if (get_le32(head) != FRAME_SKIPPABLE_SEEK_TABLE || get_le32(head + 4) != len)
		return error_set(err, ERR_CORRUPT, "seek table: its length is not what the frames need");
	return find_frames(tail, entry, size - len - sizeof(head), ret, err);
}

/* Reads the root, or only what has the uuid if hdr is NULL. */
static int read_root(int fd, const struct ends *e, uint8_t uuid[VMA_UUID_SIZE], struct vma_header *hdr,
		     struct error **err)
{
	const size_t head = FRAME_SKIPPABLE_HEADER_SIZE + VMA_INDEX_CONTENT_HEADER_SIZE;
	_cleanup_buf_ struct buf raw = BUF_INIT, root = BUF_INIT;
	const uint8_t *at;
	int r;

	if (e->root_len < head || e->root_len > VMA_INDEX_UNPACKED_MAX)
		return belongs_to_none("it has no index", err);
	r = read_part(fd, buf_reserve(&raw, e->root_len), hdr ? e->root_len : head, e->root, err);
	if (r < 0)
		return r;
	at = (const uint8_t *)raw.data;
	if (get_le32(at) != FRAME_SKIPPABLE_VMA_INDEX)
		return belongs_to_none("it has no index", err);
	memcpy(uuid, at + FRAME_SKIPPABLE_HEADER_SIZE + 16, VMA_UUID_SIZE);
	if (!hdr)
		return 0;
	r = vma_index_unpack(at, e->root_len, uuid, VMA_INDEX_ROOT, &root, err);
	at = (const uint8_t *)root.data;
	return r < 0 ? r : vma_index_header(&at, at + root.len, uuid, hdr, err);
}

static int read_chain(int fd, const struct ends *e, const uint8_t uuid[VMA_UUID_SIZE], struct vma_chain *ret,
		      struct error **err)
{
	uint8_t frame[CHAIN_MAX];
	int r = e->chain_len > CHAIN_MAX ? 0 : read_part(fd, frame, e->chain_len, e->chain, err);

	if (r < 0)
		return r;
	if (e->chain_len > CHAIN_MAX || !vma_chain_looks_like(frame, e->chain_len))
		return belongs_to_none("no such frame is before its index", err);
	return vma_chain_decode(frame, e->chain_len, uuid, ret, err);
}

int vma_chain_read(int fd, struct vma_header *hdr, struct vma_chain *ret, struct error **err)
{
	uint8_t uuid[VMA_UUID_SIZE];
	struct ends ends = { 0 };
	struct stat st;
	int r;

	*ret = (struct vma_chain){ 0 };
	if (hdr)
		*hdr = (struct vma_header){ 0 };
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at it");
	if (!S_ISREG(st.st_mode))
		return belongs_to_none("it is not a file", err);
	r = read_table(fd, (uint64_t)st.st_size, &ends, err);
	if (r == 0)
		r = read_root(fd, &ends, uuid, hdr, err);
	if (r == 0)
		r = read_chain(fd, &ends, uuid, ret, err);
	if (r < 0 && hdr)
		vma_header_clear(hdr);
	return r;
}
