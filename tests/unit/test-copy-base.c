/*
 * The copy of an incremental backup, lib/copy/copy.h with a reuse: archives of a chain are written by the
 * writer, the disks come from tests/unit/nbd-server.h.  What is read, TRIMmed and kept is what it should be,
 * and each archive is complete.
 */
#include <errno.h>
#include <libnbd.h>
#include <sys/mman.h>

#include "copy/copy.h"
#include "nbd-server.h"
#include "tap.h"
#include "vma-disks.h"
#include "vma/reader.h"
#include "vma/reuse.h"

#define CLUSTER   ((uint64_t)VMA_CLUSTER_SIZE)
#define DISKS_MAX 6u

static char folder[] = "/tmp/test-copy-base.XXXXXX";

/* ---- what the server was asked ---- */

struct asked {
	unsigned reads[400], trims[400], statuses[400]; /* how often, by cluster */
	bool trimmed_first[400];                        /* before any read */
	unsigned questions[CONTEXTS];
};

static struct asked look(const struct nbd_server *s)
{
	struct asked a = { 0 };
	bool any = false;

	for (unsigned k = 0; k < s->n_log; k++) {
		const struct nbd_request_log *e = &s->log[k];

		any |= e->type == NBD_READ;
		a.questions[e->context] += e->type == NBD_STATUS;
		for (uint32_t i = e->first; i < e->first + e->n; i++) {
			a.reads[i] += e->type == NBD_READ;
			a.trims[i] += e->type == NBD_TRIM;
			a.trimmed_first[i] |= e->type == NBD_TRIM && !any;
			a.statuses[i] += e->type == NBD_STATUS && e->context == CONTEXT_ALLOCATION;
		}
	}
	return a;
}

/* ---- a chain of two archives ---- */

struct rig {
	unsigned n;
	struct disk then[DISKS_MAX], now[DISKS_MAX]; /* at the instants of base and new archive */
	bool *dirty[DISKS_MAX];                      /* the base bitmap */
	bool no_bitmap[DISKS_MAX];
	struct nbd_server servers[DISKS_MAX];
	struct source_endpoint endpoint; /* socket, export and base bitmap are set for each disk */
	bool sort_disks;
	unsigned extents;   /* of the writer; 0: as many as it likes */
	uint32_t damaged;   /* cluster of disk 0 whose frame of the base is damaged; UINT32_MAX: none */
	int sink;           /* disk that has a sink; -1: none */
	uint32_t pushes_at; /* see push_while_read() */
	unsigned barriers;  /* calls */
	/* called before copy_run() */
	void (*prepare)(struct rig *r);

	struct vma_header header;
	struct vma_chain chain;
	int base_fd, fd;
	struct copy *copy;
	struct error *err;
	unsigned ticks;
	struct asked asked[DISKS_MAX];
	struct copy_base_state states[DISKS_MAX];
	char *why[DISKS_MAX];
	struct copy_progress progress[DISKS_MAX];
	struct vma_reuse_stats reused;
	char sink_path[100];
	struct nbd_handle *pusher;
};

static uint32_t clusters_of(const struct rig *r, unsigned disk)
{
	return (uint32_t)vma_clusters(r->now[disk].size);
}

static int write_full(struct rig *r)
{
	const struct vma_writer_options o = { .ionice = -1, .chain = &r->chain };
	struct vma_writer_stats stats;
	struct vma_writer *w = NULL;
	struct feed f;
	bool good;
	int e = disk_writer(VMA_COMPRESS_ZSTD, 1, &o, r->base_fd, &r->header, &w, &r->err);

	if (e < 0)
		return e;
	feed_init(&f, r->then, r->n, false);
	f.say_zero = true;
	good = feed_run(&f, w, 1);
	free(f.keys);
	e = vma_writer_finish(w, &stats, &r->err);
	vma_writer_free(w);
	return good ? e : -EIO;
}

/* Disks of so many clusters each, of which the last is short; the base is written. */
static void rig_open(struct rig *r, unsigned n, uint32_t clusters, uint32_t seed)
{
	static const char *const names[DISKS_MAX] = { "drive-scsi0", "drive-scsi1", "drive-virtio0",
						      "drive-sata0", "drive-ide0",  "drive-efidisk0" };

	*r = (struct rig){ .n = n, .damaged = UINT32_MAX, .sink = -1, .fd = -1 };
	vma_header_init(&r->header, NULL);
	vma_chain_begin(&r->chain, 1700000000, VMA_CHAIN_MIN_ALIGN, NULL);
	for (unsigned i = 0; i < n; i++) {
		struct disk *d = &r->then[i];

		*d = (struct disk){ .name = names[i], .size = (clusters - i) * CLUSTER - 512 * i };
		disk_fill(d, seed + i);
		r->now[i] = *d;
		r->now[i].data = xcalloc(1, d->size + 1);
		memcpy(r->now[i].data, d->data, d->size);
		r->dirty[i] = xcalloc(clusters, sizeof(bool));
		r->dirty[i][clusters_of(r, i) - 1] = true; /* the sentinel */
		r->servers[i] = (struct nbd_server){ .data = r->now[i].data,
						     .size = d->size,
						     .has_status = true,
						     .read_fails_once = UINT32_MAX };
		vma_header_add_device(&r->header, d->name, d->size, NULL, NULL);
	}
	r->endpoint = (struct source_endpoint){ .export = "", .trim = true };
	r->base_fd = memfd_create("base", MFD_CLOEXEC);
	if (write_full(r) < 0)
		diag("cannot write the base: %s", error_message(r->err));
}

static void rig_close(struct rig *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		free(r->then[i].data);
		free(r->now[i].data);
		free(r->dirty[i]);
		free(r->why[i]);
	}
	vma_header_clear(&r->header);
	vma_chain_clear(&r->chain);
	close(r->base_fd);
	close(r->fd);
	error_free(r->err);
}

/* The guest writes to the cluster, or makes it zero. */
static void rewrite(struct rig *r, unsigned disk, uint32_t cluster, bool zero)
{
	uint8_t *data = r->now[disk].data + cluster * CLUSTER;

	memset(data, zero ? 0 : (int)(cluster % 255 + 1), vma_cluster_len(r->now[disk].size, cluster));
	r->dirty[disk][cluster] = true;
}

/* ---- the copy ---- */

static int on_tick(void *opaque, struct error **err)
{
	struct rig *r = opaque;
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (unsigned i = 0; i < r->n; i++)
		copy_describe(r->copy, i, &b);
	if (++r->ticks < 300) /* a minute */
		return 0;
	diag("%s", buf_str(&b));
	return error_set(err, ERR_TIMEOUT, "it does not end");
}

static int on_barrier(void *opaque, struct error **err)
{
	struct rig *r = opaque;

	(void)err;
	r->barriers++;
	return 0;
}

static struct vma_reuse *open_reuse(struct rig *r)
{
	struct vma_base *b = NULL;

	if (vma_base_open(dup(r->base_fd), "old.vma.zst", &b, &r->err) < 0) {
		diag("%s", error_message(r->err));
		exit(1);
	}
	if (r->damaged != UINT32_MAX) {
		struct vma_base_place place;
		uint32_t n;

		vma_base_place(b, vma_base_find(b, 1, r->damaged, &n), &place);
		pwrite(r->base_fd, "damage", 6, (off_t)(place.offset + place.frame / 2));
	}
	return vma_reuse_new(&(struct vma_reuse_options){ .base = b, .generation = 1 });
}

static int open_writer(struct rig *r, struct vma_reuse *reuse, struct vma_writer **ret)
{
	_cleanup_vma_chain_ struct vma_chain next = { 0 };
	struct vma_writer_options o = { .layout = VMA_CHAINED, .ionice = -1, .chain = &next, .reuse = reuse };
	struct output *output = NULL;
	struct budget budget;

	budget_init(&budget, &(struct budget_limits){ .threads = 2, .extents = r->extents });
	o.budget = &budget;
	r->fd = memfd_create("archive", MFD_CLOEXEC);
	output_plain_new(r->fd, &output, NULL);
	vma_chain_next(&next, &r->chain, "old.vma.zst", NULL);
	return vma_writer_new(&o, output, &r->header, ret, &r->err);
}

static int connect_disk(struct rig *r, unsigned i)
{
	struct nbd_server *s = &r->servers[i];
	struct source_endpoint e = r->endpoint;
	char name[20];

	snprintf(name, sizeof(name), "disk%u", i);
	if (!r->no_bitmap[i]) {
		s->dirty[CONTEXT_BASE] = r->dirty[i];
		e.base_bitmap = "base";
	}
	nbd_server_start(s, folder, name);
	e.socket = s->path;
	return copy_connect(r->copy, i, &e, &r->err);
}

static int copy_disks(struct rig *r)
{
	int e = 0;

	for (unsigned i = 0; i < r->n; i++)
		copy_add_disk(r->copy, r->now[i].name, (uint8_t)(i + 1), r->now[i].size, NULL);
	if (r->sink >= 0) {
		snprintf(r->sink_path, sizeof(r->sink_path), "%s/sink", folder);
		e = copy_listen(r->copy, (unsigned)r->sink, r->sink_path, &r->err);
	}
	if (r->prepare)
		r->prepare(r);
	for (unsigned i = 0; i < r->n && e == 0; i++)
		e = connect_disk(r, i);
	return e < 0 ? e : copy_run(r->copy, &r->err);
}

static int compare(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		   struct error **err)
{
	const struct rig *r = opaque;

	return memcmp(r->now[dev - 1].data + offset, data, len) ? error_set(err, ERR_CORRUPT, "other data")
								: 0;
}

static int compare_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	const struct rig *r = opaque;

	return io_is_zero(r->now[dev - 1].data + offset, len) ? 0 : error_set(err, ERR_CORRUPT, "no zeroes");
}

/* The reader refuses clusters that are missing or come twice. */
static bool archive_is_good(struct rig *r)
{
	const struct vma_receiver receiver = { .data = compare, .zero = compare_zero };
	_cleanup_error_ struct error *err = NULL;
	struct vma_reader *reader = NULL;
	int e;

	lseek(r->fd, 0, SEEK_SET);
	e = vma_reader_new(r->fd, 1, NULL, &reader, &err);
	if (e == 0)
		e = vma_reader_run(reader, &receiver, r, &err);
	if (e < 0)
		diag("%s", error_message(err));
	vma_reader_free(reader);
	return e >= 0;
}

/* Whether the copy ends well and the new archive is complete. */
static bool run(struct rig *r)
{
	struct budget budget;
	struct vma_writer_stats stats;
	struct vma_writer *w = NULL;
	struct vma_reuse *reuse = open_reuse(r);
	int e = open_writer(r, reuse, &w);

	budget_init(&budget, &(struct budget_limits){ .workers = 4 });
	copy_new(&(struct copy_options){ .writer = w,
					 .budget = &budget,
					 .reuse = reuse,
					 .sort_disks = r->sort_disks,
					 .tick = on_tick,
					 .barrier = on_barrier,
					 .opaque = r },
		 &r->copy, NULL);
	if (e == 0)
		e = copy_disks(r);
	for (unsigned i = 0; i < r->n; i++) {
		copy_get_base_state(r->copy, i, &r->states[i]);
		r->why[i] = r->states[i].why ? xstrdup(r->states[i].why) : NULL;
		copy_get_progress(r->copy, i, &r->progress[i]);
	}
	copy_free(TAKE_PTR(r->copy));
	if (r->pusher)
		nbd_close(r->pusher);
	for (unsigned i = 0; i < r->n; i++) {
		r->asked[i] = look(&r->servers[i]);
		nbd_server_end(&r->servers[i]);
	}
	if (e == 0)
		e = vma_writer_finish(w, &stats, &r->err);
	vma_reuse_get_stats(reuse, &r->reused);
	vma_writer_free(w);
	if (e < 0)
		diag("%s", error_message(r->err));
	return e == 0 && archive_is_good(r);
}

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

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	check_trusted();
	check_nothing_changed();
	check_untrusted();
	check_hard_ways();
	check_bad_frame();
	check_pushes();
	check_distrust();
	check_disks(false, 0);
	check_disks(true, 0);
	check_disks(true, 4);
	rmdir(folder);
	return done_testing();
}
