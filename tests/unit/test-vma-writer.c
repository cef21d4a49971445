/* What the writer writes, the plain reader in tests/lib reads back, byte for byte. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "base/strv.h"
#include "vma/chain.h"

#include "tap.h"
#include "vma-disks.h"

#define MAX_DISKS 6
#define DISK(name_, size_)                       \
	{                                        \
		.name = (name_), .size = (size_) \
	}

static char folder[] = "/tmp/test-vma-writer.XXXXXX";

struct round {
	const char *name;
	enum vma_compression compression;
	unsigned threads;
	unsigned feeders;
	bool shuffle;
	bool say_zero;
	bool zero;       /* the disks are */
	size_t part_max; /* of the index; 0 = as usual */
	uint32_t align;  /* the archive begins a chain; 0: it belongs to none */
	struct disk disks[MAX_DISKS];
};

static struct round rounds[] = {
	{ .name = "zstd, two threads",
	  .compression = VMA_COMPRESS_ZSTD,
	  .threads = 2,
	  .feeders = 3,
	  .disks = { DISK("drive-scsi0", 9 << 20), DISK("drive-virtio1", 4 << 20) } },
	{ .name = "zstd, odd sizes, any order, zero clusters known",
	  .threads = 3,
	  .feeders = 2,
	  .compression = VMA_COMPRESS_ZSTD,
	  .shuffle = true,
	  .say_zero = true,
	  .disks = { DISK("drive-ide0", 512), DISK("drive-sata1", (7 << 20) + 512),
		     DISK("drive-efidisk0", 540672), DISK("drive-scsi3", 65536 * 59),
		     DISK("drive-tpmstate0", 65536 * 3 + 4095) } },
	{ .name = "zstd, one thread, an index of many parts",
	  .threads = 1,
	  .feeders = 2,
	  .compression = VMA_COMPRESS_ZSTD,
	  .shuffle = true,
	  .part_max = 40,
	  .disks = { DISK("drive-scsi0", 30 << 20), DISK("drive-scsi1", 1) } },
	{ .name = "zstd, no disk", .compression = VMA_COMPRESS_ZSTD, .threads = 2, .feeders = 1 },
	{ .name = "chained, two threads",
	  .compression = VMA_COMPRESS_ZSTD,
	  .align = 4096,
	  .threads = 2,
	  .feeders = 3,
	  .disks = { DISK("drive-scsi0", 9 << 20), DISK("drive-virtio1", 4 << 20) } },
	{ .name = "chained, odd sizes, any order, zero clusters known, large blocks",
	  .threads = 3,
	  .feeders = 2,
	  .compression = VMA_COMPRESS_ZSTD,
	  .align = 131072,
	  .shuffle = true,
	  .say_zero = true,
	  .disks = { DISK("drive-ide0", 512), DISK("drive-sata1", (7 << 20) + 512),
		     DISK("drive-efidisk0", 540672), DISK("drive-scsi3", 65536 * 59),
		     DISK("drive-tpmstate0", 65536 * 3 + 4095) } },
	{ .name = "chained, many threads, an index of many parts",
	  .threads = 9,
	  .feeders = 4,
	  .compression = VMA_COMPRESS_ZSTD,
	  .align = 4096,
	  .shuffle = true,
	  .part_max = 40,
	  .disks = { DISK("drive-scsi0", 30 << 20), DISK("drive-scsi1", 1) } },
	{ .name = "chained, all is zero",
	  .threads = 2,
	  .feeders = 2,
	  .compression = VMA_COMPRESS_ZSTD,
	  .align = 65536,
	  .zero = true,
	  .disks = { DISK("drive-scsi0", (30 << 20) + 1) } },
	{ .name = "chained, no disk",
	  .compression = VMA_COMPRESS_ZSTD,
	  .align = 4096,
	  .threads = 2,
	  .feeders = 1 },
	{ .name = "not compressed",
	  .compression = VMA_COMPRESS_NONE,
	  .feeders = 4,
	  .say_zero = true,
	  .disks = { DISK("drive-scsi0", (9 << 20) + 512), DISK("drive-scsi1", 4097) } },
	{ .name = "gzip",
	  .compression = VMA_COMPRESS_GZIP,
	  .feeders = 2,
	  .shuffle = true,
	  .disks = { DISK("drive-scsi0", (5 << 20) + 65535) } },
	{ .name = "pigz",
	  .compression = VMA_COMPRESS_GZIP,
	  .threads = 2,
	  .feeders = 2,
	  .disks = { DISK("drive-scsi0", (5 << 20) + 1) } },
	{ .name = "lzop",
	  .compression = VMA_COMPRESS_LZO,
	  .feeders = 2,
	  .say_zero = true,
	  .disks = { DISK("drive-scsi0", (9 << 20) + 4096) } },
};

static unsigned count_disks(const struct round *r)
{
	unsigned n = 0;

	while (n < MAX_DISKS && r->disks[n].name)
		n++;
	return n;
}

static bool fill_header(const struct round *r, struct vma_header *h)
{
	bool good = vma_header_init(h, NULL) == 0 &&
		    vma_header_add_config(h, "qemu-server.conf", "cores: 2\n", 9, NULL) == 0;

	for (unsigned i = 0; i < count_disks(r); i++)
		good = good && vma_header_add_device(h, r->disks[i].name, r->disks[i].size, NULL, NULL) == 0;
	return good;
}

/* With part_max each part of the index is written when it is closed, so that some stand between the data. */
static bool write_archive(const struct round *r, const char *path, struct vma_writer_stats *stats)
{
	_cleanup_vma_chain_ struct vma_chain chain = { 0 };
	const struct vma_writer_options o = { .ionice = 7,
					      .chain = r->align ? &chain : NULL,
					      .index_part_max = r->part_max,
					      .index_held_max = r->part_max ? 100 : 0 };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct feed f;
	bool good;

	if (r->align && vma_chain_begin(&chain, 1, r->align, &err) < 0)
		diag("%s", error_message(err));
	if (!fill_header(r, &h) || disk_writer(r->compression, r->threads, &o, fd, &h, &w, &err) < 0) {
		diag("%s", error_message(err));
		return false;
	}
	feed_init(&f, r->disks, count_disks(r), r->shuffle);
	f.say_zero = r->say_zero;
	good = feed_run(&f, w, r->feeders);
	free(f.keys);
	if (vma_writer_finish(w, stats, &err) < 0) {
		diag("%s", error_message(err));
		good = false;
	}
	return good;
}

/* The plain reader's last words, or NULL when it complained. */
static char *extract(const char *path, const char *to)
{
	const char *argv[] = { "tests/lib/vma_reader.py", "extract", path, to, NULL };
	struct process_result result = { 0 };
	_cleanup_error_ struct error *err = NULL;
	char *out = NULL;

	if (process_run_ok(argv, NULL, &result, &err) < 0)
		diag("%s", error_message(err));
	else
		out = xstrdup(result.out);
	process_result_clear(&result);
	return out;
}

static bool same_disk(const struct disk *d, const char *extracted)
{
	_cleanup_free_ char *path = xasprintf("%s/disk-%s.raw", extracted, d->name);
	_cleanup_buf_ struct buf b = BUF_INIT;

	return io_read_file(path, 1 << 26, &b, NULL) == 0 && b.len == d->size &&
	       !memcmp(b.data, d->data, d->size);
}

static void check_stats(const struct round *r, const char *path, const struct vma_writer_stats *stats)
{
	uint64_t total = 0;
	struct stat st = { 0 };

	for (unsigned i = 0; i < count_disks(r); i++)
		total += r->disks[i].size;
	ok(stats->data_bytes + stats->zero_bytes == total, "%s: each guest byte is counted once", r->name);
	ok(stat(path, &st) == 0 && (uint64_t)st.st_size == stats->file_bytes,
	   "%s: the size of the file is known", r->name);
}

static void run_round(struct round *r)
{
	_cleanup_free_ char *path = xasprintf("%s/archive", folder);
	_cleanup_free_ char *to = xasprintf("%s/out", folder), *text = NULL;
	struct vma_writer_stats stats = { 0 };

	for (unsigned i = 0; i < count_disks(r); i++)
		if (r->zero)
			r->disks[i].data = xcalloc(1, r->disks[i].size);
		else
			disk_fill(&r->disks[i], i + 1);
	if (!ok(write_archive(r, path, &stats), "%s: an archive is written", r->name))
		return;
	check_stats(r, path, &stats);
	text = extract(path, to);
	ok(text && str_prefix(text, "ok: ", NULL), "%s: the plain reader finds nothing wrong", r->name);
	diag("%s", text ? str_strip(text) : "");
	for (unsigned i = 0; i < count_disks(r); i++) {
		ok(same_disk(&r->disks[i], to), "%s: %s comes back", r->name, r->disks[i].name);
		free(r->disks[i].data);
	}
	io_remove_tree(to, NULL);
	unlink(path);
}

/* The fixtures are Proxmox's own; what it makes of two-disks.vma is known by checksum. */
static void check_reader(void)
{
	_cleanup_free_ char *to = xasprintf("%s/out", folder), *text = NULL;
	_cleanup_free_ char *sums =
		xasprintf("cd %s && printf '%%s  %%s\\n' "
			  "a7b627f88a88ebd4b427aaca31025343b46777687fe162409630957386379659 "
			  "disk-drive-scsi0.raw "
			  "bca8b215e7500bef99f0f8b1642b04cb160acc2195f498e653ab04eccb6ddaf4 "
			  "disk-drive-scsi1.raw | sha256sum -c --quiet -",
			  to);
	const char *argv[] = { "sh", "-c", sums, NULL };

	text = extract("tests/fixtures/two-disks.vma.zst", to);
	ok(text && process_run_ok(argv, NULL, NULL, NULL) == 0, "the plain reader reads what Proxmox wrote");
	io_remove_tree(to, NULL);
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	check_reader();
	for (size_t i = 0; i < ARRAY_SIZE(rounds); i++)
		run_round(&rounds[i]);
	io_remove_tree(folder, NULL);
	return done_testing();
}
