/* The base of an incremental backup: what it says is what is in it, and nothing in it is trusted. */
#include <errno.h>
#include <inttypes.h>

#include "vma/base.h"
#include "vma/format-internal.h"
#include "vma/index.h"
#include "vma/reader.h"

#include "tap.h"
#include "vma-pieces.h"

#define ALIGN 4096u

static struct disk disks[3] = {
	{ .name = "drive-scsi0", .size = (40u << 20) + 512 },
	{ .name = "drive-efidisk0", .size = 540672 },
	{ .name = "drive-scsi1", .size = (9u << 20) + 4095 },
};

static bool says(const struct error *err, const char *text)
{
	if (err && strstr(err->message, text))
		return true;
	diag("got: %s", error_message(err));
	return false;
}

static int open_bytes(const struct buf *file, struct vma_base **ret, struct error **err)
{
	return vma_base_open(chained_open(file->data, file->len), "old.vma.zst", ret, err);
}

/* ---- what is in it ---- */

/* Clusters of one disk in frames of all sizes, with their extents in no order. */
static void add_shuffled(struct chained *c, uint8_t dev)
{
	const uint32_t n = (uint32_t)vma_clusters(c->disks[dev].size);
	_cleanup_free_ struct chained_cluster *data = xcalloc(n, sizeof(*data));
	uint8_t cluster[VMA_CLUSTER_SIZE];
	unsigned n_data = 0, size = 1;
	uint32_t seed = 5;

	for (uint32_t i = 0; i < n; i++) {
		const struct chained_cluster at = { dev, i };

		chained_content(c, at, cluster);
		if (chained_mask(cluster))
			data[n_data++] = at;
		else
			chained_zeroes(c, &at, 1);
	}
	for (unsigned i = n_data; i > 1; i--) {
		unsigned k = disk_random(&seed) % i;
		struct chained_cluster at = data[k];

		data[k] = data[i - 1];
		data[i - 1] = at;
	}
	for (unsigned at = 0; at < n_data; at += size) {
		size = 1 + disk_random(&seed) % VMA_CLUSTERS_PER_EXTENT;
		size = size < n_data - at ? size : n_data - at;
		chained_data(c, data + at, size);
	}
}

/* All disks; disk 2 is shuffled.  Parts of the index stand between the frames if `spread`. */
static void make_archive(struct chained *c, uint32_t align, bool spread)
{
	chained_begin(c, disks, 3, align);
	if (spread) {
		c->index.part_max = 40;
		c->index.held_max = 0;
	}
	chained_disk(c, 1, 8);
	chained_disk(c, 2, VMA_CLUSTERS_PER_EXTENT);
	add_shuffled(c, 3);
	chained_finish(c);
}

static int ignore(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		  struct error **err)
{
	const struct chained *c = opaque;

	(void)err;
	return memcmp(c->disks[dev].data + offset, data, len) == 0 ? 0 : ERR_CORRUPT;
}

/* Readers that know nothing of chains find a good archive, and the disks in it. */
static void check_reader(struct chained *c, const char *name)
{
	const struct vma_receiver receiver = { .data = ignore };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_close_ int fd = chained_open(c->file.data, c->file.len);
	bool index = false;
	int r = vma_reader_new(fd, 2, NULL, &reader, &err);

	if (r == 0)
		r = vma_reader_run(reader, &receiver, c, &err);
	if (r == 0)
		r = vma_index_check(fd, reader, &index, &err);
	ok(r == 0 && index, "%s: readers that know nothing of chains find it whole %s", name,
	   err ? error_message(err) : "");
}

/* Each cluster that stores something has a frame, and rows end where they say. */
static void check_find(const struct vma_base *b, const struct chained *c, uint8_t dev, const char *name)
{
	const uint32_t n = (uint32_t)vma_clusters(c->disks[dev].size);
	uint8_t cluster[VMA_CLUSTER_SIZE];
	uint32_t frame = 0, left = 0, row;
	bool good = true;

	for (uint32_t i = 0; good && i < n; i++, left--) {
		const uint32_t now = vma_base_find(b, dev, i, &row);

		chained_content(c, (struct chained_cluster){ dev, i }, cluster);
		good = row && (now == VMA_BASE_NONE) == !chained_mask(cluster);
		if (left)
			good = good && now == frame && row == left;
		else
			left = row;
		frame = now;
	}
	ok(good, "%s: device %u: a cluster that stores something has a frame, others have none", name, dev);
	ok(vma_base_find(b, dev, n, &row) == VMA_BASE_NONE && row == -n,
	   "%s: device %u: behind its end all is zero", name, dev);
}

/* What the trailer says of an entry is true of the disk. */
static bool entry_is_right(const struct chained *c, const struct vma_trailer_entry *e)
{
	uint8_t cluster[VMA_CLUSTER_SIZE], hash[VMA_HASH_SIZE];

	chained_content(c, (struct chained_cluster){ (uint8_t)(e->key >> 32), (uint32_t)e->key }, cluster);
	vma_hash_cluster(&c->chain.secret, cluster, hash);
	return e->mask == chained_mask(cluster) && memcmp(e->hash, hash, sizeof(hash)) == 0;
}

static bool blocks_are_right(const struct chained *c, const struct vma_trailer_entry *e,
			     const uint8_t *blocks)
{
	uint8_t cluster[VMA_CLUSTER_SIZE];

	chained_content(c, (struct chained_cluster){ (uint8_t)(e->key >> 32), (uint32_t)e->key }, cluster);
	for (unsigned i = 0; i < VMA_CLUSTER_BLOCKS; i++) {
		if (!(e->mask >> i & 1))
			continue;
		if (memcmp(blocks, cluster + (size_t)i * VMA_BLOCK_SIZE, VMA_BLOCK_SIZE) != 0)
			return false;
		blocks += VMA_BLOCK_SIZE;
	}
	return true;
}

/* One data frame: its place, its trailer, what is in it. */
static bool frame_is_right(struct vma_base *b, const struct chained *c, uint32_t frame,
			   struct vma_base_unpacked *u)
{
	struct vma_base_span p;
	struct vma_trailer t;
	struct error *err = NULL;
	bool good = vma_base_trailer(b, frame, &t, &err) == 0 && vma_base_unpack(b, frame, u, &err) == 0 &&
		    t.n == vma_base_frame_clusters(b, frame) && u->trailer.n == t.n;

	vma_base_span(b, frame, &p);
	good = good && p.offset == chained_offset(c, frame) &&
	       p.offset + p.frame == chained_offset(c, frame + 1) &&
	       p.offset + p.frame + p.trailer == chained_offset(c, frame + 2) &&
	       (p.offset + p.frame + p.trailer) % c->chain.align == 0;
	for (unsigned i = 0; good && i < t.n; i++)
		good = t.entries[i].key == u->trailer.entries[i].key &&
		       t.entries[i].key >> 32 == vma_base_frame_dev(b, frame) &&
		       entry_is_right(c, &t.entries[i]) && entry_is_right(c, &u->trailer.entries[i]) &&
		       blocks_are_right(c, &t.entries[i], u->blocks[i]);
	if (!good)
		diag("frame %" PRIu32 ": %s", frame, error_message(err));
	error_free(err);
	return good;
}

static void check_frames(struct vma_base *b, const struct chained *c, const char *name)
{
	struct vma_base_unpacked u;
	unsigned data = 0;
	bool good = vma_base_unpacked_init(&u, NULL) == 0;

	for (uint32_t frame = 0; good && frame < vma_base_frames(b); frame++) {
		if (!vma_base_frame_dev(b, frame)) {
			good = vma_base_frame_clusters(b, frame) == 0;
			continue;
		}
		data++;
		good = frame_is_right(b, c, frame, &u);
	}
	ok(good && data > 30, "%s: places, trailers, hashes and data of %u data frames", name, data);
	vma_base_unpacked_clear(&u);
}

/* The walk through a device (0: all) passes each stored cluster once, with its frame. */
static void check_walk(const struct vma_base *b, const struct chained *c, uint8_t dev, const char *name)
{
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = vma_base_walk_new(b, dev);
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	uint8_t cluster[VMA_CLUSTER_SIZE];
	unsigned n, passed = 0, stored = 0;
	uint32_t frame, last = 0, row;
	bool good = true;

	while (vma_base_walk_next(w, &frame, keys, &n)) {
		good = good && frame > last && n == vma_base_frame_clusters(b, frame);
		for (unsigned i = 0; i < n; i++)
			good = good && (!dev || keys[i] >> 32 == dev) && (!i || keys[i] > keys[i - 1]) &&
			       vma_base_find(b, (uint8_t)(keys[i] >> 32), (uint32_t)keys[i], &row) == frame;
		passed += n;
		last = frame;
	}
	for (unsigned i = 1; i <= 3; i++) {
		for (uint32_t k = 0; (!dev || i == dev) && k < vma_clusters(c->disks[i].size); k++) {
			chained_content(c, (struct chained_cluster){ (uint8_t)i, k }, cluster);
			stored += chained_mask(cluster) != 0;
		}
	}
	ok(good && passed == stored && stored > 0, "%s: the walk through device %u passes %u clusters of %u",
	   name, dev, passed, stored);
}

static void check_archive(uint32_t align, bool spread, const char *name)
{
	_cleanup_(vma_base_freep) struct vma_base *b = NULL;
	_cleanup_(chained_clear) struct chained c;
	_cleanup_error_ struct error *err = NULL;
	uint32_t row;

	make_archive(&c, align, spread);
	check_reader(&c, name);
	if (!ok(open_bytes(&c.file, &b, &err) == 0, "%s: opened", name)) {
		diag("%s", error_message(err));
		return;
	}
	ok(!strcmp(vma_base_name(b), "old.vma.zst") && vma_base_file_size(b) == c.file.len &&
		   vma_base_frames(b) == c.n_frames && vma_base_chain(b)->align == align &&
		   !memcmp(vma_base_chain(b)->gen, c.chain.gen, VMA_GEN_SIZE) &&
		   !strcmp(vma_base_header(b)->devices[3].name, "drive-scsi1") && vma_base_fd(b) >= 0,
	   "%s: name, size, header and chain", name);
	for (uint8_t dev = 1; dev <= 3; dev++) {
		check_find(b, &c, dev, name);
		check_walk(b, &c, dev, name);
	}
	check_walk(b, &c, 0, name);
	check_frames(b, &c, name);
	ok(vma_base_find(b, 77, 0, &row) == VMA_BASE_NONE && row == UINT32_MAX,
	   "%s: a device that it does not have is zero", name);
}

/* ---- threads ---- */

struct asking {
	struct vma_base *b;
	const struct chained *c;
	uint32_t seed;
	unsigned wrong;
};

static void *ask_many(void *arg)
{
	struct asking *a = arg;
	struct vma_base_unpacked u;

	if (vma_base_unpacked_init(&u, NULL) < 0)
		a->wrong++;
	for (unsigned i = 0; i < 2000; i++) {
		const uint32_t cluster = disk_random(&a->seed) % 640;
		uint32_t row, frame = vma_base_find(a->b, 1, cluster, &row);
		const struct vma_trailer_entry *e;
		struct vma_trailer t;

		if (frame == VMA_BASE_NONE)
			continue;
		if (i % 50 == 0 && !frame_is_right(a->b, a->c, frame, &u))
			a->wrong++;
		e = vma_base_trailer(a->b, frame, &t, NULL) == 0
			    ? vma_trailer_find(&t, vma_cluster_key(1, cluster))
			    : NULL;
		if (!e || !entry_is_right(a->c, e))
			a->wrong++;
	}
	vma_base_unpacked_clear(&u);
	return NULL;
}

/* There are more frames than the cache of trailers has places. */
static void ask_by_threads(void)
{
	_cleanup_(vma_base_freep) struct vma_base *b = NULL;
	_cleanup_(chained_clear) struct chained c;
	struct asking a[4];
	pthread_t ids[4];
	unsigned wrong = 0;

	chained_begin(&c, disks, 3, ALIGN);
	chained_disk(&c, 1, 1);
	chained_finish(&c);
	if (!ok(open_bytes(&c.file, &b, NULL) == 0 && vma_base_frames(b) > 800, "many frames"))
		return;
	for (uint32_t i = 0; i < 4; i++) {
		a[i] = (struct asking){ .b = b, .c = &c, .seed = i + 1 };
		pthread_create(&ids[i], NULL, ask_many, &a[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(ids[i], NULL);
		wrong += a[i].wrong;
	}
	ok(wrong == 0, "four threads get the right trailers at once (%u wrong)", wrong);
}

/* ---- what is no base ---- */

static void check_refused(const struct buf *file, int code, const char *text, const char *name)
{
	_cleanup_(vma_base_freep) struct vma_base *b = NULL;
	_cleanup_error_ struct error *err = NULL;
	int r = open_bytes(file, &b, &err);

	ok(r == code && !b && says(err, "base 'old.vma.zst': ") && says(err, text), "%s is no base: %s", name,
	   text);
}

static void check_others(void)
{
	_cleanup_(chained_clear) struct chained c;
	_cleanup_buf_ struct buf other = BUF_INIT;

	check_refused(&other, ERR_UNSUPPORTED, "it belongs to no chain", "an empty file");
	for (unsigned i = 0; i < 100; i++)
		buf_adds(&other, "something ");
	check_refused(&other, ERR_UNSUPPORTED, "it belongs to no chain", "a text");
	chained_begin(&c, disks, 3, ALIGN);
	c.no_chain = true;
	chained_disk(&c, 1, 8);
	chained_finish(&c);
	check_refused(&c.file, ERR_UNSUPPORTED, "it belongs to no chain", "an archive without a chain frame");
}

/* ---- a base that lies ---- */

/*
 * An archive of disk 1 whose second data frame, of clusters 2, 3 and 5, is changed by `piece` before it is
 * written, and the whole by `file` before it is finished.  Returns that frame's number.
 */
struct lie {
	const char *name, *text; /* what the error must say */
	void (*piece)(struct chained_piece *p);
	void (*file)(struct chained *c, uint32_t frame);
	bool alone; /* nothing is written behind it by itself */
};

static uint32_t make_lie(struct chained *c, const struct lie *lie)
{
	const struct chained_cluster first[] = { { 1, 0 } }, list[] = { { 1, 5 }, { 1, 2 }, { 1, 3 } };
	struct chained_piece p;
	uint32_t frame;

	chained_begin(c, disks, 3, ALIGN);
	chained_data(c, first, 1);
	chained_piece(c, list, 3, &p);
	if (lie->piece)
		lie->piece(&p);
	frame = chained_put(c, &p);
	chained_piece_clear(&p);
	if (!lie->alone)
		chained_range(c, 1, 6, 100, 8);
	if (lie->file)
		lie->file(c, frame);
	chained_finish(c);
	return frame;
}

static uint8_t *table_entry(struct chained *c, uint32_t frame)
{
	return (uint8_t *)c->table.data + (size_t)frame * SEEKTABLE_ENTRY_SIZE;
}

/* Replaces the infos of an extent. */
static void put_infos(struct chained_piece *p, const struct vma_block_info *infos, const uint8_t *uuid)
{
	vma_extent_header_encode((uint8_t *)p->extent.data, uuid, infos);
}

static void get_infos(const struct chained_piece *p, struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT],
		      uint8_t uuid[VMA_UUID_SIZE])
{
	memcpy(uuid, p->extent.data + VMA_E_UUID, VMA_UUID_SIZE);
	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++)
		infos[i] = vma_block_info_decode((const uint8_t *)p->extent.data, i);
}

/* -- found when it is opened -- */

static void key_twice(struct chained *c, uint32_t frame)
{
	const struct chained_cluster at = { 1, 2 };

	(void)frame;
	chained_data(c, &at, 1);
}

static void key_behind_end(struct chained_piece *p)
{
	p->keys[2] = vma_cluster_key(1, 641);
}

static void key_of_no_device(struct chained_piece *p)
{
	p->keys[2] = vma_cluster_key(9, 0);
}

static void two_disks(struct chained_piece *p)
{
	p->keys[2] = vma_cluster_key(2, 0);
}

static void too_many_clusters(struct chained *c, uint32_t frame)
{
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];

	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++)
		keys[i] = vma_cluster_key(1, 200 + i);
	if (vma_index_seal(&c->index, c->e, NULL) < 0 ||
	    vma_index_add(&c->index, frame, keys, VMA_CLUSTERS_PER_EXTENT, c->e, NULL) < 0)
		abort();
}

static void clusters_of_frame(struct chained *c, uint32_t frame)
{
	const uint64_t key = vma_cluster_key(1, 200);

	if (vma_index_seal(&c->index, c->e, NULL) < 0 ||
	    vma_index_add(&c->index, frame, &key, 1, c->e, NULL) < 0)
		abort();
}

static void clusters_in_header(struct chained *c, uint32_t frame)
{
	(void)frame;
	clusters_of_frame(c, 0);
}

static void clusters_in_trailer(struct chained *c, uint32_t frame)
{
	clusters_of_frame(c, frame + 1);
}

static void clusters_in_pad(struct chained *c, uint32_t frame)
{
	(void)frame;
	clusters_of_frame(c, c->n_frames - 1);
}

/* The index will get one more part, the chain frame and the root behind this. */
static void clusters_in_chain(struct chained *c, uint32_t frame)
{
	(void)frame;
	clusters_of_frame(c, c->n_frames + 2);
}

static void no_trailer(struct chained *c, uint32_t frame)
{
	const struct chained_cluster at = { 1, 200 };
	struct chained_piece p;

	(void)frame;
	chained_piece(c, &at, 1, &p);
	frame = chained_pack(c, &p.extent);
	chained_piece_clear(&p);
	chained_data(c, &(struct chained_cluster){ 1, 201 }, 1);
	clusters_of_frame(c, frame);
}

static void off_boundary(struct chained *c, uint32_t frame)
{
	uint8_t pad[16];

	(void)frame;
	vma_pad_encode(pad, sizeof(pad));
	chained_frame(c, pad, sizeof(pad), 0);
	chained_data(c, &(struct chained_cluster){ 1, 200 }, 1);
}

/* Moves the end of the frame's trailer. */
static void short_trailer(struct chained *c, uint32_t frame)
{
	put_le32(table_entry(c, frame + 1), get_le32(table_entry(c, frame + 1)) - 8);
	put_le32(table_entry(c, frame + 2), get_le32(table_entry(c, frame + 2)) + 8);
}

/* Moves the end of the frame into its trailer. */
static void small_trailer(struct chained *c, uint32_t frame)
{
	const uint32_t len = get_le32(table_entry(c, frame + 1));

	put_le32(table_entry(c, frame), get_le32(table_entry(c, frame)) + len - 16);
	put_le32(table_entry(c, frame + 1), 16);
}

static void trailer_with_content(struct chained *c, uint32_t frame)
{
	put_le32(table_entry(c, frame + 1) + 4, 1);
}

static void content_huge(struct chained *c, uint32_t frame)
{
	put_le32(table_entry(c, frame) + 4, UINT32_MAX);
}

static void content_small(struct chained *c, uint32_t frame)
{
	put_le32(table_entry(c, frame) + 4, VMA_EXTENT_HEADER_SIZE + 2 * VMA_BLOCK_SIZE);
}

static void frame_huge(struct chained *c, uint32_t frame)
{
	put_le32(table_entry(c, frame), get_le32(table_entry(c, frame)) + 64 * VMA_EXTENT_MAX_SIZE);
}

/* Several data frames are taken for one. */
static void frame_too_long(struct chained *c, uint32_t frame)
{
	uint32_t len = get_le32(table_entry(c, frame));

	for (uint32_t i = frame + 2; i < frame + 20; i++) {
		len += get_le32(table_entry(c, i));
		put_le32(table_entry(c, i), 0);
	}
	put_le32(table_entry(c, frame), len);
}

static void other_chain_uuid(struct chained *c, uint32_t frame)
{
	(void)frame;
	c->chain_uuid[3] ^= 1;
}

static void align_zero(struct chained *c, uint32_t frame)
{
	(void)frame;
	c->chain.align = 0;
}

static void align_odd(struct chained *c, uint32_t frame)
{
	(void)frame;
	c->chain.align = 3 * 4096;
}

static void align_other(struct chained *c, uint32_t frame)
{
	(void)frame;
	c->chain.align = VMA_CHAIN_MAX_ALIGN;
}

static void table_short(struct chained *c, uint32_t frame)
{
	put_le32(table_entry(c, frame), get_le32(table_entry(c, frame)) - 1);
}

/* The copy in the root, and the root itself. */
static void other_uuid(struct chained *c, uint32_t frame)
{
	(void)frame;
	c->h.uuid[3] ^= 1;
	c->index.uuid[3] ^= 1;
	c->chain_uuid[3] ^= 1;
}

static void header_is_none(struct chained *c, uint32_t frame)
{
	(void)frame;
	c->file.data[0] = (char)(c->file.data[0] ^ 1);
}

static void header_huge(struct chained *c, uint32_t frame)
{
	(void)frame;
	put_le32(table_entry(c, 0) + 4, UINT32_MAX);
}

static const struct lie lies_at_open[] = {
	{ "a cluster in two frames", "cluster 2 comes twice", NULL, key_twice, false },
	{ "a cluster behind the end", "a cluster lies beyond its end", key_behind_end, NULL, false },
	{ "a cluster of no device", "device 9 is not in the header", key_of_no_device, NULL, false },
	{ "a frame of two disks", "stores clusters of two disks", two_disks, NULL, false },
	{ "62 clusters in a frame", "stores more clusters than an extent", NULL, too_many_clusters, false },
	{ "clusters in the header's frame", "frame 0 has no trailer", NULL, clusters_in_header, false },
	{ "clusters in a trailer", "has no trailer", NULL, clusters_in_trailer, false },
	{ "clusters in a pad", "are not between boundaries", NULL, clusters_in_pad, false },
	{ "clusters in the chain frame", "has no trailer", NULL, clusters_in_chain, false },
	{ "no trailer", "has no trailer", NULL, no_trailer, false },
	{ "a frame beside a boundary", "are not between boundaries", NULL, off_boundary, false },
	{ "a trailer that ends before the boundary", "are not between boundaries", NULL, short_trailer,
	  false },
	{ "a trailer without room", "is not followed by its trailer", NULL, small_trailer, false },
	{ "a trailer with content", "is not followed by its trailer", NULL, trailer_with_content, false },
	{ "an extent of 4 GiB", "has a size that its clusters cannot have", NULL, content_huge, false },
	{ "an extent without blocks", "has a size that its clusters cannot have", NULL, content_small,
	  false },
	{ "a frame beyond the end", "its frames do not fill the file", NULL, frame_huge, false },
	{ "a frame as long as twenty", "frame ", NULL, frame_too_long, false },
	{ "a chain frame of another uuid", "chain: its uuid is that of another archive", NULL,
	  other_chain_uuid, false },
	{ "frames at multiples of 0", "begin at multiples of no valid number", NULL, align_zero, true },
	{ "frames at multiples of 12288", "begin at multiples of no valid number", NULL, align_odd, true },
	{ "frames at multiples of 131072", "are not between boundaries", NULL, align_other, true },
	{ "a seek table that is one byte short", "its frames do not fill the file", NULL, table_short,
	  false },
	{ "a header with another uuid", "its header and its index have different uuids", NULL, other_uuid,
	  false },
	{ "a header that is none", "base 'old.vma.zst': ", NULL, header_is_none, false },
	{ "a header of 4 GiB", "its first frame is no header", NULL, header_huge, false },
};

static void lies_that_opening_finds(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lies_at_open); i++) {
		_cleanup_(chained_clear) struct chained c;

		make_lie(&c, &lies_at_open[i]);
		check_refused(&c.file, ERR_CORRUPT, lies_at_open[i].text, lies_at_open[i].name);
	}
}

/* -- found in the trailer -- */

static void other_cluster(struct chained_piece *p)
{
	p->t.entries[2].key = vma_cluster_key(1, 4);
}

static void other_disk(struct chained_piece *p)
{
	p->t.entries[2].key = vma_cluster_key(2, 5);
}

static void fewer_entries(struct chained_piece *p)
{
	p->t.n = 2;
}

static void more_entries(struct chained_piece *p)
{
	p->t.entries[p->t.n] = p->t.entries[p->t.n - 1];
	p->t.entries[p->t.n++].key++;
}

static void more_blocks(struct chained_piece *p)
{
	for (unsigned i = 0; i < p->t.n; i++)
		p->t.entries[i].mask = VMA_MASK_ALL;
}

static void no_blocks(struct chained_piece *p)
{
	p->t.entries[1].mask = 0;
}

static void no_order(struct chained_piece *p)
{
	const struct vma_trailer_entry e = p->t.entries[0];

	p->t.entries[0] = p->t.entries[1];
	p->t.entries[1] = e;
}

static void entry_twice(struct chained_piece *p)
{
	p->t.entries[1] = p->t.entries[0];
}

/* Changes a byte of the frame's trailer. */
static void hurt_trailer(struct chained *c, uint32_t frame)
{
	char *at = c->file.data + chained_offset(c, frame + 1) + 9;

	*at = (char)(*at ^ 1);
}

static void hurt_trailer_end(struct chained *c, uint32_t frame)
{
	c->file.data[chained_offset(c, frame + 2) - 1] = 1;
}

/* The last cluster of the disk has one block. */
static void blocks_behind_end(struct chained *c, uint32_t frame)
{
	const struct chained_cluster at = { 3, 144 };
	struct chained_piece p;

	(void)frame;
	chained_piece(c, &at, 1, &p);
	p.t.entries[0].mask = 2;
	chained_put(c, &p);
	chained_piece_clear(&p);
}

static const struct lie lies_in_trailer[] = {
	{ "a trailer with another cluster", "names other clusters than the index", other_cluster, NULL,
	  false },
	{ "a trailer with another disk", "names other clusters than the index", other_disk, NULL, false },
	{ "a trailer with fewer clusters", "another number of clusters than the index", fewer_entries, NULL,
	  false },
	{ "a trailer with more clusters", "another number of clusters than the index", more_entries, NULL,
	  false },
	{ "a trailer with more blocks", "another number of blocks than the frame", more_blocks, NULL, false },
	{ "a trailer with a zero cluster", "has no device or no blocks", no_blocks, NULL, false },
	{ "a trailer in no order", "its entries do not ascend", no_order, NULL, false },
	{ "a trailer with a cluster twice", "its entries do not ascend", entry_twice, NULL, false },
	{ "a trailer that is none", "it does not begin as one", NULL, hurt_trailer, false },
	{ "a trailer with more behind it", "something follows its entries", NULL, hurt_trailer_end, false },
};

/* Opens the archive, whose trailer of that frame gives an error, also for unpacking. */
static void check_trailer_lie(const struct chained *c, uint32_t frame, const char *text, const char *name)
{
	_cleanup_(vma_base_freep) struct vma_base *b = NULL;
	_cleanup_error_ struct error *err = NULL, *unpacking = NULL;
	struct vma_base_unpacked u;
	struct vma_trailer t;
	bool good = vma_base_unpacked_init(&u, NULL) == 0 && open_bytes(&c->file, &b, &err) == 0;

	ok(good && vma_base_trailer(b, frame, &t, &err) == ERR_CORRUPT &&
		   says(err, "base 'old.vma.zst': frame ") && says(err, text) &&
		   vma_base_unpack(b, frame, &u, &unpacking) == ERR_CORRUPT && says(unpacking, text) &&
		   !u.trailer.n,
	   "%s is found: %s", name, text);
	ok(good && frame_is_right(b, c, 2, &u), "%s: the frame before it is right", name);
	vma_base_unpacked_clear(&u);
}

static void lies_that_trailers_show(void)
{
	const struct lie last = { NULL, NULL, NULL, blocks_behind_end, false };
	_cleanup_(chained_clear) struct chained cut;

	for (size_t i = 0; i < ARRAY_SIZE(lies_in_trailer); i++) {
		const struct lie *lie = &lies_in_trailer[i];
		_cleanup_(chained_clear) struct chained c;
		uint32_t frame = make_lie(&c, lie);

		check_trailer_lie(&c, frame, lie->text, lie->name);
	}
	make_lie(&cut, &last);
	/* before it stand its trailer, a part of the index, chain frame and root */
	check_trailer_lie(&cut, cut.n_frames - 5, "names blocks behind the end of the disk",
			  "a trailer with blocks behind the end");
}

/* -- found when the frame is unpacked -- */

static void other_mask(struct chained_piece *p)
{
	uint16_t *mask = &p->t.entries[0].mask;

	/* as many blocks as before */
	*mask = (uint16_t)(*mask << 1 | *mask >> 15);
}

static void other_hash(struct chained_piece *p)
{
	p->t.entries[1].hash[15] ^= 1;
}

static void other_data(struct chained_piece *p)
{
	p->extent.data[VMA_EXTENT_HEADER_SIZE + 5] ^= 1;
}

static void other_extent_uuid(struct chained_piece *p)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT];
	uint8_t uuid[VMA_UUID_SIZE];

	get_infos(p, infos, uuid);
	uuid[0] ^= 1;
	put_infos(p, infos, uuid);
}

static void extent_md5(struct chained_piece *p)
{
	p->extent.data[VMA_E_MD5] ^= 1;
}

/* Cluster 5 stands there for cluster 2, too, whose entry has the same blocks. */
static void cluster_twice(struct chained_piece *p)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT];
	uint8_t uuid[VMA_UUID_SIZE];
	size_t blocks = 0, len;

	get_infos(p, infos, uuid);
	infos[1] = infos[0];
	p->t.entries[0].mask = infos[0].mask;
	put_infos(p, infos, uuid);
	for (unsigned i = 0; i < 3; i++)
		blocks += (unsigned)__builtin_popcount(infos[i].mask);
	len = VMA_EXTENT_HEADER_SIZE + blocks * VMA_BLOCK_SIZE;
	while (p->extent.len < len)
		buf_addc(&p->extent, 'x');
	p->extent.len = len;
}

static void zero_cluster(struct chained_piece *p)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT];
	uint8_t uuid[VMA_UUID_SIZE];

	get_infos(p, infos, uuid);
	infos[20] = (struct vma_block_info){ .dev = 1, .cluster = 4 };
	put_infos(p, infos, uuid);
}

static void missing_in_extent(struct chained_piece *p)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT];
	uint8_t uuid[VMA_UUID_SIZE];

	get_infos(p, infos, uuid);
	infos[2].cluster = 77;
	put_infos(p, infos, uuid);
}

static void hurt_packed(struct chained *c, uint32_t frame)
{
	/* the last bytes of a frame are its checksum */
	c->file.data[chained_offset(c, frame + 1) - 2] ^= 1;
}

static const struct lie lies_in_frame[] = {
	{ "a trailer with other masks", "its extent and its trailer do not agree", other_mask, NULL, false },
	{ "a hash of other data", "the hash of drive-scsi0 cluster 3 is wrong", other_hash, NULL, false },
	{ "data of another hash", "the hash of drive-scsi0 cluster 5 is wrong", other_data, NULL, false },
	{ "an extent of another archive", "its uuid is that of another archive", other_extent_uuid, NULL,
	  false },
	{ "a damaged extent", "the checksum of its header is wrong", extent_md5, NULL, false },
	{ "an extent with a cluster twice", "its extent and its trailer do not agree", cluster_twice, NULL,
	  false },
	{ "an extent with a zero cluster", "its extent and its trailer do not agree", zero_cluster, NULL,
	  false },
	{ "an extent with another cluster", "its extent and its trailer do not agree", missing_in_extent,
	  NULL, false },
	{ "a damaged frame", "frame ", NULL, hurt_packed, false },
};

static void lies_that_unpacking_finds(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lies_in_frame); i++) {
		const struct lie *lie = &lies_in_frame[i];
		_cleanup_(vma_base_freep) struct vma_base *b = NULL;
		_cleanup_(chained_clear) struct chained c;
		_cleanup_error_ struct error *err = NULL;
		struct vma_base_unpacked u;
		struct vma_trailer t;
		uint32_t frame = make_lie(&c, lie);
		bool good = vma_base_unpacked_init(&u, NULL) == 0 && open_bytes(&c.file, &b, &err) == 0 &&
			    vma_base_trailer(b, frame, &t, &err) == 0;

		ok(good && vma_base_unpack(b, frame, &u, &err) == ERR_CORRUPT &&
			   says(err, "base 'old.vma.zst': frame ") && says(err, lie->text) && !u.trailer.n,
		   "%s is found when it is unpacked: %s", lie->name, lie->text);
		ok(good && frame_is_right(b, &c, 2, &u), "%s: the frame before it is right", lie->name);
		vma_base_unpacked_clear(&u);
	}
}

/* ---- asked for what is not there ---- */

static void check_numbers(void)
{
	_cleanup_(vma_base_freep) struct vma_base *b = NULL;
	_cleanup_(chained_clear) struct chained c;
	struct vma_base_unpacked u;
	struct vma_trailer t;
	bool good;

	make_archive(&c, ALIGN, false);
	good = vma_base_unpacked_init(&u, NULL) == 0 && open_bytes(&c.file, &b, NULL) == 0;
	for (uint32_t frame = 0; good && frame <= c.n_frames; frame++)
		if (frame == c.n_frames || !vma_base_frame_dev(b, frame))
			good = vma_base_trailer(b, frame, &t, NULL) == ERR_CORRUPT &&
			       vma_base_unpack(b, frame, &u, NULL) == ERR_CORRUPT;
	ok(good && vma_base_trailer(b, VMA_BASE_NONE, &t, NULL) == ERR_CORRUPT,
	   "frames that store nothing have no trailer");
	good = good && ftruncate(vma_base_fd(b), 40000) == 0;
	ok(good && vma_base_unpack(b, c.n_frames - 5, &u, NULL) == ERR_CORRUPT,
	   "a file that becomes shorter is found");
	vma_base_unpacked_clear(&u);
}

int main(void)
{
	for (unsigned i = 0; i < 3; i++)
		disk_fill(&disks[i], i + 1);
	disks[2].data[disks[2].size - 1] = 1; /* the last cluster stores something */
	check_archive(ALIGN, false, "4 KiB");
	check_archive(VMA_CHAIN_MAX_ALIGN, true, "128 KiB, index between");
	ask_by_threads();
	check_others();
	lies_that_opening_finds();
	lies_that_trailers_show();
	lies_that_unpacking_finds();
	check_numbers();
	for (unsigned i = 0; i < 3; i++)
		free(disks[i].data);
	return done_testing();
}
