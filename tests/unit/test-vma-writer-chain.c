/* Chains of archives: whatever changes between two of them, each is what the disks are. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/process.h"

#include "vma-generations.h"

#define MIB 1048576u

/* Clusters that hold something, all of them noise. */
static void fill_disk(struct guest *g, unsigned i, uint64_t size, uint32_t seed)
{
	guest_resize(g, i, size);
	for (uint32_t c = 0; c < vma_clusters(size); c++)
		guest_change(g, i, c, seed + c);
}

/* Single clusters, and a row. */
static void change_some(struct guest *g, unsigned i, unsigned n, uint32_t *seed)
{
	const uint32_t clusters = g->disks[i].disk.data ? g->disks[i].changed.n : 0;

	for (unsigned k = 0; clusters && k < n; k++)
		guest_change(g, i, disk_random(seed) % clusters, disk_random(seed));
	for (uint32_t c = disk_random(seed), end = c + 20; clusters && n && c < end; c++)
		guest_change(g, i, c % clusters, disk_random(seed));
	if (clusters && disk_random(seed) % 2)
		guest_change(g, i, clusters - 1, disk_random(seed));
}

/* Some of these disks grow, shrink, come and go. */
static void change_sizes(struct guest *g, uint32_t *seed)
{
	static const uint64_t sizes[] = { 12 * MIB, 12 * MIB + 512, 9 * MIB + 4096, 14 * MIB + 65535 };

	if (disk_random(seed) % 3 == 0)
		guest_resize(g, 1, sizes[disk_random(seed) % ARRAY_SIZE(sizes)]);
	if (disk_random(seed) % 3 == 0)
		guest_resize(g, 2, g->disks[2].disk.data ? 0 : 540672);
	if (disk_random(seed) % 4 == 0)
		guest_resize(g, 3, g->disks[3].disk.data ? 0 : 4 * MIB);
}

/* A byte in the middle of one frame in `share`. */
static void damage_base(struct guest *g, unsigned share, uint32_t *seed)
{
	struct vma_base *b = NULL;

	if (vma_base_open(dup(g->archive), "base", &b, NULL) < 0)
		return;
	for (uint32_t i = 0; i < vma_base_frames(b); i++) {
		struct vma_base_span p;
		uint8_t byte = 0;

		if (!vma_base_frame_dev(b, i) || disk_random(seed) % share)
			continue;
		vma_base_span(b, i, &p);
		if (pread(g->archive, &byte, 1, (off_t)(p.offset + p.frame / 2)) == 1) {
			byte ^= 1;
			ok(pwrite(g->archive, &byte, 1, (off_t)(p.offset + p.frame / 2)) == 1,
			   "frame %u of the base is damaged", i);
		}
	}
	vma_base_free(b);
}

static void describe(const struct guest *g)
{
	diag("%u frames kept, %u rewritten, %u bad; %llu clusters read, %llu new bytes of %llu",
	     g->reused.kept, g->reused.rewritten, g->reused.bad, (unsigned long long)g->n_read,
	     (unsigned long long)g->chain.new_bytes, (unsigned long long)g->stats.file_bytes);
}

static bool good(struct guest *g, const struct guest_options *o, const char *what)
{
	const char *wrong;

	if (guest_back_up(g, o) < 0) {
		ok(false, "%s", what);
		diag("%s", error_message(g->err));
		return false;
	}
	wrong = guest_check(g);
	if (!ok(!wrong, "%s", what))
		diag("%s", wrong);
	describe(g);
	return !wrong;
}

/* The reader that shares no code with the project, which unpacks by zstd -dc. */
static void plainly_good(const struct guest *g, const char *what)
{
	char path[] = "/tmp/test-vma-writer-chain.XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	const char *argv[] = { "tests/lib/vma_reader.py", "verify", path, NULL };
	_cleanup_error_ struct error *err = NULL;

	for (off_t at = 0; sendfile(fd, g->archive, &at, 1 << 30) > 0;)
		;
	ok(process_run_ok(argv, NULL, NULL, &err) == 0, "%s: the plain reader finds nothing wrong", what);
	if (err)
		diag("%s", error_message(err));
	unlink(path);
}

/* ---- random changes ---- */

static void random_generations(const struct guest_options *first, uint32_t seed, unsigned n)
{
	struct guest g;
	bool all = true;

	guest_init(&g);
	fill_disk(&g, 0, 20 * MIB + 1000, seed);
	fill_disk(&g, 1, 12 * MIB, seed + 7);
	all = good(&g, first, "a chain begins");
	for (unsigned i = 1; all && i < n; i++) {
		struct guest_options o = *first;
		_cleanup_free_ char *what = xasprintf("generation %u with seed %u", i, seed);

		o.bitmap = i % 4 != 3;
		o.shuffle = i % 2 == 1;
		o.push = i % 3 == 2 ? 4 : 0;
		change_sizes(&g, &seed);
		for (unsigned k = 0; k < GUEST_DISKS; k++)
			change_some(&g, k, disk_random(&seed) % 6, &seed);
		all = good(&g, &o, what);
	}
	plainly_good(&g, "after the last generation");
	guest_clear(&g);
}

/* ---- what it costs ---- */

/* Bytes that nothing packs. */
static void fill_noise(struct disk *d)
{
	uint64_t x = 88172645463325252u;

	for (uint64_t i = 0; i < d->size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		d->data[i] = (uint8_t)(x >> 32);
	}
}

/* One cluster of each frame of the base changes; the next time the same ones. */
static void bytes_of_changes(void)
{
	const struct guest_options o = { .threads = 1, .bitmap = true, .align = 4096 };
	const uint32_t n = 20 * VMA_CLUSTERS_PER_EXTENT;
	struct guest g;
	uint64_t changed = 0;

	guest_init(&g);
	guest_resize(&g, 0, (uint64_t)n * VMA_CLUSTER_SIZE);
	fill_noise(&g.disks[0].disk);
	good(&g, &o, "a chain of noise begins");
	for (unsigned round = 1; round <= 2; round++) {
		changed = 0;
		for (uint32_t c = 30; c < n; c += VMA_CLUSTERS_PER_EXTENT, changed++) {
			g.disks[0].disk.data[(uint64_t)c * VMA_CLUSTER_SIZE + round] ^= 1;
			map_set(&g.disks[0].changed, c);
		}
		good(&g, &o, "one cluster of each old frame changes");
		ok(g.n_read == changed, "only what has changed is read");
		if (round == 1)
			ok(g.chain.kept_frames == 0, "no frame can be kept the first time");
	}
	ok(g.chain.new_bytes <= changed * VMA_CHAIN_RECUT * VMA_CLUSTER_SIZE * 12 / 10,
	   "the second time no more is written than small frames");
	ok(g.chain.kept_clusters >= n - changed * VMA_CHAIN_RECUT, "all others are kept");
	guest_clear(&g);
}

static void nothing_changes(void)
{
	struct guest_options o = { .threads = 2, .bitmap = true, .align = 131072 };
	struct guest g;

	guest_init(&g);
	fill_disk(&g, 0, 10 * MIB + 1, 3);
	good(&g, &o, "a chain begins at large boundaries");
	good(&g, &o, "nothing changes");
	ok(g.n_read == 0 && g.reused.rewritten == 0, "nothing is read, and all frames are kept");
	o.bitmap = false;
	good(&g, &o, "nothing changes, which a comparison tells");
	plainly_good(&g, "large boundaries");
	ok(g.reused.rewritten == 0 &&
		   g.stats.copied.shared + g.stats.copied.copied + g.stats.copied.written ==
			   g.reused.kept_bytes,
	   "all frames are kept, and what was copied is counted");
	ok(g.stats.data_bytes + g.stats.zero_bytes == g.disks[0].disk.size,
	   "each guest byte is counted once");
	guest_clear(&g);
}

static void bad_frames(void)
{
	const struct guest_options first = { .threads = 2, .align = 4096 };
	const struct guest_options next = { .threads = 3, .bitmap = true, .scrub = 1, .shuffle = true };
	struct guest g;
	uint32_t seed = 4;

	guest_init(&g);
	fill_disk(&g, 0, 30 * MIB, 9);
	good(&g, &first, "a chain begins");
	damage_base(&g, 2, &seed);
	change_some(&g, 0, 10, &seed);
	good(&g, &next, "what is damaged in the base is read from the guest");
	ok(g.reused.bad > 0, "the damage was found");
	guest_clear(&g);
}

/* ---- failures ---- */

static void truncate_base(struct guest *g)
{
	struct stat st;

	if (fstat(g->archive, &st) < 0 || ftruncate(g->archive, st.st_size / 2) < 0)
		abort();
}

static void base_ends(void)
{
	const struct guest_options first = { .threads = 2, .align = 4096 };
	const struct guest_options next = { .threads = 2, .bitmap = true, .while_writing = truncate_base };
	struct guest g;

	guest_init(&g);
	fill_disk(&g, 0, 10 * MIB, 9);
	good(&g, &first, "a chain begins");
	ok(guest_back_up(&g, &next) < 0 && strstr(error_message(g.err), "base.vma.zst") &&
		   strstr(error_message(g.err), "--incremental 0"),
	   "a base that cannot be read fails the backup, and the message says how to go on");
	diag("%s", error_message(g.err));
	guest_clear(&g);
}

static void stops(void)
{
	const struct guest_options first = { .threads = 2, .align = 4096 };
	struct guest_options next = { .threads = 4, .shuffle = true, .push = 3 };
	struct guest g;
	uint32_t seed = 8;
	bool all = true;

	guest_init(&g);
	fill_disk(&g, 0, 30 * MIB, 9);
	good(&g, &first, "a chain begins");
	change_some(&g, 0, 60, &seed);
	for (next.stop = 1; all && next.stop <= 8; next.stop++)
		all = guest_back_up(&g, &next) == ERR_CANCELED;
	ok(all, "a backup can be ended while workers have frames of the base");
	next.stop = 0;
	good(&g, &next, "the next one is whole");
	guest_clear(&g);
}

/* Nobody reads the other end; how far the threads are does not matter. */
static void pipe_hangs(void)
{
	struct disk d = { .name = "drive-scsi0", .size = 80 * MIB };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_vma_chain_ struct vma_chain chain = { 0 };
	const struct vma_writer_options o = { .ionice = -1, .chain = &chain };
	struct vma_writer *w = NULL;
	struct vma_extent *e;
	int fds[2];
	uint32_t n = 0;

	d.data = xcalloc(1, d.size);
	fill_noise(&d);
	if (pipe(fds) < 0 || vma_header_init(&h, NULL) < 0 ||
	    vma_header_add_device(&h, d.name, d.size, NULL, NULL) < 0 ||
	    vma_chain_begin(&chain, 1, 4096, NULL) < 0 ||
	    disk_writer(VMA_COMPRESS_ZSTD, 3, &o, fds[1], &h, &w, NULL) < 0)
		abort();
	while (n < vma_clusters(d.size) && vma_writer_extent_try_get(w, 0, &e, NULL) == 1) {
		for (unsigned slot = 0; slot < VMA_CLUSTERS_PER_EXTENT && n < vma_clusters(d.size);
		     slot++, n++) {
			memcpy(vma_extent_slot(e, slot), d.data + (size_t)n * VMA_CLUSTER_SIZE,
			       VMA_CLUSTER_SIZE);
			vma_extent_set(e, slot, 1, n, VMA_CLUSTER_SIZE);
		}
		vma_writer_extent_put(w, e);
	}
	usleep(20000); /* most often the workers wait for frames by then */
	vma_writer_abort(w);
	ok(vma_writer_extent_get(w, 0, &e, NULL) == ERR_CANCELED && vma_writer_finish(w, NULL, NULL) < 0,
	   "a writer whose output is stuck can be aborted");
	vma_writer_free(w);
	close(fds[0]);
	close(fds[1]);
	free(d.data);
}

static void canceled(void)
{
	struct cancel cancel;
	const struct guest_options o = { .threads = 2, .align = 4096, .cancel = &cancel };
	struct guest g;

	guest_init(&g);
	fill_disk(&g, 0, 10 * MIB, 9);
	if (cancel_init(&cancel, NULL) < 0)
		abort();
	cancel_request(&cancel);
	ok(guest_back_up(&g, &o) == ERR_CANCELED, "a request to stop ends it");
	cancel_clear(&cancel);
	guest_clear(&g);
}

static void is_full(void)
{
	const struct guest_options first = { .threads = 2, .align = 4096 };
	const struct guest_options next = { .threads = 3, .bitmap = true };
	struct rlimit old, tight;
	struct guest g;
	uint32_t seed = 6;
	bool all = true;

	guest_init(&g);
	fill_disk(&g, 0, 20 * MIB, 9);
	good(&g, &first, "a chain begins");
	change_some(&g, 0, 20, &seed);
	getrlimit(RLIMIT_FSIZE, &old);
	tight = old;
	for (tight.rlim_cur = 10000; all && tight.rlim_cur < g.stats.file_bytes; tight.rlim_cur *= 3) {
		setrlimit(RLIMIT_FSIZE, &tight);
		all = guest_back_up(&g, &next) == -EFBIG;
		setrlimit(RLIMIT_FSIZE, &old);
	}
	ok(all, "a place that is full fails the backup, wherever it is then");
	diag("%s", error_message(g.err));
	good(&g, &next, "the next one is whole");
	guest_clear(&g);
}

int main(void)
{
	const struct guest_options two = { .threads = 2, .align = 4096 };
	const struct guest_options large = { .threads = 1, .align = 131072, .scrub = 3 };
	const struct guest_options parts = { .threads = 8, .align = 4096, .part_max = 40, .shuffle = true };

	signal(SIGXFSZ, SIG_IGN);
	random_generations(&two, 1, 14);
	random_generations(&large, 2, 8);
	random_generations(&parts, 3, 8);
	bytes_of_changes();
	nothing_changes();
	bad_frames();
	base_ends();
	stops();
	pipe_hangs();
	canceled();
	is_full();
	return done_testing();
}
