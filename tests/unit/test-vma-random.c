/* Reads at any place of an archive give what the disks held, or an error, never something else. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "stream/bytes.h"
#include "stream/seektable.h"
#include "vma/chain.h"
#include "vma/index.h"
#include "vma/parts.h"
#include "vma/random.h"

#include "tap.h"
#include "vma-disks.h"

#define N_DISKS 3u
#define READS   1000u

static char folder[] = "/tmp/test-vma-random.XXXXXX";
static struct disk disks[N_DISKS] = {
	{ .name = "drive-scsi0", .size = (40u << 20) + 512 },
	{ .name = "drive-efidisk0", .size = 540672 },
	{ .name = "vmstate", .size = (9u << 20) + 4095 },
};

/* Spread: parts of the index between the data, and many frames.  chain: one that it belongs to, or NULL. */
static bool write_archive(const char *path, enum vma_compression compression, bool spread,
			  const struct vma_chain *chain)
{
	const struct vma_writer_options o = { .ionice = -1,
					      .chain = chain,
					      .index_part_max = spread ? 40 : 0,
					      .index_held_max = spread ? 100 : 0 };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct feed f;
	bool good = vma_header_init(&h, NULL) == 0;

	for (unsigned i = 0; i < N_DISKS; i++)
		good = good && vma_header_add_device(&h, disks[i].name, disks[i].size, NULL, NULL) == 0;
	if (!good || disk_writer(compression, 2, &o, fd, &h, &w, NULL) < 0)
		return false;
	feed_init(&f, disks, N_DISKS, true);
	f.say_zero = true;
	good = feed_run(&f, w, 2);
	free(f.keys);
	return vma_writer_finish(w, NULL, NULL) == 0 && good;
}

/* ---- reading ---- */

struct reading {
	struct vma_random *r;
	uint32_t seed;
	unsigned wrong, failed;
};

static void read_once(struct reading *x, uint8_t *buffer)
{
	unsigned i = disk_random(&x->seed) % N_DISKS;
	const struct disk *d = &disks[i];
	uint64_t offset = ((uint64_t)disk_random(&x->seed) << 8) % d->size;
	size_t len = 1 + disk_random(&x->seed) % 300000;

	if (len > d->size - offset)
		len = d->size - offset;
	if (vma_random_read(x->r, (uint8_t)(i + 1), offset, buffer, len, NULL) < 0)
		x->failed++;
	else if (memcmp(buffer, d->data + offset, len) != 0)
		x->wrong++;
}

static void *read_many(void *arg)
{
	struct reading *x = arg;
	uint8_t *buffer = xmalloc(300001);

	for (unsigned i = 0; i < READS; i++)
		read_once(x, buffer);
	free(buffer);
	return NULL;
}

static void read_by_threads(struct vma_random *r, const char *name)
{
	struct reading x[4];
	pthread_t ids[4];
	unsigned wrong = 0, failed = 0;

	for (uint32_t i = 0; i < 4; i++) {
		x[i] = (struct reading){ .r = r, .seed = i + 1 };
		pthread_create(&ids[i], NULL, read_many, &x[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(ids[i], NULL);
		wrong += x[i].wrong;
		failed += x[i].failed;
	}
	ok(!wrong && !failed, "%s: reads at random places from four threads (%u wrong, %u failed)", name,
	   wrong, failed);
}

static void check_zeroes(const struct vma_random *r, const char *name)
{
	bool good = true, seen = false;

	for (unsigned i = 0; i < N_DISKS; i++) {
		uint64_t len, zero = 0;

		for (uint64_t at = 0; at < disks[i].size; at += len) {
			if (vma_random_is_zero(r, (uint8_t)(i + 1), at, disks[i].size - at, &len)) {
				good = good && io_is_zero(disks[i].data + at, len);
				zero += len;
			}
			good = good && len;
			if (!good)
				break;
		}
		seen = seen || zero > disks[i].size / 4;
		good = good && vma_random_stored(r, (uint8_t)(i + 1)) <= disks[i].size - zero;
	}
	ok(good && seen, "%s: what is said to be zero is", name);
}

static void check_archive(const char *path, uint64_t cache, const char *name)
{
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct vma_random_stats stats;

	if (!ok(vma_random_open(path, cache, &r, &err) == 0, "%s: opened", name)) {
		diag("%s", error_message(err));
		return;
	}
	vma_random_get_stats(r, &stats);
	ok(stats.unpacked == 0, "%s: opening unpacks no data", name);
	read_by_threads(r, name);
	check_zeroes(r, name);
}

/* ---- one frame a read ---- */

static void check_cost(const char *path)
{
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	struct vma_random_stats stats = { 0 };
	uint8_t buffer[65536];
	bool good = vma_random_open(path, 0, &r, NULL) == 0 &&
		    vma_random_read(r, 1, 0, buffer, sizeof(buffer), NULL) == 0;

	if (good)
		vma_random_get_stats(r, &stats);
	ok(good && stats.unpacked == 1, "a read of 64 KiB unpacks one frame");
	good = good && vma_random_read(r, 1, 100, buffer, 1000, NULL) == 0;
	if (good)
		vma_random_get_stats(r, &stats);
	ok(good && stats.unpacked == 1 && stats.hits == 1, "the next one there finds it unpacked");
}

/* ---- indexes that no writer makes ---- */

struct crafted {
	struct vma_header h;
	struct vma_index_writer w;
	struct frame_encoder *e;
	struct buf file, table;
};

static void craft(struct crafted *c, uint64_t size)
{
	*c = (struct crafted){ 0 };
	vma_header_init(&c->h, NULL);
	vma_header_add_device(&c->h, "drive-scsi0", size, NULL, NULL);
	vma_index_writer_init(&c->w, c->h.uuid);
	frame_encoder_new(0, &c->e, NULL);
}

static void add_frame(struct crafted *c, const void *data, size_t len)
{
	uint8_t entry[SEEKTABLE_ENTRY_SIZE] = { 0 };

	put_le32(entry, (uint32_t)len);
	buf_add(&c->file, data, len);
	buf_add(&c->table, entry, sizeof(entry));
}

/* Adds root and seek table. */
static bool write_crafted(struct crafted *c, const char *path)
{
	static const struct vma_index_device totals[VMA_MAX_DEVICES + 1];
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t head[FRAME_SKIPPABLE_HEADER_SIZE], footer[SEEKTABLE_FOOTER_SIZE] = { 0 };
	_cleanup_buf_ struct buf root = BUF_INIT;
	bool good;

	vma_index_root(&c->w, &c->h, 0, totals, c->e, &root, NULL);
	add_frame(c, root.data, root.len);
	frame_skippable_header(head, FRAME_SKIPPABLE_SEEK_TABLE, (uint32_t)(c->table.len + sizeof(footer)));
	put_le32(footer, (uint32_t)(c->table.len / SEEKTABLE_ENTRY_SIZE));
	put_le32(footer + 5, SEEKTABLE_MAGIC);
	buf_add(&c->file, head, sizeof(head));
	buf_add(&c->file, c->table.data, c->table.len);
	buf_add(&c->file, footer, sizeof(footer));
	good = io_write_all(fd, c->file.data, c->file.len) == 0;
	vma_index_writer_clear(&c->w);
	vma_header_clear(&c->h);
	frame_encoder_free(c->e);
	buf_clear(&c->file);
	buf_clear(&c->table);
	return good;
}

#define DENSE (UINT32_C(1) << 18)

/* Each of so many clusters stands in a frame of its own; the frames are not there. */
static bool write_dense(const char *path)
{
	struct crafted c;
	const void *part;
	size_t len;

	craft(&c, (uint64_t)DENSE * VMA_CLUSTER_SIZE);
	for (uint32_t i = 0; i < DENSE; i++) {
		const uint64_t key = vma_cluster_key(1, i);

		vma_index_add(&c.w, i, &key, 1, c.e, NULL);
		add_frame(&c, "x", 1);
	}
	vma_index_seal(&c.w, c.e, NULL);
	for (size_t i = 0; (part = vma_index_held(&c.w, i, &len)); i++)
		add_frame(&c, part, len);
	vma_index_written(&c.w, DENSE, 1);
	return write_crafted(&c, path);
}

/* Parts of a few hundred bytes that become 20 MiB each, of records that name nothing. */
static bool write_large_parts(const char *path)
{
	static const uint64_t no_clusters;
	_cleanup_free_ uint8_t *records = xcalloc(1, VMA_INDEX_UNPACKED_MAX);
	_cleanup_buf_ struct buf packed = BUF_INIT, part = BUF_INIT;
	uint8_t head[FRAME_SKIPPABLE_HEADER_SIZE + VMA_INDEX_CONTENT_HEADER_SIZE] = { 0 };
	uint8_t *content = head + FRAME_SKIPPABLE_HEADER_SIZE;
	struct crafted c;

	craft(&c, VMA_CLUSTER_SIZE);
	frame_append(c.e, records, VMA_INDEX_UNPACKED_MAX, &packed, NULL);
	frame_skippable_header(head, FRAME_SKIPPABLE_VMA_INDEX,
			       (uint32_t)(VMA_INDEX_CONTENT_HEADER_SIZE + packed.len));
	memcpy(content, VMA_INDEX_MAGIC, 8);
	put_le16(content + 8, VMA_INDEX_VERSION);
	memcpy(content + 16, c.h.uuid, VMA_UUID_SIZE);
	buf_add(&part, head, sizeof(head));
	buf_add(&part, packed.data, packed.len);
	add_frame(&c, "x", 1);
	for (uint64_t i = 1; i < 40; i++) {
		add_frame(&c, part.data, part.len);
		buf_add(&c.w.part_counts, &no_clusters, sizeof(no_clusters));
		buf_add(&c.w.part_frames, &i, sizeof(i));
	}
	return write_crafted(&c, path);
}

/* ---- block status ---- */

static void check_status_cost(void)
{
	_cleanup_free_ char *path = xasprintf("%s/dense.vma.zst", folder);
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	_cleanup_error_ struct error *err = NULL;
	bool good = write_dense(path) && vma_random_open(path, 0, &r, &err) == 0;
	uint64_t start = units_now_ns(), len = 0;

	for (uint64_t i = 0; good && i < 1000; i++)
		good = !vma_random_is_zero(r, 1, i << 20, 1 << 20, &len) && len == 1 << 20;
	ok(good && units_now_ns() - start < 1000000000u,
	   "what a megabyte is costs a megabyte's clusters, not those of the rest: %u us each %s",
	   (unsigned)((units_now_ns() - start) / 1000000), err ? error_message(err) : "");
}

/* ---- Proxmox before June 2020 ---- */

/* The last cluster is stored whole, whatever the size of the disk. */
static void check_old_proxmox(void)
{
	const struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { { VMA_MASK_ALL, 1, 0 } };
	_cleanup_free_ char *path = xasprintf("%s/old.vma", folder);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_error_ struct error *err = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	uint8_t raw[VMA_EXTENT_HEADER_SIZE], out[5000], block[VMA_CLUSTER_SIZE];

	memset(block, 'x', sizeof(block));
	vma_header_init(&h, NULL);
	vma_header_add_device(&h, "drive-ide0", sizeof(out), NULL, NULL);
	vma_header_encode(&h, &b);
	vma_extent_header_encode(raw, h.uuid, infos);
	buf_add(&b, raw, sizeof(raw));
	buf_add(&b, block, sizeof(block));
	io_write_all(fd, b.data, b.len);
	ok(vma_random_open(path, 0, &r, &err) == 0 && vma_random_stored(r, 1) == sizeof(out) &&
		   vma_random_read(r, 1, 0, out, sizeof(out), &err) == 0 && out[4999] == 'x',
	   "blocks stored behind the end of a disk are passed over, and not counted %s",
	   err ? error_message(err) : "");
}

/* ---- damage ---- */

static char *copy_with(const char *path, const char *name, off_t at, int flip, off_t cut)
{
	char *to = xasprintf("%s/%s", folder, name);
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (io_read_file(path, 1u << 28, &b, NULL) < 0)
		return to;
	if (at < 0)
		at += (off_t)b.len;
	b.data[at] = (char)(b.data[at] ^ flip);
	io_write_all(fd, b.data, b.len - (size_t)cut);
	return to;
}

static void check_hurt_frame(const char *path)
{
	struct stat st = { 0 };
	_cleanup_free_ char *hurt = NULL;
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct reading x = { .seed = 9 };
	uint8_t *all = xmalloc(disks[0].size);

	stat(path, &st);
	hurt = copy_with(path, "hurt", st.st_size / 2, 0x10, 0);
	ok(vma_random_open(hurt, 0, &r, NULL) == 0, "damaged data: the archive opens");
	x.r = r;
	read_many(&x);
	ok(!x.wrong && x.failed && x.failed < READS / 2,
	   "damaged data: reads of it fail (%u), others are right", x.failed);
	for (unsigned dev = 1; dev <= N_DISKS && !err; dev++)
		vma_random_read(r, (uint8_t)dev, 0, all, disks[dev - 1].size, &err);
	ok(err && strstr(error_message(err), "frame ") && strstr(error_message(err), " at byte "),
	   "damaged data: the error names disk, frame and place");
	if (err)
		diag("%s", error_message(err));
	free(all);
}

/* ---- frames that are not unpacked to their end ---- */

/* A copy in which that byte of each such skippable frame is another. */
static char *copy_without(const char *path, uint32_t magic, size_t place, unsigned *ret_n)
{
	char *to = xasprintf("%s/without", folder);
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t len = 0;

	*ret_n = 0;
	if (io_read_file(path, 1u << 28, &b, NULL) < 0)
		return to;
	for (uint64_t at = 0; at < b.len && frame_length(b.data + at, b.len - at, &len) > 0; at += len) {
		if (get_le32((const uint8_t *)b.data + at) != magic)
			continue;
		b.data[at + place] = (char)(b.data[at + place] ^ 0x20);
		++*ret_n;
	}
	io_write_all(fd, b.data, b.len);
	return to;
}

/* Bytes unpacked by reads here and there, with room for two frames; 0: a read was wrong. */
static uint64_t unpacked_by_reads(const char *path)
{
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	struct vma_random_stats stats = { 0 };
	struct reading x = { .seed = 5 };
	uint8_t *buffer = xmalloc(300001);

	if (vma_random_open(path, 1, &r, NULL) < 0) {
		x.failed = 1;
	} else {
		x.r = r;
		for (unsigned i = 0; i < READS / 3; i++) {
			uint64_t offset =
				disk_random(&x.seed) % (disks[0].size / VMA_CLUSTER_SIZE) * VMA_CLUSTER_SIZE;

			if (vma_random_read(r, 1, offset, buffer, 4096, NULL) < 0 ||
			    memcmp(buffer, disks[0].data + offset, 4096) != 0)
				x.failed++;
		}
		vma_random_get_stats(r, &stats);
	}
	free(buffer);
	return x.failed ? 0 : stats.bytes;
}

/* What stands behind frames lets a read stop early; if that is damaged, reads only cost more. */
static void check_early(const char *path, uint32_t magic, size_t sum, const char *name)
{
	const uint64_t early = unpacked_by_reads(path);
	const size_t places[] = { FRAME_SKIPPABLE_HEADER_SIZE, sum };
	unsigned n;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *hurt = copy_without(path, magic, places[i], &n);
		const uint64_t whole = unpacked_by_reads(hurt);

		ok(early && n > 5 && whole && early < whole * 3 / 4,
		   "%s: reads unpack %u MiB, and %u MiB if they are damaged at byte %zu", name,
		   (unsigned)(early >> 20), (unsigned)(whole >> 20), places[i]);
	}
}

/* A byte flipped anywhere in the data: reads are right or fail. */
static void check_flipped_data(const char *path, const char *name)
{
	uint8_t *buffer = xmalloc(300001);
	unsigned wrong = 0, failed = 0;
	struct stat st = { 0 };

	stat(path, &st);
	for (int i = 1; i < 40; i++) {
		_cleanup_free_ char *hurt = copy_with(path, "flip", st.st_size * i / 42, 1 << i % 8, 0);
		_cleanup_(vma_random_freep) struct vma_random *r = NULL;
		struct reading x = { .seed = (uint32_t)i };

		if (vma_random_open(hurt, 0, &r, NULL) < 0)
			continue;
		x.r = r;
		for (unsigned k = 0; k < 30; k++)
			read_once(&x, buffer);
		wrong += x.wrong;
		failed += x.failed;
	}
	free(buffer);
	ok(!wrong && failed, "%s: no byte flipped in the data gives wrong data (%u reads fail)", name,
	   failed);
}

static void check_refused(const char *path, const char *words, const char *name)
{
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	_cleanup_error_ struct error *err = NULL;

	ok(vma_random_open(path, 0, &r, &err) < 0 && strstr(error_message(err), words), "%s", name);
	diag("%s", error_message(err));
}

/* A byte flipped anywhere in the last bytes: an error, or reads that are right or fail. */
static void check_flips(const char *path, off_t from_end, const char *name)
{
	unsigned wrong = 0, refused = 0;

	for (off_t at = 1; at <= from_end; at++) {
		_cleanup_free_ char *hurt = copy_with(path, "flip", -at, 0x41, 0);
		_cleanup_(vma_random_freep) struct vma_random *r = NULL;
		struct reading x = { .seed = (uint32_t)at };
		uint8_t *buffer;

		if (vma_random_open(hurt, 0, &r, NULL) < 0) {
			refused++;
			continue;
		}
		buffer = xmalloc(300001);
		x.r = r;
		for (unsigned i = 0; i < 10; i++)
			read_once(&x, buffer);
		free(buffer);
		wrong += x.wrong;
	}
	ok(!wrong && refused > (unsigned)from_end / 2,
	   "%s: no flipped byte gives wrong data (%u of %lld refused)", name, refused, (long long)from_end);
}

int main(void)
{
	_cleanup_free_ char *zst = NULL, *spread = NULL, *chained = NULL, *plain = NULL, *cut = NULL;
	struct vma_chain chain = { 0 };

	if (!mkdtemp(folder))
		return 1;
	for (unsigned i = 0; i < N_DISKS; i++)
		disk_fill(&disks[i], 77 + i);
	zst = xasprintf("%s/a.vma.zst", folder);
	spread = xasprintf("%s/spread.vma.zst", folder);
	plain = xasprintf("%s/a.vma", folder);
	chained = xasprintf("%s/chained.vma.zst", folder);
	vma_chain_begin(&chain, 1, VMA_CHAIN_MIN_ALIGN, NULL);
	ok(write_archive(zst, VMA_COMPRESS_ZSTD, false, NULL) &&
		   write_archive(spread, VMA_COMPRESS_ZSTD, true, NULL) &&
		   write_archive(chained, VMA_COMPRESS_ZSTD, false, &chain) &&
		   write_archive(plain, VMA_COMPRESS_NONE, false, NULL),
	   "archives to read");
	vma_chain_clear(&chain);
	check_archive(zst, 0, "zstd");
	check_archive(zst, 1, "zstd, cache of two frames");
	check_archive(spread, 0, "index in many parts");
	check_archive(chained, 0, "of a chain");
	check_archive(plain, 0, "not packed");
	check_early(zst, FRAME_SKIPPABLE_VMA_PARTS, VMA_PARTS_HEAD, "sums of parts");
	check_early(chained, FRAME_SKIPPABLE_VMA_CHAIN, 40, "hashes of a chain");
	check_flipped_data(zst, "sums of parts");
	check_flipped_data(chained, "hashes of a chain");
	check_cost(zst);
	check_status_cost();
	check_old_proxmox();
	check_hurt_frame(zst);
	check_flips(zst, 300, "seek table and index");
	check_refused("tests/fixtures/two-disks.vma.zst", "vma index", "one stream: the way out");
	check_refused("tests/fixtures/two-disks.vma.gz", "vma index", "gzip: the way out");
	cut = copy_with(zst, "cut", 0, 0, 1);
	check_refused(cut, "no index", "cut off: refused");
	free(TAKE_PTR(cut));
	cut = copy_with(plain, "cut", 0, 0, 100000);
	check_refused(cut, "cut off", "not packed, cut off: refused");
	check_refused("tests/fuzz/corpus/random/index-part-again", "do not follow each other",
		      "an index that names one part again and again: refused at once");
	free(TAKE_PTR(cut));
	cut = xasprintf("%s/large.vma.zst", folder);
	write_large_parts(cut);
	check_refused(cut, "larger than any should be",
		      "an index that unpacks to more than any needs: refused");
	for (unsigned i = 0; i < N_DISKS; i++)
		free(disks[i].data);
	io_remove_tree(folder, NULL);
	return done_testing();
}
