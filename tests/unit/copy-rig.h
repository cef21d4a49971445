/*
 * A chain of two archives for tests of the copy: the base is written as the disks were then; then the copy
 * reads the disks as they are now from servers (nbd-server.h), and the writer makes the next archive of it.
 */
#ifndef VZDUMP_TESTS_COPY_RIG_H
#define VZDUMP_TESTS_COPY_RIG_H

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

static inline struct asked look(const struct nbd_server *s)
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
	bool full;          /* the new archive has no base */
	const char *socket; /* of another server for disk 0; NULL: servers[] */
	unsigned extents;   /* of the writer; 0: as many as it likes */
	uint32_t damaged;   /* cluster of disk 0 whose frame of the base is damaged; UINT32_MAX: none */
	int sink;           /* disk that has a sink; -1: none */
	uint32_t pushes_at; /* see push_while_read() */
	unsigned barriers;  /* calls */
	/* called before copy_run() */
	void (*prepare)(struct rig *r);

	uint32_t seed;
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

static inline uint32_t clusters_of(const struct rig *r, unsigned disk)
{
	return (uint32_t)vma_clusters(r->now[disk].size);
}

static inline int write_full(struct rig *r)
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
static inline void rig_open(struct rig *r, unsigned n, uint32_t clusters, uint32_t seed)
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

static inline void rig_close(struct rig *r)
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
static inline void rewrite(struct rig *r, unsigned disk, uint32_t cluster, bool zero)
{
	uint8_t *data = r->now[disk].data + cluster * CLUSTER;

	memset(data, zero ? 0 : (int)(cluster % 255 + 1), vma_cluster_len(r->now[disk].size, cluster));
	r->dirty[disk][cluster] = true;
}

/* ---- the copy ---- */

static inline int on_tick(void *opaque, struct error **err)
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

static inline int on_barrier(void *opaque, struct error **err)
{
	struct rig *r = opaque;

	(void)err;
	r->barriers++;
	return 0;
}

static inline struct vma_reuse *open_reuse(struct rig *r)
{
	struct vma_base *b = NULL;

	if (vma_base_open(dup(r->base_fd), "old.vma.zst", &b, &r->err) < 0) {
		diag("%s", error_message(r->err));
		exit(1);
	}
	if (r->damaged != UINT32_MAX) {
		struct vma_base_span span;
		uint32_t n;

		vma_base_span(b, vma_base_find(b, 1, r->damaged, &n), &span);
		pwrite(r->base_fd, "damage", 6, (off_t)(span.offset + span.frame / 2));
	}
	return vma_reuse_new(&(struct vma_reuse_options){ .base = b, .generation = 1 });
}

static inline int open_writer(struct rig *r, struct vma_reuse *reuse, struct vma_writer **ret)
{
	_cleanup_vma_chain_ struct vma_chain next = { 0 };
	struct vma_writer_options o = { .layout = VMA_CHAINED, .ionice = -1, .chain = &next, .reuse = reuse };
	struct output *output = NULL;
	struct budget budget;

	budget_init(&budget, &(struct budget_limits){ .threads = 2, .extents = r->extents });
	o.budget = &budget;
	r->fd = memfd_create("archive", MFD_CLOEXEC);
	output_plain_new(r->fd, &output, NULL);
	if (r->full)
		vma_chain_begin(&next, 1700000000, VMA_CHAIN_MIN_ALIGN, NULL);
	else
		vma_chain_next(&next, &r->chain, "old.vma.zst", NULL);
	return vma_writer_new(&o, output, &r->header, ret, &r->err);
}

static inline int connect_disk(struct rig *r, unsigned i)
{
	struct nbd_server *s = &r->servers[i];
	struct source_endpoint e = r->endpoint;
	char name[20];

	snprintf(name, sizeof(name), "disk%u", i);
	if (!r->no_bitmap[i]) {
		s->dirty[CONTEXT_BASE] = r->dirty[i];
		e.base_bitmap = "base";
	}
	if (!r->socket)
		nbd_server_start(s, folder, name);
	e.socket = r->socket ? r->socket : s->path;
	return copy_connect(r->copy, i, &e, &r->err);
}

static inline int copy_disks(struct rig *r)
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

static inline int compare(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
			  struct error **err)
{
	const struct rig *r = opaque;

	return memcmp(r->now[dev - 1].data + offset, data, len) ? error_set(err, ERR_CORRUPT, "other data")
								: 0;
}

static inline int compare_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	const struct rig *r = opaque;

	return io_is_zero(r->now[dev - 1].data + offset, len) ? 0 : error_set(err, ERR_CORRUPT, "no zeroes");
}

/* The reader refuses clusters that are missing or come twice. */
static inline bool archive_is_good(struct rig *r)
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
static inline bool run(struct rig *r)
{
	struct budget budget;
	struct vma_writer_stats stats;
	struct vma_writer *w = NULL;
	struct vma_reuse *reuse = r->full ? NULL : open_reuse(r);
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
	for (unsigned i = 0; i < r->n && !r->socket; i++) {
		r->asked[i] = look(&r->servers[i]);
		nbd_server_end(&r->servers[i]);
	}
	if (e == 0)
		e = vma_writer_finish(w, &stats, &r->err);
	if (reuse)
		vma_reuse_get_stats(reuse, &r->reused);
	vma_writer_free(w);
	if (e < 0)
		diag("%s", error_message(r->err));
	return e == 0 && archive_is_good(r);
}

#endif
