/* The reader: round trips with the writer, damage of every kind, archives that lie. */
#include <fcntl.h>
#include <md5.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "base/units.h"
#include "stream/bytes.h"
#include "stream/frame.h"
#include "vma/format-internal.h"
#include "vma/reader.h"

#include "tap.h"
#include "vma-disks.h"

#define N_DISKS 2

static struct disk disks[N_DISKS] = {
	{ .name = "drive-scsi0", .size = (5 << 20) + 512 },
	{ .name = "vmstate", .size = 300000 },
};

struct archive {
	uint8_t *data;
	size_t len;
};

/* ---- making archives ---- */

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	if (io_pwrite_all(fd, data, len, 0) < 0)
		diag("cannot write a memory file");
	return fd;
}

static struct archive write_archive(enum vma_compression compression)
{
	const struct vma_writer_options o = { .ionice = -1 };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	_cleanup_close_ int fd = memory_file("", 0);
	struct archive a = { 0 };
	struct feed f;

	vma_header_init(&h, NULL);
	vma_header_add_config(&h, "qemu-server.conf", "cores: 2\n", 9, NULL);
	for (unsigned i = 0; i < N_DISKS; i++)
		vma_header_add_device(&h, disks[i].name, disks[i].size, NULL, NULL);
	feed_init(&f, disks, N_DISKS, false);
	f.say_zero = true;
	if (disk_writer(compression, 2, &o, fd, &h, &w, NULL) < 0 || !feed_run(&f, w, 1) ||
	    vma_writer_finish(w, NULL, NULL) < 0)
		diag("cannot write an archive");
	free(f.keys);
	a.len = (size_t)lseek(fd, 0, SEEK_END);
	a.data = xmalloc(a.len + 1);
	if (io_pread_full(fd, a.data, a.len, 0) != (ssize_t)a.len)
		diag("cannot read it back");
	return a;
}

/* ---- reading them ---- */

struct result {
	int code;
	char *message;
	uint8_t *disks[VMA_MAX_DEVICES + 1];
	uint64_t sizes[VMA_MAX_DEVICES + 1];
	uint64_t lost;
	unsigned damages;
	bool outside; /* the reader went behind a disk */
	bool wrong;   /* clusters came that are not the disk's */
};

static int on_data(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		   struct error **err)
{
	struct result *r = opaque;

	(void)err;
	if (offset > r->sizes[dev] || len > r->sizes[dev] - offset)
		r->outside = true;
	else if (r->disks[dev])
		memcpy(r->disks[dev] + offset, data, len);
	return 0;
}

static int on_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	struct result *r = opaque;

	(void)err;
	if (offset > r->sizes[dev] || len > r->sizes[dev] - offset)
		r->outside = true;
	return 0;
}

static void on_damage(void *opaque, const char *text)
{
	struct result *r = opaque;

	(void)text;
	r->damages++;
}

static void prepare(struct result *r, const struct vma_header *h)
{
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		if (!h->devices[i].name)
			continue;
		r->sizes[i] = h->devices[i].size;
		if (h->devices[i].size < 64 << 20)
			r->disks[i] = xcalloc(1, h->devices[i].size + 1);
	}
}

/* What did not come becomes what the disk was. */
static void count_lost(struct result *r, const struct vma_reader *reader)
{
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		uint64_t at = 0, first = 0, n = 0;

		while (r->sizes[i] && vma_reader_missing(reader, (uint8_t)i, &at, &first, &n)) {
			uint64_t start = first * VMA_CLUSTER_SIZE, len = n * VMA_CLUSTER_SIZE;

			r->lost += n;
			if (i <= N_DISKS && r->disks[i] && r->sizes[i] == disks[i - 1].size)
				memcpy(r->disks[i] + start, disks[i - 1].data + start,
				       start + len > r->sizes[i] ? r->sizes[i] - start : len);
		}
		if (i <= N_DISKS && r->disks[i] && r->sizes[i] == disks[i - 1].size)
			r->wrong |= memcmp(r->disks[i], disks[i - 1].data, disks[i - 1].size) != 0;
	}
}

static struct result read_fd(int fd, bool tolerant)
{
	const struct vma_receiver receiver = { .data = on_data,
					       .zero = on_zero,
					       .damage = tolerant ? on_damage : NULL };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct result r = { 0 };

	lseek(fd, 0, SEEK_SET);
	r.code = vma_reader_new(fd, 2, NULL, &reader, &err);
	if (r.code == 0) {
		prepare(&r, vma_reader_header(reader));
		r.code = vma_reader_run(reader, &receiver, &r, &err);
		count_lost(&r, reader);
	}
	r.message = xstrdup(err ? error_message(err) : "");
	return r;
}

static struct result read_bytes(const void *data, size_t len, bool tolerant)
{
	_cleanup_close_ int fd = memory_file(data, len);

	return read_fd(fd, tolerant);
}

static void result_clear(struct result *r)
{
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++)
		free(r->disks[i]);
	free(r->message);
}

static bool holds_disks(const struct result *r)
{
	for (unsigned i = 0; i < N_DISKS; i++)
		if (!r->disks[i + 1] || memcmp(r->disks[i + 1], disks[i].data, disks[i].size) != 0)
			return false;
	return r->code == 0 && !r->lost && !r->outside;
}

/* ---- round trips ---- */

static void *fill_pipe(void *arg)
{
	struct archive *a = ((void **)arg)[0];
	int *fd = ((void **)arg)[1];

	if (io_write_all(*fd, a->data, a->len) < 0)
		diag("the reader went away");
	close(*fd);
	return NULL;
}

static struct result read_pipe(struct archive *a)
{
	int fds[2];
	void *args[2] = { a, &fds[1] };
	struct result r = { .code = -1 };
	pthread_t id;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return r;
	pthread_create(&id, NULL, fill_pipe, args);
	r = read_fd(fds[0], false);
	pthread_join(id, NULL);
	close(fds[0]);
	return r;
}

static void test_round_trips(void)
{
	static const struct {
		enum vma_compression compression;
		const char *name;
	} kinds[] = {
		{ VMA_COMPRESS_NONE, "plain" },
		{ VMA_COMPRESS_ZSTD, "zstd" },
		{ VMA_COMPRESS_GZIP, "gzip" },
		{ VMA_COMPRESS_LZO, "lzop" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct archive a = write_archive(kinds[i].compression);
		struct result file = read_bytes(a.data, a.len, false), piped = read_pipe(&a);

		ok(holds_disks(&file), "%s, from a file: the disks come back %s", kinds[i].name,
		   file.message);
		ok(holds_disks(&piped), "%s, from a pipe: the disks come back %s", kinds[i].name,
		   piped.message);
		result_clear(&file);
		result_clear(&piped);
		free(a.data);
	}
}

/* ---- damage ---- */

/* Offsets of the extents of a plain archive. */
static size_t next_extent(const struct archive *a, size_t at)
{
	return at + VMA_EXTENT_HEADER_SIZE +
	       (size_t)get_be16(a->data + at + VMA_E_BLOCK_COUNT) * VMA_BLOCK_SIZE;
}

static bool cut_is_seen(const struct archive *a, size_t len)
{
	struct result strict = read_bytes(a->data, len, false);
	struct result loose = read_bytes(a->data, len, true);
	bool good = strict.code < 0 && (loose.code < 0 || loose.lost) && !loose.outside;

	if (!good)
		diag("cut at %zu of %zu: %d, %d, lost %llu", len, a->len, strict.code, loose.code,
		     (unsigned long long)loose.lost);
	result_clear(&strict);
	result_clear(&loose);
	return good;
}

static void test_truncation(void)
{
	struct archive a = write_archive(VMA_COMPRESS_NONE), z = write_archive(VMA_COMPRESS_ZSTD);
	size_t at = get_be32(a.data + VMA_H_HEADER_SIZE);
	bool good = cut_is_seen(&a, 0) && cut_is_seen(&a, 3) && cut_is_seen(&a, 60) &&
		    cut_is_seen(&a, VMA_HEADER_SIZE) && cut_is_seen(&a, at - 1);

	for (; good && at < a.len; at = next_extent(&a, at))
		good = cut_is_seen(&a, at) && cut_is_seen(&a, at + 1) &&
		       cut_is_seen(&a, at + VMA_EXTENT_HEADER_SIZE - 1) &&
		       (next_extent(&a, at) == at + VMA_EXTENT_HEADER_SIZE ||
			cut_is_seen(&a, at + VMA_EXTENT_HEADER_SIZE));
	ok(good, "a plain archive cut at any boundary is refused, and what is whole is read");
	good = true;
	for (size_t len = 0; good && len < z.len * 9 / 10; len += z.len / 37)
		good = cut_is_seen(&z, len);
	ok(good, "so is a zstd archive, cut anywhere");
	free(a.data);
	free(z.data);
}

/*
 * Packed data has bits that may be one or the other: within a run of zeroes a match is the same whatever its
 * distance.  There, and only there, a flipped bit may go unseen, as every byte comes out as it was.
 */
enum flip {
	FLIP_IN_CHECKED,
	FLIP_IN_PACKED
};

static bool flip_is_seen(struct archive *a, size_t at, enum flip where)
{
	struct result strict, loose;
	bool good;

	a->data[at] ^= 0x10;
	strict = read_bytes(a->data, a->len, false);
	loose = read_bytes(a->data, a->len, true);
	a->data[at] ^= 0x10;
	good = strict.code < 0 && (loose.code < 0 || loose.damages) && !loose.outside && !strict.outside;
	if (where == FLIP_IN_PACKED)
		good |= holds_disks(&strict) && holds_disks(&loose);
	if (!good)
		diag("byte %zu: %d %s; %d, %u damages", at, strict.code, strict.message, loose.code,
		     loose.damages);
	result_clear(&strict);
	result_clear(&loose);
	return good;
}

static void test_flips(void)
{
	struct archive a = write_archive(VMA_COMPRESS_NONE), z = write_archive(VMA_COMPRESS_ZSTD);
	size_t header = get_be32(a.data + VMA_H_HEADER_SIZE);
	bool good = true;

	for (size_t i = 0; good && i < header; i += i < 60 ? 1 : 97)
		good = flip_is_seen(&a, i, FLIP_IN_CHECKED);
	ok(good, "a flipped byte anywhere in the header is seen");
	good = true;
	for (size_t i = 0; good && i < VMA_EXTENT_HEADER_SIZE; i += i < 48 ? 1 : 13)
		good = flip_is_seen(&a, header + i, FLIP_IN_CHECKED);
	ok(good, "a flipped byte anywhere in the header of an extent is seen");
	good = true;
	for (size_t i = 0; good && i < z.len * 9 / 10; i += z.len / 61)
		good = flip_is_seen(&z, i, FLIP_IN_PACKED);
	ok(good, "a flipped byte anywhere in the data of a zstd archive is seen, or harmless");
	free(a.data);
	free(z.data);
}

/* Checksum and length stand at the end of a gzip file. */
static void test_gzip_flips(void)
{
	struct archive z = write_archive(VMA_COMPRESS_GZIP);
	bool good = true;

	for (size_t i = 20; good && i < z.len - 8; i += z.len / 61)
		good = flip_is_seen(&z, i, FLIP_IN_PACKED);
	ok(good, "a flipped byte anywhere in the data of a gzip archive is seen, or harmless");
	good = true;
	for (size_t i = z.len - 8; good && i < z.len; i++)
		good = flip_is_seen(&z, i, FLIP_IN_CHECKED);
	ok(good, "and in its checksum");
	free(z.data);
}

static void test_salvage(void)
{
	struct archive z = write_archive(VMA_COMPRESS_ZSTD);
	struct result r;

	z.data[z.len / 2] ^= 1;
	r = read_bytes(z.data, z.len, true);
	ok(r.code == 0 && r.damages == 1 && r.lost > 0 && r.lost < vma_clusters(disks[0].size),
	   "one frame lost: the others are read (%llu clusters lost)", (unsigned long long)r.lost);
	result_clear(&r);
	free(z.data);
}

/* Where the last frame that begins before the middle does. */
static size_t frame_before_middle(const struct archive *z)
{
	static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	size_t at = z->len / 2;

	while (at && memcmp(z->data + at, magic, sizeof(magic)) != 0)
		at--;
	return at;
}

/* Magic, descriptor, and the length of its first block: where the next frame is must be found out. */
static void test_salvage_frame_header(void)
{
	struct archive z = write_archive(VMA_COMPRESS_ZSTD);
	size_t frame = frame_before_middle(&z);
	static const size_t places[] = { 0, 4, 8, 9, 10 };
	struct result r;
	uint64_t lost;

	z.data[z.len / 2] ^= 0x55;
	r = read_bytes(z.data, z.len, true);
	lost = r.lost;
	result_clear(&r);
	z.data[z.len / 2] ^= 0x55;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		z.data[frame + places[i]] ^= 0x55;
		r = read_bytes(z.data, z.len, true);
		z.data[frame + places[i]] ^= 0x55;
		ok(r.code == 0 && lost && r.lost == lost,
		   "byte %zu of a frame's header hurt: that frame alone is lost (%llu clusters)", places[i],
		   (unsigned long long)r.lost);
		result_clear(&r);
	}
	free(z.data);
}

/* Where the frames are is lost, and 8 bytes of data say that they may be passed over. */
static void test_fake_skippable(void)
{
	struct archive z = write_archive(VMA_COMPRESS_ZSTD);
	size_t frame = frame_before_middle(&z);
	struct result r;
	uint64_t lost;

	z.data[frame] ^= 0x55;
	r = read_bytes(z.data, z.len, true);
	lost = r.lost;
	result_clear(&r);
	frame_skippable_header(z.data + frame + 1000, 0x184D2A53, 0x7fffffff);
	frame_skippable_header(z.data + frame + 2000, 0x184D2A5A, (uint32_t)(z.len - frame - 2100));
	r = read_bytes(z.data, z.len, true);
	ok(r.code == 0 && lost && r.lost == lost && !r.wrong,
	   "data that looks like a skippable frame takes no good frames along (%llu clusters lost)",
	   (unsigned long long)r.lost);
	result_clear(&r);
	free(z.data);
}

/* Each of these begins a frame of blocks that go on over the others, to one that there is not. */
static void test_costly_resync(void)
{
	static const uint8_t begin[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0x40, 0, 9 << 3, 0, 0 };
	struct archive z = write_archive(VMA_COMPRESS_ZSTD);
	size_t header = ZSTD_findFrameCompressedSize(z.data, z.len);
	_cleanup_buf_ struct buf b = BUF_INIT;
	uint64_t start = units_now_ns();
	struct result r;

	buf_add(&b, z.data, header);
	buf_add(&b, "?", 1);
	while (b.len < 2 << 20)
		buf_add(&b, begin, sizeof(begin));
	buf_add(&b, "123456789\x06\0", 12);
	buf_add(&b, z.data + header, z.len - header);
	r = read_bytes(b.data, b.len, true);
	ok(r.code == 0 && !r.wrong && units_now_ns() - start < UINT64_C(5000000000),
	   "a resync among 170000 frames that are none ends soon (%u ms, %llu clusters lost)",
	   (unsigned)((units_now_ns() - start) / 1000000), (unsigned long long)r.lost);
	result_clear(&r);
	free(z.data);
}

/* Shorter than what the reader unpacks at once: what came before the damage must not be lost with it. */
static void test_early_damage(void)
{
	static const enum vma_compression kinds[] = { VMA_COMPRESS_GZIP, VMA_COMPRESS_LZO };

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct archive a = write_archive(kinds[i]);
		const size_t len = a.len * 19 / 20;
		struct result strict = read_bytes(a.data, len, false);
		struct result loose = read_bytes(a.data, len, true);

		ok(strict.sizes[1] && strict.code < 0, "%s, cut early: the header is read, then it fails",
		   i ? "lzop" : "gzip");
		ok(loose.code == 0 && loose.damages && loose.lost < vma_clusters(disks[0].size) &&
			   !loose.wrong,
		   "%s, cut early: what is whole is read (%llu clusters lost) %s", i ? "lzop" : "gzip",
		   (unsigned long long)loose.lost, loose.message);
		result_clear(&strict);
		result_clear(&loose);
		free(a.data);
	}
}

/* Bytes that are gone or new in an extent move what follows: none of it may pass for the disk's. */
static void test_moved(void)
{
	static const struct {
		size_t lost, added;
	} cases[] = { { 1, 0 }, { 512, 0 }, { 100000, 0 }, { 0, 1 }, { 0, 512 }, { 3, 70000 } };
	struct archive a = write_archive(VMA_COMPRESS_NONE);
	size_t extent = next_extent(&a, get_be32(a.data + VMA_H_HEADER_SIZE));

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const size_t at = extent - 300000, from = at + cases[i].lost;
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct result r;

		buf_add(&b, a.data, at);
		for (size_t k = 0; k < cases[i].added; k++)
			buf_add(&b, "+", 1);
		buf_add(&b, a.data + from, a.len - from);
		r = read_bytes(b.data, b.len, true);
		ok(r.code == 0 && r.damages && !r.wrong && r.lost && r.lost < VMA_CLUSTERS_PER_EXTENT,
		   "%zu bytes lost, %zu added: the extent is lost, the others are read (%llu clusters)",
		   cases[i].lost, cases[i].added, (unsigned long long)r.lost);
		result_clear(&r);
	}
	for (unsigned zero = 0; zero < 2; zero++) {
		struct result r;

		for (size_t i = 0; i < (zero ? VMA_EXTENT_HEADER_SIZE : 8); i++)
			a.data[extent + i] = zero ? 0 : a.data[extent + i] ^ 0x55;
		r = read_bytes(a.data, a.len, true);
		ok(r.damages && !r.wrong && r.lost && r.lost < VMA_CLUSTERS_PER_EXTENT,
		   "a header that is hurt costs its own extent (%llu clusters)", (unsigned long long)r.lost);
		result_clear(&r);
	}
	free(a.data);
}

/* ---- lies ---- */

struct crafted {
	struct buf b;
	uint8_t uuid[VMA_UUID_SIZE];
};

static void fix_md5(uint8_t *p, size_t len, size_t field)
{
	MD5_CTX md5;

	memset(p + field, 0, VMA_MD5_SIZE);
	MD5Init(&md5);
	MD5Update(&md5, p, len);
	MD5Final(p + field, &md5);
}

/* A header with one disk. */
static void craft(struct crafted *c, const char *device, uint64_t size)
{
	_cleanup_vma_header_ struct vma_header h = { 0 };

	*c = (struct crafted){ 0 };
	vma_header_init(&h, NULL);
	vma_header_add_device(&h, device, size, NULL, NULL);
	memcpy(c->uuid, h.uuid, VMA_UUID_SIZE);
	vma_header_encode(&h, &c->b);
}

static void add_extent(struct crafted *c, const struct vma_block_info *infos, unsigned n)
{
	struct vma_block_info all[VMA_CLUSTERS_PER_EXTENT] = { 0 };
	uint8_t raw[VMA_EXTENT_HEADER_SIZE];
	unsigned blocks;

	memcpy(all, infos, n * sizeof(*infos));
	vma_extent_header_encode(raw, c->uuid, all);
	buf_add(&c->b, raw, sizeof(raw));
	blocks = get_be16(raw + VMA_E_BLOCK_COUNT);
	for (unsigned i = 0; i < blocks; i++) {
		memset(buf_reserve(&c->b, VMA_BLOCK_SIZE), 'x', VMA_BLOCK_SIZE);
		buf_added(&c->b, VMA_BLOCK_SIZE);
	}
}

static void expect(struct crafted *c, const char *words, const char *what)
{
	struct result strict = read_bytes(c->b.data, c->b.len, false);
	struct result loose = read_bytes(c->b.data, c->b.len, true);

	ok(strict.code < 0 && strstr(strict.message, words) && !strict.outside && !loose.outside, "%s: %s",
	   what, strict.message);
	result_clear(&strict);
	result_clear(&loose);
	buf_clear(&c->b);
}

static void test_extent_lies(void)
{
	static const struct {
		struct vma_block_info infos[3];
		unsigned n;
		const char *words, *what;
	} cases[] = {
		{ { { 1, 1, 0 }, { 1, 1, 0 }, { 0, 1, 1 } }, 3, "comes twice", "a doubled cluster" },
		{ { { 1, 1, 0 } },
		  1,
		  "cluster 1 (at byte 65536 of the disk) is missing",
		  "a missing cluster" },
		{ { { 1, 1, 0 }, { 0, 1, 2 } }, 2, "lies beyond its end", "a cluster too far" },
		{ { { 1, 1, 0 }, { 2, 1, 1 } }, 2, "blocks beyond its end", "a block too far" },
		{ { { 1, 2, 0 } }, 1, "device 2 is not in the header", "an unknown device" },
		{ { { 1, 0, 0 } }, 1, "blocks but no device", "blocks of no device" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct crafted c;

		craft(&c, "drive-scsi0", VMA_CLUSTER_SIZE + 512);
		add_extent(&c, cases[i].infos, cases[i].n);
		expect(&c, cases[i].words, cases[i].what);
	}
}

/* Before June 2020 the last cluster was stored whole, whatever the size of the disk. */
static void test_old_proxmox(void)
{
	const struct vma_block_info infos[] = { { 1, 1, 0 }, { VMA_MASK_ALL, 1, 1 } };
	struct crafted c;
	struct result r;

	craft(&c, "drive-scsi0", VMA_CLUSTER_SIZE + 5000);
	add_extent(&c, infos, 2);
	r = read_bytes(c.b.data, c.b.len, false);
	ok(r.code == 0 && !r.outside && r.disks[1][VMA_CLUSTER_SIZE + 4999] == 'x',
	   "blocks behind the end of a disk, as Proxmox once wrote them, are passed over %s", r.message);
	result_clear(&r);
	buf_clear(&c.b);
}

static void test_header_lies(void)
{
	struct crafted c;
	uint8_t *p;

	craft(&c, "../../etc/x", 4096);
	expect(&c, "slash", "a device name that is a path");
	craft(&c, "a\033[2Jb", 4096);
	expect(&c, "control character", "a device name with an escape");
	craft(&c, "drive-scsi0", UINT64_C(1) << 48);
	expect(&c, "is missing", "256 TiB that are not there");

	craft(&c, "drive-scsi0", 4096);
	p = (uint8_t *)c.b.data;
	put_be64(p + VMA_H_DEVICES + VMA_H_DEVICE_SIZE + 8, UINT64_MAX);
	fix_md5(p, c.b.len, VMA_H_MD5);
	expect(&c, "VMA allows 256 TiB", "a disk larger than VMA allows");
	craft(&c, "drive-scsi0", 4096);
	p = (uint8_t *)c.b.data;
	put_be32(p + VMA_H_DEVICES + VMA_H_DEVICE_SIZE, UINT32_MAX);
	fix_md5(p, c.b.len, VMA_H_MD5);
	expect(&c, "blob at 4294967295", "a name outside of the header");
	craft(&c, "drive-scsi0", 4096);
	p = (uint8_t *)c.b.data;
	put_be32(p + VMA_H_BLOB_SIZE, UINT32_MAX);
	fix_md5(p, c.b.len, VMA_H_MD5);
	expect(&c, "are not within", "names larger than the header");
	craft(&c, "drive-scsi0", 4096);
	put_be32((uint8_t *)c.b.data + VMA_H_HEADER_SIZE, UINT32_MAX);
	expect(&c, "its size is 4294967295", "a header of 4 GiB");
}

/* Runs of one cluster in every page of the tree of seen clusters, in more space than it may follow. */
static void test_scattered(void)
{
	struct crafted c;
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { 0 };

	craft(&c, "drive-scsi0", UINT64_C(1) << 48);
	for (uint32_t i = 0; i < 60000; i += VMA_CLUSTERS_PER_EXTENT) {
		for (unsigned k = 0; k < VMA_CLUSTERS_PER_EXTENT; k++)
			infos[k] = (struct vma_block_info){ .dev = 1, .cluster = (i + k) << 12 };
		add_extent(&c, infos, VMA_CLUSTERS_PER_EXTENT);
	}
	expect(&c, "scattered", "clusters that would take more memory than there may be");
}

int main(void)
{
	for (unsigned i = 0; i < N_DISKS; i++)
		disk_fill(&disks[i], 11 + i);
	test_round_trips();
	test_truncation();
	test_flips();
	test_gzip_flips();
	test_salvage();
	test_salvage_frame_header();
	test_fake_skippable();
	test_costly_resync();
	test_early_damage();
	test_moved();
	test_old_proxmox();
	test_extent_lies();
	test_header_lies();
	test_scattered();
	for (unsigned i = 0; i < N_DISKS; i++)
		free(disks[i].data);
	return done_testing();
}
