/* Seek table and index are compared with the archive; what is wrong fails, also for who wants no message. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/bytes.h"
#include "stream/seektable.h"
#include "stream/varint.h"
#include "vma/index.h"
#include "vma/reader.h"

#include "tap.h"
#include "vma-disks.h"

static struct disk disk = { .name = "drive-scsi0", .size = 5u << 20 };

/* The bytes of an archive of the disk. */
static struct buf make_archive(void)
{
	const struct vma_writer_options o = { .ionice = -1 };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	_cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
	struct buf ret = BUF_INIT;
	struct feed f;
	size_t len;

	vma_header_init(&h, NULL);
	vma_header_add_device(&h, disk.name, disk.size, NULL, NULL);
	feed_init(&f, &disk, 1, false);
	if (disk_writer(VMA_COMPRESS_ZSTD, 1, &o, fd, &h, &w, NULL) < 0 || !feed_run(&f, w, 1) ||
	    vma_writer_finish(w, NULL, NULL) < 0)
		diag("cannot write an archive");
	free(f.keys);
	len = (size_t)lseek(fd, 0, SEEK_END);
	if (io_pread_full(fd, buf_reserve(&ret, len), len, 0) != (ssize_t)len)
		diag("cannot read it back");
	buf_added(&ret, len);
	return ret;
}

/* ---- putting another root in ---- */

struct tail {
	size_t root, root_len; /* the skippable frame with the root */
	size_t table;          /* the seek table */
	size_t entry;          /* the root's entry in it */
};

static struct tail find_tail(const struct buf *a)
{
	const uint8_t *p = (const uint8_t *)a->data;
	const uint32_t n = get_le32(p + a->len - SEEKTABLE_FOOTER_SIZE);
	const size_t entries = a->len - SEEKTABLE_FOOTER_SIZE - (size_t)n * SEEKTABLE_ENTRY_SIZE;
	struct tail t = { .table = entries - FRAME_SKIPPABLE_HEADER_SIZE };

	t.entry = entries + ((size_t)n - 1) * SEEKTABLE_ENTRY_SIZE;
	t.root_len = get_le32(p + t.entry);
	t.root = t.table - t.root_len;
	return t;
}

/* The archive with one byte of the header in its root changed, all else agreeing with it. */
static struct buf hurt_header_copy(const struct buf *a, const uint8_t *uuid)
{
	const size_t head_len = FRAME_SKIPPABLE_HEADER_SIZE + VMA_INDEX_CONTENT_HEADER_SIZE;
	_cleanup_(frame_encoder_freep) struct frame_encoder *e = NULL;
	_cleanup_buf_ struct buf root = BUF_INIT, packed = BUF_INIT;
	const struct tail t = find_tail(a);
	uint8_t head[FRAME_SKIPPABLE_HEADER_SIZE + VMA_INDEX_CONTENT_HEADER_SIZE];
	struct buf ret = BUF_INIT;

	if (vma_index_unpack((const uint8_t *)a->data + t.root, t.root_len, uuid, VMA_INDEX_ROOT, &root,
			     NULL) < 0)
		diag("there is no root");
	root.data[200] = (char)(root.data[200] ^ 1); /* where the header has zeroes */
	frame_encoder_new(0, &e, NULL);
	frame_append(e, root.data, root.len, &packed, NULL);
	memcpy(head, a->data + t.root, head_len);
	put_le32(head + 4, (uint32_t)(VMA_INDEX_CONTENT_HEADER_SIZE + packed.len));
	buf_add(&ret, a->data, t.root);
	buf_add(&ret, head, head_len);
	buf_add(&ret, packed.data, packed.len);
	buf_add(&ret, a->data + t.table, a->len - t.table);
	put_le32((uint8_t *)ret.data + ret.len - (a->len - t.entry), (uint32_t)(head_len + packed.len));
	return ret;
}

/* ---- checking ---- */

/* What the check says about these bytes, after a reader has found them without damage. */
static int check_bytes(const struct buf *a, uint8_t *ret_uuid, struct error **err)
{
	const struct vma_receiver nothing = { 0 };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
	bool index = false;
	int r;

	if (write(fd, a->data, a->len) != (ssize_t)a->len || lseek(fd, 0, SEEK_SET) != 0 ||
	    vma_reader_new(fd, 1, NULL, &reader, NULL) < 0 ||
	    vma_reader_run(reader, &nothing, NULL, NULL) < 0)
		return -1;
	if (ret_uuid)
		memcpy(ret_uuid, vma_reader_header(reader)->uuid, VMA_UUID_SIZE);
	r = vma_index_check(fd, reader, &index, err);
	return r == 0 && !index ? -1 : r;
}

int main(void)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buf_ struct buf good = BUF_INIT, bad = BUF_INIT;
	uint8_t uuid[VMA_UUID_SIZE];

	disk_fill(&disk, 3);
	good = make_archive();
	ok(check_bytes(&good, uuid, &err) == 0, "seek table and index of an archive are right");
	bad = hurt_header_copy(&good, uuid);
	ok(check_bytes(&bad, NULL, &err) == ERR_CORRUPT && strstr(error_message(err), "index: "),
	   "a header in the index that is damaged is an error");
	diag("%s", error_message(err));
	ok(check_bytes(&bad, NULL, NULL) == ERR_CORRUPT, "also if nobody wants the message");
	free(disk.data);
	return done_testing();
}
