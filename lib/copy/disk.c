#include "copy/disk.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/trace.h"
#include "base/units.h"
#include "copy/disk-base.h"
#include "vma/reuse.h"

/* Clusters that one vma_writer_zero() takes without waiting once vma_writer_zero_ready() said so. */
#define ZEROES_AT_ONCE 65536u

struct request {
	struct nbd_read read; /* the first member: it is what comes back */
	struct proof_read proof;
	struct copy_disk *disk;
	struct queue_read what;
	struct vma_extent *extent;
	unsigned slot;
};

/* ---- life ---- */

int copy_disk_new(struct copy_shared *shared, struct fill *read, const char *name, uint8_t dev, uint64_t size,
		  struct copy_disk **ret, struct error **err)
{
	struct copy_disk *d = xcalloc(1, sizeof(*d));
	int r = 0;

	if (!cover_init(&d->cover, size)) {
		free(d);
		return error_set(err, -ENOMEM, "%s: no memory for the maps of its %lu bytes", name,
				 (unsigned long)size);
	}
	d->shared = shared;
	d->read = read;
	d->name = xstrdup(name);
	d->dev = dev;
	cover_reuse_init(&d->cover_reuse, &d->cover, shared->wake_fd);
	d->push = (struct push){ .name = d->name,
				 .cover = &d->cover,
				 .fill = &shared->pushed,
				 .writer = shared->writer,
				 .reuse = shared->reuse,
				 .dev = dev,
				 .wake_fd = shared->wake_fd };
	if (shared->reuse)
		r = vma_reuse_add_disk(shared->reuse, dev, size, &cover_reuse_ops, &d->cover_reuse, err);
	if (r < 0)
		copy_disk_free(d);
	else
		*ret = d;
	return r;
}

void copy_disk_end_sink(struct copy_disk *d)
{
	sink_free(TAKE_PTR(d->sink));
}

int copy_disk_listen(struct copy_disk *d, const char *path, struct error **err)
{
	const struct sink_options o = {
		.size = d->cover.size, .align = VMA_CLUSTER_SIZE, .ops = &push_sink_ops, .opaque = &d->push
	};

	return sink_new(path, &o, &d->sink, err);
}

/* Passes on what a function of the source has returned. */
static int note_result(struct copy_disk *d, int r)
{
	if (r < 0)
		d->source_failed = true;
	return r;
}

/* ---- reads that have ended ---- */

/*
 * A read that brought only zeroes, which is seen while they are in the CPU's cache, takes no place in the
 * extent.  False if it brought something else, or the writer has to look at it.  An error of the writer shows
 * in vma_writer_check().
 */
static bool settle_zeroes(const struct request *q)
{
	struct copy_disk *d = q->disk;
	struct vma_writer *w = d->shared->writer;
	const struct run run = q->what.run;

	if (d->shared->reuse ||
	    !io_is_zero(vma_extent_slot(q->extent, q->slot), cover_bytes(&d->cover, run)) ||
	    !vma_writer_zero_ready(w))
		return false;
	for (uint32_t cluster = run.first; cluster < run.first + run.n; cluster++) {
		if (cover_mark_done(&d->cover, cluster))
			(void)vma_writer_zero(w, d->dev, cluster, 1, NULL);
	}
	queue_done(&d->queue, run);
	return true;
}

/* The clusters go to the writer, which compares and takes them if there is a reuse. */
static void settle_good(struct request *q)
{
	struct copy_disk *d = q->disk;
	const struct run run = q->what.run;
	const bool compare = d->shared->reuse;

	for (uint32_t i = 0; i < run.n; i++) {
		const uint32_t cluster = run.first + i;

		if (compare ? cover_is_done(&d->cover, cluster) : !cover_mark_done(&d->cover, cluster))
			continue;
		vma_extent_set(q->extent, q->slot + i, d->dev, cluster,
			       cover_cluster_len(&d->cover, cluster));
		q->extent->slots[q->slot + i].compare = compare;
	}
	if (!compare)
		queue_done(&d->queue, run);
}

static void settle_failed(struct request *q, int error)
{
	struct copy_disk *d = q->disk;
	const struct run run = q->what.run;

	for (uint32_t cluster = run.first; cluster < run.first + run.n; cluster++) {
		if (cover_is_done(&d->cover, cluster))
			continue;
		if (!q->what.is_retry)
			queue_retry(&d->queue, cluster);
		else if (!d->failure)
			error_errno(&d->failure, error, "%s: reading 64 KiB at offset %lu failed", d->name,
				    (unsigned long)cluster_offset(cluster));
	}
}

static void settle(struct request *q, int error)
{
	struct copy_disk *d = q->disk;

	if (error)
		settle_failed(q, error);
	else if (!settle_zeroes(q))
		settle_good(q);
	fill_settle(d->read, q->extent, q->what.run.n);
	d->reads--;
	free(q);
}

static struct request *request_of(struct proof_read *p)
{
	return (struct request *)((char *)p - offsetof(struct request, proof));
}

/* Those that are proved wrong, or of which nobody knows, fail, and so are read again by cluster. */
static void settle_proved(struct copy_disk *d)
{
	struct proof_read *p;

	while ((p = proofs_take(&d->proofs)))
		settle(request_of(p), p->state == PROOF_RIGHT ? 0 : EAGAIN);
}

static void on_read_end(struct nbd_read *r, int error)
{
	struct request *q = (struct request *)r;
	struct copy_disk *d = q->disk;

	trace(TRACE_COPY, "%s < read clusters %u+%u%s%s", d->name, q->what.run.first, q->what.run.n,
	      error ? ": " : "", error ? strerror(error) : "");
	budget_give_worker(d->shared->budget);
	if (!error && d->prove && q->what.run.n > 1)
		proofs_add(&d->proofs, &q->proof, q->what.run);
	else
		settle(q, error);
}

void copy_disk_end_source(struct copy_disk *d)
{
	struct proof_read *p;

	nbd_source_free(TAKE_PTR(d->source));
	while ((p = proofs_drop(&d->proofs)))
		settle(request_of(p), ENOTCONN);
}

void copy_disk_free(struct copy_disk *d)
{
	copy_disk_end_sink(d);
	copy_disk_end_source(d);
	queue_clear(&d->queue);
	candidates_clear(&d->candidates);
	cover_reuse_clear(&d->cover_reuse);
	runs_clear(&d->released);
	runs_clear(&d->again);
	cover_clear(&d->cover);
	error_free(d->failure);
	free(d->name);
	free(d);
}

/* ---- answers of the source, for the queue ---- */

static void trace_answer(const struct copy_disk *d, const char *what, int error)
{
	trace(TRACE_COPY, "%s < %s end%s%s", d->name, what, error ? ": " : "", error ? strerror(error) : "");
}

static void trace_piece(const struct copy_disk *d, const char *what, const struct piece *p)
{
	static const char *const states[] = {
		[PIECE_DATA] = "data",
		[PIECE_ZERO] = "zero",
		[PIECE_CLEAN] = "clean",
		[PIECE_DIRTY] = "dirty",
	};

	trace(TRACE_COPY, "%s < %s bytes %lu+%lu: %s", d->name, what, (unsigned long)p->offset,
	      (unsigned long)p->length, states[p->state]);
}

static void on_status_piece(void *opaque, const struct piece *p)
{
	struct copy_disk *d = opaque;

	trace_piece(d, "status", p);
	queue_status_piece(&d->queue, p);
}

static void on_status_end(void *opaque, int error)
{
	struct copy_disk *d = opaque;

	trace_answer(d, "status", error);
	queue_status_end(&d->queue, error, units_now_ns());
}

static void on_dirty_piece(void *opaque, const struct piece *p)
{
	struct copy_disk *d = opaque;

	trace_piece(d, "dirty", p);
	queue_dirty_piece(&d->queue, p);
}

static void on_dirty_end(void *opaque, int error)
{
	struct copy_disk *d = opaque;

	trace_answer(d, "dirty", error);
	queue_dirty_end(&d->queue, error, units_now_ns());
}

static void on_proof_piece(void *opaque, const struct piece *p)
{
	struct copy_disk *d = opaque;

	trace_piece(d, "proof", p);
	proofs_piece(&d->proofs, p);
}

static void on_proof_end(void *opaque, int error)
{
	struct copy_disk *d = opaque;

	trace_answer(d, "proof", error);
	proofs_end(&d->proofs, error);
	settle_proved(d);
}

static void on_base_piece(void *opaque, const struct piece *p)
{
	struct copy_disk *d = opaque;

	trace_piece(d, "base", p);
	disk_base_piece(d, p);
}

static void on_base_end(void *opaque, int error)
{
	struct copy_disk *d = opaque;

	trace_answer(d, "base", error);
	disk_base_answered(d, error);
}

static void on_trim_end(void *opaque)
{
	struct copy_disk *d = opaque;

	trace_answer(d, "trim", 0);
	queue_trim_end(&d->queue);
}

static const struct nbd_source_ops source_ops = {
	.status_piece = on_status_piece,
	.status_end = on_status_end,
	.dirty_piece = on_dirty_piece,
	.dirty_end = on_dirty_end,
	.proof_piece = on_proof_piece,
	.proof_end = on_proof_end,
	.base_piece = on_base_piece,
	.base_end = on_base_end,
	.trim_end = on_trim_end,
};

int copy_disk_connect(struct copy_disk *d, const struct source_endpoint *s, struct error **err)
{
	const bool incremental = d->shared->reuse;
	const struct nbd_source_address a = { .socket = s->socket,
					      .export = s->export,
					      .bitmap = s->bitmap,
					      .base_bitmap = incremental ? s->base_bitmap : NULL,
					      .image = s->trim ? s->image_export : NULL };
	unsigned flags = (s->distrust_ranges ? QUEUE_DISTRUST : 0) | (incremental ? QUEUE_CANDIDATES : 0);
	int r = nbd_source_new(d->name, d->cover.size, &a, d->shared->cancel, &source_ops, d, &d->source,
			       err);

	if (r < 0)
		return note_result(d, r);
	if (nbd_source_can_status(d->source))
		flags |= QUEUE_STATUS;
	if (nbd_source_can_dirty(d->source))
		flags |= QUEUE_DIRTY;
	if (s->trim && nbd_source_can_trim(d->source))
		flags |= QUEUE_TRIM;
	d->prove = s->distrust_ranges;
	queue_init(&d->queue, &d->cover, flags, s->trim_granularity);
	return incremental ? disk_base_connected(d, s, err) : 0;
}

/* ---- what is to be read ---- */

static bool has_begun(const struct copy_disk *d)
{
	return d->begun || !d->shared->reuse;
}

bool copy_disk_has_read(struct copy_disk *d, enum queue_class what)
{
	return d->source && has_begun(d) && queue_has_read(&d->queue, what);
}

bool copy_disk_next_read(struct copy_disk *d, enum queue_class what, uint32_t max, struct queue_read *ret)
{
	if (!queue_next_read(&d->queue, what, max, ret))
		return false;
	trace(TRACE_COPY, "%s > read clusters %u+%u: %s", d->name, ret->run.first, ret->run.n,
	      ret->is_retry         ? "retry"
	      : what == QUEUE_DRAIN ? "drain"
				    : "linear");
	return true;
}

int copy_disk_send_read(struct copy_disk *d, const struct queue_read *what, struct error **err)
{
	struct request *q = xcalloc(1, sizeof(*q));
	int got;

	*q = (struct request){ .read.end = on_read_end, .disk = d, .what = *what };
	got = fill_try_take(d->read, what->run.n, &q->extent, &q->slot, err);
	if (got != (int)what->run.n) {
		free(q);
		budget_give_worker(d->shared->budget);
		return got < 0 ? got : error_set(err, -EIO, "%s: lost an extent", d->name);
	}
	d->reads++;
	return note_result(d, nbd_source_read(d->source, &q->read, vma_extent_slot(q->extent, q->slot),
					      cluster_offset(what->run.first),
					      cover_bytes(&d->cover, what->run), err));
}

int copy_disk_take_failure(struct copy_disk *d, struct error **err)
{
	int r;

	if (!d->failure)
		return 0;
	r = note_result(d, d->failure->code);
	error_keep_first(err, &d->failure);
	return r;
}

/* ---- all else that the queue wants ---- */

/*
 * Never waits for the archive: see nbd-source.h.  Each run is asked for anew, as it may use up what was free:
 * a fragmented disk has many short ones.
 */
static int write_zeroes(struct copy_disk *d, struct error **err)
{
	struct vma_writer *w = d->shared->writer;
	struct run run;
	int r = 0;

	while (r == 0 && queue_has_zeroes(&d->queue) && vma_writer_zero_ready(w)) {
		if (!queue_next_zero(&d->queue, ZEROES_AT_ONCE, &run))
			return 0;
		trace(TRACE_COPY, "%s zero clusters %u+%u", d->name, run.first, run.n);
		r = vma_writer_zero(w, d->dev, run.first, run.n, err);
		if (d->shared->reuse)
			vma_reuse_zero(d->shared->reuse, d->dev, run.first, run.n);
	}
	return r;
}

static int send_trim(struct copy_disk *d, struct run run, struct error **err)
{
	trace(TRACE_COPY, "%s > trim clusters %u+%u", d->name, run.first, run.n);
	return nbd_source_trim(d->source, cluster_offset(run.first), cover_bytes(&d->cover, run), err);
}

static int send_trims(struct copy_disk *d, struct error **err)
{
	struct run runs[TRIMS_AT_ONCE];
	const unsigned n = queue_next_trims(&d->queue, runs);
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++)
		r = send_trim(d, runs[i], err);
	return r;
}

static int ask_dirty(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	struct question q;

	if (!queue_next_dirty(&d->queue, now_ns, &q))
		return 0;
	trace(TRACE_COPY, "%s > dirty bytes %lu+%lu", d->name, (unsigned long)q.offset,
	      (unsigned long)q.length);
	return nbd_source_ask_dirty(d->source, q.offset, q.length, err);
}

static int ask_proof(struct copy_disk *d, struct error **err)
{
	struct question q;

	if (!proofs_next_question(&d->proofs, &d->cover, &q))
		return 0;
	trace(TRACE_COPY, "%s > proof of bytes %lu+%lu", d->name, (unsigned long)q.offset,
	      (unsigned long)q.length);
	return nbd_source_ask_proof(d->source, q.offset, q.length, err);
}

static int ask_status(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	struct question q;

	if (!queue_next_status(&d->queue, now_ns, &q))
		return 0;
	trace(TRACE_COPY, "%s > status bytes %lu+%lu", d->name, (unsigned long)q.offset,
	      (unsigned long)q.length);
	return nbd_source_ask_status(d->source, q.offset, q.length, err);
}

/*
 * Block status last: TRIMs are not sent while that question is open, so those that wait might wait for ever.
 */
static int send_requests(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	int r = ask_dirty(d, now_ns, err);

	if (r == 0)
		r = ask_proof(d, err);
	if (r == 0)
		r = send_trims(d, err);
	if (r == 0)
		r = ask_status(d, now_ns, err);
	return r;
}

int copy_disk_serve_queue(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	int r = d->shared->reuse ? note_result(d, disk_base_serve(d, err)) : 0;

	if (r < 0 || !has_begun(d))
		return r;
	r = write_zeroes(d, err);
	return r < 0 ? r : note_result(d, send_requests(d, now_ns, err));
}

/* ---- for the loop ---- */

int copy_disk_serve(struct copy_disk *d, const struct pollfd fds[NBD_SOURCE_FDS], struct error **err)
{
	return note_result(d, nbd_source_serve(d->source, fds, err));
}

bool copy_disk_idle(const struct copy_disk *d)
{
	return !d->reads && queue_idle(&d->queue) && !d->candidates.open;
}

bool copy_disk_all_read(const struct copy_disk *d)
{
	return !d->source || (has_begun(d) && !d->reads && queue_all_given(&d->queue));
}

bool copy_disk_complete(const struct copy_disk *d)
{
	return cover_complete(&d->cover) && (has_begun(d) || !d->source);
}
