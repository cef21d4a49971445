/* Compares seek table and index with what the archive really holds. */
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "stream/bytes.h"
#include "stream/seektable.h"
#include "stream/varint.h"
#include "vma/index.h"
#include "vma/reader.h"
#include "vma/sum.h"

#define ENTRIES 4096u /* read at once */

struct seek_table {
	int fd;
	uint64_t start; /* of the entries in the file */
	uint32_t n;
	uint32_t entry_size;
};

struct place {
	uint64_t offset, size;
};

static int index_is_wrong(const char *text, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "%s", text);
}

static int read_file_bytes(int fd, void *data, size_t len, uint64_t offset, struct error **err)
{
	ssize_t n = io_pread_full(fd, data, len, (off_t)offset);

	if (n < 0)
		return error_errno(err, (int)-n, "cannot read the end of the archive");
	return n == (ssize_t)len ? 0 : index_is_wrong("seek table: the file is too short", err);
}

static int open_table(int fd, struct seek_table *t, struct error **err)
{
	uint8_t footer[SEEKTABLE_FOOTER_SIZE], head[FRAME_SKIPPABLE_HEADER_SIZE];
	off_t end = lseek(fd, 0, SEEK_END);
	uint64_t len;
	int r;

	if (end < (off_t)sizeof(footer))
		return index_is_wrong("seek table: the file is too short", err);
	r = read_file_bytes(fd, footer, sizeof(footer), (uint64_t)end - sizeof(footer), err);
	if (r < 0)
		return r;
	t->fd = fd;
	t->n = get_le32(footer);
	t->entry_size = SEEKTABLE_ENTRY_SIZE + (footer[4] & 0x80 ? 4 : 0);
	len = (uint64_t)t->n * t->entry_size + sizeof(footer);
	if (get_le32(footer + 5) != SEEKTABLE_MAGIC || footer[4] & 0x7f || len + sizeof(head) > (uint64_t)end)
		return index_is_wrong("seek table: its footer is damaged", err);
	t->start = (uint64_t)end - len;
	r = read_file_bytes(fd, head, sizeof(head), t->start - sizeof(head), err);
	if (r < 0)
		return r;
	if (get_le32(head) != FRAME_SKIPPABLE_SEEK_TABLE || get_le32(head + 4) != len)
		return index_is_wrong("seek table: its length is not what the frames need", err);
	return 0;
}

/* A walk over the seek table, and the frames that it looks for. */
struct walk {
	const struct vma_reader *reader;
	uint64_t sum;
	struct place last;
	struct buf wanted; /* uint64_t: ascending numbers of frames */
	struct buf places; /* struct place of each */
};

static void visit_entry(struct walk *w, uint64_t number, uint64_t offset, const uint8_t *entry)
{
	const struct place p = { .offset = offset, .size = get_le32(entry) };
	size_t done = w->places.len / sizeof(p);
	uint64_t next;

	w->sum = vma_sum_frame(vma_reader_stats(w->reader)->sum_seed, w->sum, p.size, get_le32(entry + 4));
	w->last = p;
	if (done >= w->wanted.len / sizeof(next))
		return;
	memcpy(&next, w->wanted.data + done * sizeof(next), sizeof(next));
	if (next == number)
		buf_add(&w->places, &p, sizeof(p));
}

static int walk_table(const struct seek_table *t, struct walk *w, struct error **err)
{
	_cleanup_free_ uint8_t *entries = xmalloc((size_t)ENTRIES * t->entry_size);
	uint64_t offset = 0;

	for (uint32_t i = 0; i < t->n;) {
		uint32_t n = t->n - i < ENTRIES ? t->n - i : ENTRIES;
		int r = read_file_bytes(t->fd, entries, (size_t)n * t->entry_size,
					t->start + (uint64_t)i * t->entry_size, err);

		if (r < 0)
			return r;
		for (uint32_t k = 0; k < n; k++, i++) {
			const uint8_t *entry = entries + (size_t)k * t->entry_size;

			visit_entry(w, i, offset, entry);
			offset += get_le32(entry);
		}
	}
	return 0;
}

/* Reads and unpacks the part of the index at that place. */
static int load_index(const struct walk *w, int fd, struct place p, uint16_t kind, struct buf *ret,
		      struct error **err)
{
	_cleanup_buf_ struct buf raw = BUF_INIT;
	int r;

	if (p.size > VMA_INDEX_UNPACKED_MAX)
		return index_is_wrong("index: a part of it is too large", err);
	r = read_file_bytes(fd, buf_reserve(&raw, (size_t)p.size), (size_t)p.size, p.offset, err);
	if (r < 0)
		return r;
	return vma_index_unpack((const uint8_t *)raw.data, (size_t)p.size, vma_reader_header(w->reader)->uuid,
				kind, ret, err);
}

static int check_header(const struct vma_reader *reader, const uint8_t **at, const uint8_t *end,
			struct error **err)
{
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_buf_ struct buf have = BUF_INIT, want = BUF_INIT;
	uint64_t len;
	int r;

	if (!varint_get(at, end, &len) || len > (uint64_t)(end - *at))
		return index_is_wrong("index: it is cut off", err);
	r = vma_header_decode(*at, (size_t)len, &h, err);
	if (r < 0)
		return error_wrap(err, r, "index");
	*at += len;
	vma_header_encode(&h, &have);
	vma_header_encode(vma_reader_header(reader), &want);
	if (have.len != want.len || memcmp(have.data, want.data, want.len) != 0)
		return index_is_wrong("index: its copy of the header is another one", err);
	return 0;
}

static int check_device(const struct vma_reader *reader, const uint8_t **at, const uint8_t *end,
			struct error **err)
{
	uint64_t data, zero;
	const struct vma_device *d;
	uint8_t dev;

	if (*at == end)
		return index_is_wrong("index: it is cut off", err);
	dev = *(*at)++;
	d = &vma_reader_header(reader)->devices[dev];
	if (!varint_get(at, end, &data) || !varint_get(at, end, &zero) || !d->name)
		return index_is_wrong("index: it is cut off, or names a disk that is not there", err);
	if (data != vma_reader_stats(reader)->data_bytes[dev] || zero != d->size - data)
		return error_set(err, ERR_CORRUPT, "index: its totals of %s are wrong", d->name);
	return 0;
}

static int take_parts(struct walk *w, const uint8_t **at, const uint8_t *end, struct buf *counts,
		      struct error **err)
{
	uint64_t n, frame = 0, delta, clusters;

	if (!varint_get(at, end, &n) || n > (uint64_t)(end - *at))
		return index_is_wrong("index: it is cut off", err);
	for (uint64_t i = 0; i < n; i++) {
		if (!varint_get(at, end, &delta) || !varint_get(at, end, &clusters))
			return index_is_wrong("index: it is cut off", err);
		frame += delta;
		buf_add(&w->wanted, &frame, sizeof(frame));
		buf_add(counts, &clusters, sizeof(clusters));
	}
	return *at == end ? 0 : index_is_wrong("index: it is too long", err);
}

static int check_root(struct walk *w, int fd, struct buf *counts, struct error **err)
{
	_cleanup_buf_ struct buf root = BUF_INIT;
	const uint8_t *at, *end;
	uint64_t size, devices;
	int r = load_index(w, fd, w->last, VMA_INDEX_ROOT, &root, err);

	if (r < 0)
		return r;
	at = (const uint8_t *)buf_str(&root);
	end = at + root.len;
	r = check_header(w->reader, &at, end, err);
	if (r < 0)
		return r;
	if (!varint_get(&at, end, &size) || !varint_get(&at, end, &devices))
		return index_is_wrong("index: it is cut off", err);
	if (size != vma_reader_stats(w->reader)->vma_bytes)
		return index_is_wrong("index: its size of the archive is wrong", err);
	for (uint64_t i = 0; r == 0 && i < devices; i++)
		r = check_device(w->reader, &at, end, err);
	return r < 0 ? r : take_parts(w, &at, end, counts, err);
}

/* Adds the clusters of a part.  Stops at as many as the archive stores, whatever the index claims. */
static int sum_part(const struct walk *w, const struct buf *part, uint64_t *sum, uint64_t *total,
		    struct error **err)
{
	struct vma_index_cursor c = { .at = (const uint8_t *)buf_str(part),
				      .end = (const uint8_t *)buf_str(part) + part->len };
	struct vma_index_run run;
	int r;

	while ((r = vma_index_next(&c, &run, err)) > 0) {
		if (run.n > vma_reader_stats(w->reader)->stored_clusters - *total)
			return index_is_wrong("index: it names more clusters than there are", err);
		*total += run.n;
		for (uint64_t i = run.first; i < run.first + run.n; i++)
			*sum = vma_sum_cluster(vma_reader_stats(w->reader)->sum_seed, *sum, run.frame,
					       vma_cluster_key(run.dev, (uint32_t)i));
	}
	return r;
}

static int check_parts(const struct walk *w, int fd, const struct buf *counts, struct error **err)
{
	size_t n = counts->len / sizeof(uint64_t);
	uint64_t sum = 0, total = 0;

	if (w->places.len / sizeof(struct place) != n)
		return index_is_wrong("index: a part of it is not in the archive", err);
	for (size_t i = 0; i < n; i++) {
		_cleanup_buf_ struct buf part = BUF_INIT;
		uint64_t before = total, count;
		struct place p;
		int r;

		memcpy(&p, w->places.data + i * sizeof(p), sizeof(p));
		memcpy(&count, counts->data + i * sizeof(count), sizeof(count));
		r = load_index(w, fd, p, VMA_INDEX_PART, &part, err);
		if (r == 0)
			r = sum_part(w, &part, &sum, &total, err);
		if (r < 0)
			return r;
		if (total - before != count)
			return index_is_wrong("index: a part of it has another number of clusters", err);
	}
	if (total != vma_reader_stats(w->reader)->stored_clusters ||
	    sum != vma_reader_stats(w->reader)->clusters_sum)
		return index_is_wrong("index: it finds clusters in other frames than they are in", err);
	return 0;
}

static bool has_index(int fd, struct place root)
{
	uint8_t magic[4];

	return root.size >= sizeof(magic) && read_file_bytes(fd, magic, 4, root.offset, NULL) == 0 &&
	       get_le32(magic) == FRAME_SKIPPABLE_VMA_INDEX;
}

static int check_table(const struct seek_table *t, struct walk *w, bool *ret_index, struct error **err)
{
	_cleanup_buf_ struct buf counts = BUF_INIT;
	int r = walk_table(t, w, err);

	if (r < 0)
		return r;
	if (t->n != vma_reader_stats(w->reader)->frames || w->sum != vma_reader_stats(w->reader)->frames_sum)
		return index_is_wrong("seek table: it does not agree with the frames of the archive", err);
	*ret_index = has_index(t->fd, w->last);
	if (!*ret_index)
		return 0;
	r = check_root(w, t->fd, &counts, err);
	if (r == 0)
		r = walk_table(t, w, err);
	return r < 0 ? r : check_parts(w, t->fd, &counts, err);
}

int vma_index_check(int fd, const struct vma_reader *reader, bool *ret_index, struct error **err)
{
	struct seek_table t = { 0 };
	struct walk w = { .reader = reader };
	int r = open_table(fd, &t, err);

	*ret_index = false;
	if (r == 0)
		r = check_table(&t, &w, ret_index, err);
	buf_clear(&w.wanted);
	buf_clear(&w.places);
	return r;
}
