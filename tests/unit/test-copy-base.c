/*
 * The copy of an incremental backup, lib/copy/copy.h with a reuse: archives of a chain are written by the
 * writer, the disks come from tests/unit/nbd-server.h.  What is read, TRIMmed and kept is what it should be,
 * and each archive is complete.
 */
#include <fcntl.h>
#include <signal.h>

#include "base/process.h"
#include "copy-rig.h"

/* ---- what has to be so ---- */

static bool each(const struct rig *r, unsigned disk, bool (*good)(const struct rig *, unsigned, uint32_t))
{
	for (uint32_t i = 0; i < clusters_of(r, disk); i++) {
		if (!good(r, disk, i)) {
			diag("disk %u, cluster %u", disk, i);
			return false;
		}
	}
	return true;
}

static bool is_zero_now(const struct rig *r, unsigned disk, uint32_t cluster)
{
	return io_is_zero(r->now[disk].data + cluster * CLUSTER, vma_cluster_len(r->now[disk].size, cluster));
}

static bool read_if_candidate(const struct rig *r, unsigned disk, uint32_t i)
{
	if (r->dirty[disk][i] && is_zero_now(r, disk, i))
		return r->asked[disk].reads[i] <= 1; /* block status may have said so */
	return r->asked[disk].reads[i] == r->dirty[disk][i];
}

static bool status_if_candidate(const struct rig *r, unsigned disk, uint32_t i)
{
	return r->asked[disk].statuses[i] <= r->dirty[disk][i];
}

static bool read_once(const struct rig *r, unsigned disk, uint32_t i)
{
	return r->asked[disk].reads[i] == 1 || (is_zero_now(r, disk, i) && !r->asked[disk].reads[i]);
}

/* How many frames of the base store a candidate of a disk, and the others. */
static unsigned frames_with(const struct rig *r, unsigned disk, bool candidates, bool ret_clusters[400])
{
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = NULL;
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	struct vma_base *b = NULL;
	unsigned n, found = 0;
	uint32_t frame;

	memset(ret_clusters, 0, 400 * sizeof(bool));
	if (vma_base_open(dup(r->base_fd), "old.vma.zst", &b, NULL) < 0)
		return 0;
	w = vma_base_walk_new(b, (uint8_t)(disk + 1));
	while (vma_base_walk_next(w, &frame, keys, &n)) {
		bool any = false;

		for (unsigned i = 0; i < n; i++)
			any |= r->dirty[disk][(uint32_t)keys[i]];
		for (unsigned i = 0; i < n && any == candidates; i++)
			ret_clusters[(uint32_t)keys[i]] = true;
		found += any == candidates;
	}
	vma_base_free(b);
	return found;
}

/* What frames store that have no candidate is TRIMmed before anything is read. */
static bool trims_came_first(const struct rig *r, unsigned disk)
{
	bool kept[400];

	if (!frames_with(r, disk, false, kept))
		return false;
	for (uint32_t i = 0; i < clusters_of(r, disk); i++) {
		if (kept[i] && !r->asked[disk].trimmed_first[i]) {
			diag("cluster %u was not TRIMmed before", i);
			return false;
		}
	}
	return true;
}

static uint64_t candidate_bytes(const struct rig *r, unsigned disk)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < clusters_of(r, disk); i++)
		bytes += r->dirty[disk][i] ? vma_cluster_len(r->now[disk].size, i) : 0;
	return bytes;
}

/* ---- a bitmap that is trusted, and others ---- */

static void some_changes(struct rig *r, unsigned disk)
{
	rewrite(r, disk, 5, false);
	rewrite(r, disk, 6, true);
	for (uint32_t i = 100; i < 120; i++)
		rewrite(r, disk, i, i % 2);
	rewrite(r, disk, 298, false); /* was zero */
	/* written as it was */
	r->dirty[disk][200] = true;
}

static void check_trusted(void)
{
	const struct copy_progress *p;
	struct rig r;

	rig_open(&r, 1, 400, 1);
	some_changes(&r, 0);
	ok(run(&r), "with a bitmap that is trusted the archive is complete");
	ok(each(&r, 0, read_if_candidate), "what may have changed is read once, and nothing else");
	ok(each(&r, 0, status_if_candidate), "of nothing else the block status is asked");
	ok(r.asked[0].questions[CONTEXT_BASE] == 1, "the bitmap is asked once");
	ok(trims_came_first(&r, 0), "what is kept is TRIMmed before anything is read");
	ok(r.states[0].known && !r.why[0] && r.states[0].candidate_bytes == candidate_bytes(&r, 0),
	   "what may have changed is told");
	p = &r.progress[0];
	ok(p->done == p->size && p->candidates == candidate_bytes(&r, 0) && p->read == p->to_read &&
		   p->read <= p->candidates && p->read > 10 * CLUSTER,
	   "the progress counts as read what was read");
	ok(r.reused.kept > 0 && r.reused.rewritten > 0 && r.reused.bad == 0, "frames are kept and rewritten");
	rig_close(&r);
}

static void check_nothing_changed(void)
{
	struct rig r;

	rig_open(&r, 1, 300, 2);
	ok(run(&r), "a tail of one cluster ends at once");
	ok(r.reused.rewritten == 0 && r.asked[0].reads[299] == 1, "and all frames are kept");
	rig_close(&r);
}

static bool all_is_compared(const struct rig *r, const char *why)
{
	if (r->why[0] && !strcmp(r->why[0], why) && r->states[0].candidate_bytes == r->now[0].size &&
	    r->reused.kept > 0)
		return each(r, 0, read_once);
	diag("%s; %u frames kept", r->why[0] ? r->why[0] : "no reason", r->reused.kept);
	return false;
}

static void check_untrusted(void)
{
	struct rig r;

	rig_open(&r, 1, 400, 3);
	some_changes(&r, 0);
	r.dirty[0][399] = false;
	ok(run(&r) && all_is_compared(&r, "its bitmap cannot be trusted: the disk was resized"),
	   "without its last bit a bitmap is not trusted: all is read and compared");
	rig_close(&r);

	rig_open(&r, 1, 400, 4);
	some_changes(&r, 0);
	r.no_bitmap[0] = true;
	ok(run(&r) && all_is_compared(&r, "there is no dirty bitmap"), "so it is without a bitmap");
	rig_close(&r);

	rig_open(&r, 1, 400, 4);
	some_changes(&r, 0);
	r.no_bitmap[0] = true;
	r.endpoint.no_base_bitmap = "the guest was restarted since";
	ok(run(&r) && all_is_compared(&r, "the guest was restarted since"), "the source may say why");
	rig_close(&r);

	rig_open(&r, 1, 400, 5);
	some_changes(&r, 0);
	r.servers[0].fails[CONTEXT_BASE] = true;
	ok(run(&r) && all_is_compared(&r, "its bitmap cannot be read (Input/output error)"),
	   "and with one that gives no answer");
	rig_close(&r);
}

/* The bitmap answers in pieces, reads fail, and there is no block status. */
static void check_hard_ways(void)
{
	struct rig r;

	rig_open(&r, 1, 400, 6);
	some_changes(&r, 0);
	r.servers[0].pieces_max = 2;
	r.servers[0].has_status = false;
	r.servers[0].read_fails_once = 100;
	ok(run(&r) && r.asked[0].questions[CONTEXT_BASE] > 3 && !r.why[0],
	   "a bitmap may answer in many parts, and what fails is read again");
	ok(trims_came_first(&r, 0), "TRIMs come first without block status as well");
	rig_close(&r);

	rig_open(&r, 1, 400, 6);
	some_changes(&r, 0);
	r.endpoint.trim_granularity = 32 * CLUSTER;
	ok(run(&r) && each(&r, 0, read_if_candidate), "a storage may give space back in granules");
	rig_close(&r);

	rig_open(&r, 1, 400, 6);
	some_changes(&r, 0);
	r.endpoint.trim = false;
	ok(run(&r) && each(&r, 0, read_if_candidate), "or not at all");
	rig_close(&r);
}

/* ---- damage ---- */

static void check_bad_frame(void)
{
	bool touched[400];
	struct rig r;

	rig_open(&r, 1, 400, 7);
	rewrite(&r, 0, 101, false);
	r.damaged = 101;
	frames_with(&r, 0, true, touched);
	ok(run(&r) && r.reused.bad == 1,
	   "of a frame that does not unpack the guest's clusters are read instead");
	ok(r.asked[0].reads[99] == 1 && r.asked[0].reads[102] == 1 && touched[99] && touched[102] &&
		   r.asked[0].reads[5] == 0,
	   "these, and no others");
	ok(r.progress[0].read == r.progress[0].to_read && r.progress[0].read > 30 * CLUSTER,
	   "the progress counts them");
	rig_close(&r);

	rig_open(&r, 1, 400, 8);
	some_changes(&r, 0);
	r.no_bitmap[0] = true;
	r.damaged = 102;
	ok(run(&r) && r.reused.bad == 1, "so it is if all was read before");
	rig_close(&r);
}

/* ---- pushes ---- */

static void push(struct rig *r, uint32_t first, uint32_t n)
{
	const struct disk *d = &r->now[r->sink];

	if (!r->pusher) {
		r->pusher = nbd_create();
		if (nbd_connect_unix(r->pusher, r->sink_path) == -1)
			diag("%s", nbd_get_error());
	}
	for (uint32_t i = first; i < first + n; i++) {
		const uint8_t *data = d->data + i * CLUSTER;
		const size_t len = vma_cluster_len(d->size, i);

		if ((io_is_zero(data, len) ? nbd_zero(r->pusher, len, i * CLUSTER, 0)
					   : nbd_pwrite(r->pusher, data, len, i * CLUSTER, 0)) == -1)
			diag("%s", nbd_get_error());
	}
}

static void push_before(struct rig *r)
{
	push(r, 101, 4);
	push(r, 200, 2);
}

/* While the cluster `pushes_at` is being read. */
static void push_while_read(void *opaque, uint32_t first, uint32_t n)
{
	struct rig *r = opaque;

	if (first > r->pushes_at || first + n <= r->pushes_at)
		return;
	push(r, 80, r->pushes_at > 80 ? r->pushes_at - 80 : 40);
	push(r, r->pushes_at + 1, 18);
	push(r, 0, 5);
}

static void check_pushes(void)
{
	bool touched[400];
	uint64_t n = 0;
	struct rig r;

	rig_open(&r, 1, 400, 9);
	rewrite(&r, 0, 100, false);
	r.sink = 0;
	r.prepare = push_before;
	ok(run(&r) && r.progress[0].pushed == 6 * CLUSTER && each(&r, 0, read_if_candidate),
	   "what was pushed before the base is known is in the archive once");
	rig_close(&r);

	rig_open(&r, 1, 400, 9);
	rewrite(&r, 0, 101, false);
	r.sink = 0;
	r.servers[0].on_read = push_while_read;
	r.servers[0].opaque = &r;
	r.pushes_at = 101;
	/* the frame is judged but for that one, and the frames around it are kept already */
	frames_with(&r, 0, true, touched);
	for (uint32_t i = 80; i < 120; i++)
		n += touched[i] && i != 101;
	ok(run(&r) && r.progress[0].pushed == n * CLUSTER && n > 5 && n < 20,
	   "so is what is pushed between judged and settled, and of what is done nothing is taken");
	rig_close(&r);

	rig_open(&r, 1, 400, 9);
	some_changes(&r, 0);
	r.no_bitmap[0] = true;
	r.sink = 0;
	r.prepare = push_before;
	r.pushes_at = 60;
	r.servers[0].on_read = push_while_read;
	r.servers[0].opaque = &r;
	ok(run(&r) && r.progress[0].pushed >= 16 * CLUSTER, "and where all is compared");
	rig_close(&r);
}

/* ---- zeroes that are not trusted ---- */

static void check_distrust(void)
{
	bool called_zero[400], rewritten[400] = { 0 };
	struct rig r;

	rig_open(&r, 1, 400, 10);
	for (uint32_t i = 0; i < 40; i++)
		rewrite(&r, 0, i, i % 4 != 0);
	for (uint32_t i = 0; i < 400; i++)
		called_zero[i] = is_zero_now(&r, 0, i);
	/* the guest has made these zero since the instant, and the others not */
	called_zero[8] = called_zero[12] = rewritten[8] = rewritten[12] = rewritten[21] = true;
	r.servers[0].called_zero = called_zero;
	r.servers[0].dirty[CONTEXT_DRAIN] = rewritten;
	r.endpoint.bitmap = "drain";
	r.endpoint.distrust_ranges = true;
	ok(run(&r) && r.barriers == 1, "zeroes that are not trusted are judged when they are confirmed");
	ok(r.asked[0].reads[8] == 1 && r.asked[0].reads[21] == 1 && r.asked[0].reads[22] == 0,
	   "what the guest rewrote is read instead");
	rig_close(&r);
}

/* ---- reads that have to be proved ---- */

/* The guest rewrites a cluster of every third long read, the first or the last one, while it is read. */
static void rewrite_while_read(void *opaque, uint32_t first, uint32_t n)
{
	bool *rewritten = opaque;

	if (n > 1 && first / 8 % 3 == 0)
		__atomic_store_n(&rewritten[first + (first % 2 ? n - 1 : 0)], true, __ATOMIC_RELAXED);
}

static void open_mistaken(struct rig *r, bool *rewritten)
{
	rig_open(r, 1, 400, 11);
	some_changes(r, 0);
	r->no_bitmap[0] = r->full = true;
	r->servers[0].mistakes_runs = true;
	r->servers[0].on_read = rewrite_while_read;
	r->servers[0].opaque = rewritten;
	r->servers[0].dirty[CONTEXT_DRAIN] = rewritten;
	r->endpoint.bitmap = "drain";
	r->endpoint.distrust_ranges = true;
}

static void check_proofs(void)
{
	bool rewritten[400] = { 0 };
	struct rig r;
	unsigned twice = 0, most = 0;

	open_mistaken(&r, rewritten);
	ok(run(&r), "a long read of which the guest rewrites a part is not trusted");
	for (uint32_t i = 0; i < 400; i++) {
		twice += r.asked[0].reads[i] == 2;
		most = r.asked[0].reads[i] > most ? r.asked[0].reads[i] : most;
	}
	ok(twice > 20 && twice < 300 && most == 2, "but read again, once, and the others are not");
	rig_close(&r);

	memset(rewritten, 0, sizeof(rewritten));
	open_mistaken(&r, rewritten);
	r.servers[0].fails[CONTEXT_DRAIN] = true;
	ok(run(&r), "without an answer of the bitmap all is read again, alone");
	rig_close(&r);

	memset(rewritten, 0, sizeof(rewritten));
	open_mistaken(&r, rewritten);
	r.servers[0].hangs_up[CONTEXT_DRAIN] = true;
	ok(!run(&r) && r.err->code == ERR_GONE, "a connection that ends meanwhile ends the copy");
	rig_close(&r);

	memset(rewritten, 0, sizeof(rewritten));
	open_mistaken(&r, rewritten);
	r.servers[0].read_fails_once = 64;
	r.extents = 4;
	ok(run(&r), "nor does a read that fails stop the others, or want of extents");
	rig_close(&r);
}

/* ---- several disks ---- */

static void check_disks(bool sort_disks, unsigned extents)
{
	bool good = true;
	struct rig r;

	rig_open(&r, DISKS_MAX, 330, 20);
	for (unsigned i = 0; i < DISKS_MAX; i++)
		some_changes(&r, i);
	r.no_bitmap[2] = r.no_bitmap[5] = true;
	r.sort_disks = sort_disks;
	r.extents = extents;
	ok(run(&r), "several disks, %s, with %u extents", sort_disks ? "sorted" : "mixed", extents);
	for (unsigned i = 0; i < DISKS_MAX; i++)
		good = good && each(&r, i, r.no_bitmap[i] ? read_once : read_if_candidate);
	ok(good, "of each is read what has to be");
	rig_close(&r);
}

static void check_full(void)
{
	bool good = true;
	struct rig r;

	rig_open(&r, DISKS_MAX, 330, 40);
	r.full = r.sort_disks = true;
	r.extents = 4;
	ok(run(&r), "a first archive of a chain needs no more extents than four");
	for (unsigned i = 0; i < DISKS_MAX; i++)
		good = good && each(&r, i, read_once) && !r.states[i].known;
	ok(good, "all is read, and no bitmap asked");
	rig_close(&r);
}

/* ---- anything goes ---- */

static unsigned pick(uint32_t *seed, unsigned n)
{
	return disk_random(seed) % n;
}

static void push_now_and_then(void *opaque, uint32_t first, uint32_t n)
{
	struct rig *r = opaque;
	const uint32_t clusters = clusters_of(r, (unsigned)r->sink);

	if (!pick(&r->seed, 5))
		push(r, (first + n + pick(&r->seed, clusters)) % clusters, 1);
}

static void change_at_random(struct rig *r, unsigned disk)
{
	const uint32_t n = clusters_of(r, disk);

	for (unsigned i = pick(&r->seed, 60); i; i--)
		rewrite(r, disk, pick(&r->seed, n), pick(&r->seed, 3) == 0);
	/* bits of what is as it was */
	for (unsigned i = pick(&r->seed, 30); i; i--)
		r->dirty[disk][pick(&r->seed, n)] = true;
	r->dirty[disk][n - 1] = pick(&r->seed, 6) != 0 || r->dirty[disk][n - 1];
}

static bool run_at_random(uint32_t seed)
{
	struct rig r;
	bool good;

	rig_open(&r, 1 + seed % 3, 150 + seed * 7 % 200, seed);
	r.seed = seed;
	for (unsigned i = 0; i < r.n; i++) {
		change_at_random(&r, i);
		r.no_bitmap[i] = !pick(&r.seed, 4);
		r.servers[i].has_status = pick(&r.seed, 4);
		r.servers[i].pieces_max = pick(&r.seed, 5);
		r.servers[i].read_fails_once = pick(&r.seed, 150);
	}
	r.sort_disks = pick(&r.seed, 2);
	r.extents = pick(&r.seed, 2) ? 4 : 0;
	r.endpoint.trim = pick(&r.seed, 4);
	r.endpoint.trim_granularity = pick(&r.seed, 3) ? 0 : 8 * CLUSTER;
	/* of a frame that has to be unpacked, by a cluster that stores something */
	r.damaged = pick(&r.seed, 2) ? 3 * pick(&r.seed, 40) : UINT32_MAX;
	if (r.damaged != UINT32_MAX)
		rewrite(&r, 0, r.damaged, false);
	r.sink = pick(&r.seed, 2) ? 0 : -1;
	if (r.sink == 0) {
		r.servers[0].on_read = push_now_and_then;
		r.servers[0].opaque = &r;
	}
	good = run(&r);
	rig_close(&r);
	return good;
}

static void check_random(uint32_t from, uint32_t n)
{
	uint32_t seed = from;

	while (seed < from + n && run_at_random(seed))
		seed++;
	if (!ok(seed == from + n, "whatever happens the archive is complete, seeds %u to %u", from,
		from + n - 1))
		diag("seed %u", seed);
}

/* ---- QEMU's own answers ---- */

static bool tool(const char *const *argv)
{
	struct process_result result = { 0 };
	_cleanup_error_ struct error *err = NULL;
	const bool good = process_run_ok(argv, NULL, &result, &err) == 0;

	if (!good)
		diag("%s", error_message(err));
	process_result_clear(&result);
	return good;
}

#define TOOL(...) tool((const char *const[]){ __VA_ARGS__, NULL })

static bool write_file(const char *path, const struct disk *d)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd >= 0 && io_write_all(fd, d->data, d->size) == 0;
}

/* Writes what is dirty into the image, where QEMU marks it in the bitmap. */
static bool write_dirty(const struct rig *r, const char *raw, const char *image)
{
	for (uint32_t i = 0; i < clusters_of(r, 0); i++) {
		_cleanup_free_ char *command =
			xasprintf("write -q -s %s %lu %u", raw, i * CLUSTER, VMA_CLUSTER_SIZE);
		struct disk part = { .data = r->now[0].data + i * CLUSTER, .size = CLUSTER };

		if (r->dirty[0][i] &&
		    !(write_file(raw, &part) && TOOL("qemu-io", "-f", "qcow2", "-c", command, image)))
			return false;
	}
	return true;
}

/* qemu-nbd with an image that has the bitmap `base`.  It ends after its last client. */
static bool serve_image(const struct rig *r, const char *raw, const char *image, const char *socket)
{
	_cleanup_free_ char *pid = xasprintf("%s.pid", socket);

	return write_file(raw, &r->then[0]) &&
	       TOOL("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image) &&
	       TOOL("qemu-img", "bitmap", "--add", "--enable", image, "base") && write_dirty(r, raw, image) &&
	       TOOL("qemu-nbd", "--fork", "-e", "4", "-k", socket, "-f", "qcow2", "-B", "base",
		    "--discard=unmap", "--pid-file", pid, image);
}

static void end_server(const char *socket, bool was_used)
{
	_cleanup_free_ char *path = xasprintf("%s.pid", socket);
	_cleanup_buf_ struct buf b = BUF_INIT;
	long pid = 0;

	if (io_read_file(path, 100, &b, NULL) == 0)
		pid = strtol(buf_str(&b), NULL, 10);
	if (!was_used && pid > 1)
		kill((pid_t)pid, SIGTERM);
	unlink(path);
	unlink(socket);
}

/* What is left in the image of clusters that were done in time: nothing. */
static bool is_trimmed(const struct rig *r, const char *raw, const char *image)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool kept[400];

	frames_with(r, 0, false, kept);
	/* qemu-nbd ends after its last client */
	for (unsigned i = 0; i < 100 && !TOOL("qemu-img", "info", image); i++)
		usleep(100000);
	if (!TOOL("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw) ||
	    io_read_file(raw, 1 << 26, &b, NULL) < 0)
		return false;
	for (uint32_t i = 0; i < clusters_of(r, 0); i++) {
		if (kept[i] && !io_is_zero(b.data + i * CLUSTER, CLUSTER))
			return false;
	}
	return true;
}

static void check_qemu(bool trusted)
{
	_cleanup_free_ char *raw = xasprintf("%s/raw", folder), *image = xasprintf("%s/image", folder),
			    *socket = xasprintf("%s/qemu", folder);
	struct rig r;
	bool good;

	rig_open(&r, 1, 200, 30);
	rewrite(&r, 0, 100, false);
	rewrite(&r, 0, 150, true);
	r.dirty[0][199] = trusted;
	r.socket = socket;
	ok(serve_image(&r, raw, image, socket), "qemu-nbd serves an image with a bitmap");
	good = run(&r);
	ok(good && !r.why[0] == trusted, "its answers are understood, the bitmap is %s",
	   trusted ? "trusted" : "not trusted");
	ok(r.states[0].candidate_bytes == (trusted ? 3 : 200) * CLUSTER,
	   "so many clusters may have changed as it says");
	/* else frames are kept at the end, when nothing needs a TRIM any more */
	if (trusted)
		ok(is_trimmed(&r, raw, image), "what is kept was TRIMmed in the image");
	end_server(socket, good);
	unlink(raw);
	unlink(image);
	rig_close(&r);
}

int main(int argc, char **argv)
{
	if (!mkdtemp(folder))
		return 1;
	if (argc > 2)
		check_random((uint32_t)strtoul(argv[1], NULL, 10), (uint32_t)strtoul(argv[2], NULL, 10));
	if (argc > 2)
		return rmdir(folder) + done_testing();
	check_trusted();
	check_nothing_changed();
	check_untrusted();
	check_hard_ways();
	check_bad_frame();
	check_pushes();
	check_distrust();
	check_proofs();
	check_disks(false, 0);
	check_disks(true, 0);
	check_disks(true, 4);
	check_full();
	check_random(1, 25);
	check_qemu(true);
	check_qemu(false);
	rmdir(folder);
	return done_testing();
}
