#include "copy/copy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/trace.h"
#include "base/units.h"
#include "copy/cover.h"
#include "copy/fill.h"
#include "copy/nbd-source.h"
#include "copy/push.h"
#include "copy/queue.h"
#include "copy/sink.h"

#define TICK_NS (200 * UINT64_C(1000000))
/* Poll at least this often while something depends on time (drains, TRIMs, the limit). */
#define POLL_MS 10
/* Clusters that vma_writer_zero() takes without waiting once vma_writer_zero_ready() said so. */
#define ZEROES_AT_ONCE 65536u

struct copy_disk {
	unsigned index; /* in struct copy.disks */
	char *name;
	uint8_t dev;
	struct cover cover;
	struct queue queue;
	struct nbd_source *source; /* NULL: not connected */
	struct push push;
	struct sink *sink; /* NULL: none */
	unsigned reads;    /* in flight */
};

struct copy {
	struct copy_options o;
	struct copy_disk **disks;
	unsigned n_disks;
	unsigned turn;                  /* disk whose turn it is */
	struct fill read;               /* where the clusters that are read go */
	struct fill pushed;             /* where the sinks' clusters go */
	int wake_fd;                    /* the sinks wake the loop */
	struct error *failure;          /* of a read that has ended; not taken by the loop yet */
	struct copy_disk *failure_disk; /* whose read it was */
	int failed_disk;                /* see copy_failed_disk() */
	struct pollfd *fds;
	uint64_t tick_at_ns;
};

struct request {
	struct nbd_read read; /* the first member: it is what comes back */
	struct copy *copy;
	struct copy_disk *disk;
	struct queue_read what;
	struct vma_extent *extent;
	unsigned slot;
};

/* ---- life ---- */

int copy_new(const struct copy_options *o, struct copy **ret, struct error **err)
{
	struct copy *c = xcalloc(1, sizeof(*c));

	c->o = *o;
	c->failed_disk = -1;
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0) {
		int r = error_errno(err, errno, "creating an eventfd");

		free(c);
		return r;
	}
	/* reads leave extents for the sinks, which a guest waits for */
	fill_init(&c->read, o->writer, 2);
	fill_init(&c->pushed, o->writer, 0);
	*ret = c;
	return 0;
}

static void free_disk(struct copy_disk *d)
{
	nbd_source_free(d->source);
	queue_clear(&d->queue);
	cover_clear(&d->cover);
	free(d->name);
	free(d);
}

static void free_sources(struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++)
		nbd_source_free(TAKE_PTR(c->disks[i]->source));
}

static void free_sinks(struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++)
		sink_free(TAKE_PTR(c->disks[i]->sink));
}

/* A sink may wait for an extent, which an archive that takes nothing never gives back. */
static void abort_sinks(struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (c->disks[i]->sink)
			vma_writer_abort(c->o.writer);
	}
	free_sinks(c);
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	abort_sinks(c);
	for (unsigned i = 0; i < c->n_disks; i++)
		free_disk(c->disks[i]);
	free(c->disks);
	fill_clear(&c->read);
	fill_clear(&c->pushed);
	close(c->wake_fd);
	error_free(c->failure);
	free(c->fds);
	free(c);
}

int copy_add_disk(struct copy *c, const char *name, uint8_t dev, uint64_t size, struct error **err)
{
	struct copy_disk *d = xcalloc(1, sizeof(*d));

	if (!cover_init(&d->cover, size)) {
		free(d);
		return error_set(err, -ENOMEM, "%s: no memory for the maps of its %lu bytes", name,
				 (unsigned long)size);
	}
	d->index = c->n_disks;
	d->name = xstrdup(name);
	d->dev = dev;
	d->push = (struct push){ .name = d->name,
				 .cover = &d->cover,
				 .fill = &c->pushed,
				 .writer = c->o.writer,
				 .dev = dev,
				 .wake_fd = c->wake_fd };
	c->disks = xreallocarray(c->disks, c->n_disks + 1, sizeof(struct copy_disk *));
	c->disks[c->n_disks++] = d;
	return 0;
}

int copy_listen(struct copy *c, unsigned disk, const char *path, struct error **err)
{
	struct copy_disk *d = c->disks[disk];
	const struct sink_options o = {
		.size = d->cover.size, .align = VMA_CLUSTER_SIZE, .ops = &push_sink_ops, .opaque = &d->push
	};

	return sink_new(path, &o, &d->sink, err);
}

void copy_get_progress(struct copy *c, unsigned disk, struct copy_progress *ret)
{
	cover_get_progress(&c->disks[disk]->cover, ret);
}

void copy_describe(struct copy *c, unsigned disk, struct buf *b)
{
	struct copy_disk *d = c->disks[disk];

	buf_addf(b, "disk %s: %u reads in flight%s%s\n", d->name, d->reads,
		 d->source ? "" : ", not connected", d->sink ? ", with a sink" : "");
	cover_describe(&d->cover, b);
	if (d->source)
		queue_describe(&d->queue, units_now_ns(), b);
}

int copy_failed_disk(const struct copy *c)
{
	return c->failed_disk;
}

/* Passes on what a function of the disk's source has returned; the first failure is kept. */
static int note_result(struct copy *c, const struct copy_disk *d, int r)
{
	if (r < 0 && c->failed_disk < 0)
		c->failed_disk = (int)d->index;
	return r;
}

/* ---- answers of a source, for its queue ---- */

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
	.trim_end = on_trim_end,
};

int copy_connect(struct copy *c, unsigned disk, const struct source_endpoint *s, struct error **err)
{
	struct copy_disk *d = c->disks[disk];
	const struct nbd_source_address a = { .socket = s->socket, .export = s->export, .bitmap = s->bitmap };
	unsigned flags = s->distrust_ranges ? QUEUE_DISTRUST : 0;
	int r = nbd_source_new(d->name, d->cover.size, &a, c->o.cancel, &source_ops, d, &d->source, err);

	if (r < 0)
		return note_result(c, d, r);
	if (nbd_source_can_status(d->source))
		flags |= QUEUE_STATUS;
	if (nbd_source_can_dirty(d->source))
		flags |= QUEUE_DIRTY;
	if (s->trim && nbd_source_can_trim(d->source))
		flags |= QUEUE_TRIM;
	queue_init(&d->queue, &d->cover, flags, s->trim_granularity);
	return 0;
}

/* ---- reads ---- */

static void settle_good(struct request *q)
{
	struct copy_disk *d = q->disk;
	const struct run run = q->what.run;

	for (uint32_t i = 0; i < run.n; i++) {
		const uint32_t cluster = run.first + i;

		if (cover_mark_done(&d->cover, cluster))
			vma_extent_set(q->extent, q->slot + i, d->dev, cluster,
				       cover_cluster_len(&d->cover, cluster));
	}
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
		else if (!q->copy->failure) {
			error_errno(&q->copy->failure, error, "%s: reading 64 KiB at offset %lu failed",
				    d->name, (unsigned long)cluster_offset(cluster));
			q->copy->failure_disk = d;
		}
	}
}

static void on_read_end(struct nbd_read *r, int error)
{
	struct request *q = (struct request *)r;

	trace(TRACE_COPY, "%s < read clusters %u+%u%s%s", q->disk->name, q->what.run.first, q->what.run.n,
	      error ? ": " : "", error ? strerror(error) : "");
	if (error)
		settle_failed(q, error);
	else
		settle_good(q);
	fill_settle(&q->copy->read, q->extent, q->what.run.n);
	budget_give_worker(q->copy->o.budget);
	q->disk->reads--;
	free(q);
}

/* The worker that was taken for it becomes the request's. */
static int send_read(struct copy *c, struct copy_disk *d, const struct queue_read *what, struct error **err)
{
	struct request *q = xcalloc(1, sizeof(*q));
	int got;

	*q = (struct request){ .read.end = on_read_end, .copy = c, .disk = d, .what = *what };
	got = fill_try_take(&c->read, what->run.n, &q->extent, &q->slot, err);
	if (got != (int)what->run.n) {
		free(q);
		budget_give_worker(c->o.budget);
		return got < 0 ? got : error_set(err, -EIO, "%s: lost an extent", d->name);
	}
	d->reads++;
	return note_result(c, d,
			   nbd_source_read(d->source, &q->read, vma_extent_slot(q->extent, q->slot),
					   cluster_offset(what->run.first), cover_bytes(&d->cover, what->run),
					   err));
}

/* Whose turn is it?  Drains of any disk go before linear reads of any disk. */
static struct copy_disk *choose_read(struct copy *c, uint32_t max, struct queue_read *ret)
{
	for (enum queue_class what = QUEUE_DRAIN; what <= QUEUE_LINEAR; what++) {
		for (unsigned i = 0; i < c->n_disks; i++) {
			struct copy_disk *d = c->disks[(c->turn + i) % c->n_disks];

			if (!d->source || !queue_next_read(&d->queue, what, max, ret))
				continue;
			c->turn = (c->turn + i + 1) % c->n_disks;
			trace(TRACE_COPY, "%s > read clusters %u+%u: %s", d->name, ret->run.first, ret->run.n,
			      ret->is_retry         ? "retry"
			      : what == QUEUE_DRAIN ? "drain"
						    : "linear");
			return d;
		}
	}
	return NULL;
}

/* A worker was taken for it.  Returns 1, or 0 when there is nothing to be read or no extent is free. */
static int send_next_read(struct copy *c, uint64_t now_ns, struct error **err)
{
	struct queue_read what;
	struct copy_disk *d = NULL;
	/* the writer's event fd becomes readable when an extent is free again */
	int r = fill_room(&c->read, err);

	if (r > 0)
		d = choose_read(c, (uint32_t)r, &what);
	if (!d) {
		budget_give_worker(c->o.budget);
		return r < 0 ? r : 0;
	}
	pace_charge(&c->o.budget->pace, cover_bytes(&d->cover, what.run), now_ns);
	r = send_read(c, d, &what, err);
	return r < 0 ? r : 1;
}

static int send_reads(struct copy *c, uint64_t now_ns, struct error **err)
{
	int r = 1;

	while (r > 0 && pace_ready(&c->o.budget->pace, now_ns) && budget_take_worker(c->o.budget))
		r = send_next_read(c, now_ns, err);
	return r < 0 ? r : 0;
}

/* ---- all else that a disk's queue wants ---- */

/* Never waits for the archive: see nbd-source.h. */
static int write_zeroes(struct copy *c, struct copy_disk *d, struct error **err)
{
	uint32_t room = 0;
	struct run run;
	int r = 0;

	while (r == 0 && queue_has_zeroes(&d->queue)) {
		if (!room && !vma_writer_zero_ready(c->o.writer))
			return 0;
		room = room ? room : ZEROES_AT_ONCE;
		if (!queue_next_zero(&d->queue, room, &run))
			return 0;
		room -= run.n;
		trace(TRACE_COPY, "%s zero clusters %u+%u", d->name, run.first, run.n);
		r = vma_writer_zero(c->o.writer, d->dev, run.first, run.n, err);
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
		r = send_trims(d, err);
	if (r == 0)
		r = ask_status(d, now_ns, err);
	return r;
}

static int serve_queue(struct copy *c, struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	int r = write_zeroes(c, d, err);

	return r < 0 ? r : note_result(c, d, send_requests(d, now_ns, err));
}

/* ---- the loop ---- */

static bool all_done(const struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (!cover_complete(&c->disks[i]->cover))
			return false;
	}
	return true;
}

static bool is_idle(const struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (c->disks[i]->reads || !queue_idle(&c->disks[i]->queue))
			return false;
	}
	return true;
}

/*
 * When nothing is left but zeroes that are not to be trusted yet: one barrier for all disks, then
 * each asks its dirty bitmap once more.
 */
static int check_suspects(struct copy *c, struct error **err)
{
	bool any = false;
	int r;

	for (unsigned i = 0; i < c->n_disks; i++) {
		const struct copy_disk *d = c->disks[i];

		if (queue_only_suspects_left(&d->queue))
			any = true;
		else if (!cover_complete(&d->cover))
			return 0;
	}
	if (!any || !is_idle(c))
		return 0;
	r = c->o.barrier(c->o.opaque, err);
	for (unsigned i = 0; i < c->n_disks && r == 0; i++) {
		if (queue_only_suspects_left(&c->disks[i]->queue))
			queue_check_suspects(&c->disks[i]->queue);
	}
	return r;
}

/* Sends all that is to be sent now. */
static int send_all(struct copy *c, uint64_t now_ns, struct error **err)
{
	int r = 0;

	for (unsigned i = 0; i < c->n_disks && r == 0; i++) {
		if (c->disks[i]->source)
			r = serve_queue(c, c->disks[i], now_ns, err);
	}
	if (r == 0)
		r = check_suspects(c, err);
	if (r == 0)
		r = send_reads(c, now_ns, err);
	return r;
}

static void drain_eventfd(const struct pollfd *p)
{
	uint64_t n;

	if (p->revents && read(p->fd, &n, sizeof(n)) < 0) {
		/* somebody else was faster */
	}
}

static int wait_and_serve(struct copy *c, struct error **err)
{
	struct pollfd *fds = c->fds, *at = fds + 3;
	int r = 0;

	fds[0] = (struct pollfd){ .fd = c->o.cancel ? c->o.cancel->fd : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = c->wake_fd, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = vma_writer_event_fd(c->o.writer), .events = POLLIN };
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (c->disks[i]->source) {
			nbd_source_watch(c->disks[i]->source, at);
			at += NBD_SOURCE_FDS;
		}
	}
	if (poll(fds, (nfds_t)(at - fds), POLL_MS) < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting for NBD");
	drain_eventfd(&fds[1]);
	drain_eventfd(&fds[2]);
	at = fds + 3;
	for (unsigned i = 0; i < c->n_disks && r == 0; i++) {
		if (c->disks[i]->source) {
			r = note_result(c, c->disks[i], nbd_source_serve(c->disks[i]->source, at, err));
			at += NBD_SOURCE_FDS;
		}
	}
	return r;
}

static int take_failure(struct copy *c, struct error **err)
{
	int r = cancel_check(c->o.cancel, err);

	if (r == 0)
		r = vma_writer_check(c->o.writer, err);
	if (r == 0 && c->failure) {
		r = note_result(c, c->failure_disk, c->failure->code);
		error_keep_first(err, &c->failure);
	}
	return r;
}

/* Waits for answers, for a sink or for time to pass, and takes what came. */
static int wait_round(struct copy *c, uint64_t now_ns, struct error **err)
{
	int r = 0;

	if (c->o.tick && now_ns >= c->tick_at_ns) {
		c->tick_at_ns = now_ns + TICK_NS;
		r = c->o.tick(c->o.opaque, err);
	}
	if (r == 0)
		r = wait_and_serve(c, err);
	if (r == 0)
		r = take_failure(c, err);
	return r;
}

static int run_loop(struct copy *c, struct error **err)
{
	int r = 0;

	while (r == 0 && !all_done(c)) {
		const uint64_t now_ns = units_now_ns();

		r = send_all(c, now_ns, err);
		if (r == 0)
			r = wait_round(c, now_ns, err);
	}
	while (r == 0 && !is_idle(c))
		r = wait_round(c, units_now_ns(), err);
	return r;
}

int copy_run(struct copy *c, struct error **err)
{
	int r;

	c->fds = xreallocarray(c->fds, 3 + NBD_SOURCE_FDS * c->n_disks, sizeof(*c->fds));
	r = run_loop(c, err);
	/* ends what is still open after a failure */
	free_sources(c);
	if (r < 0)
		abort_sinks(c);
	else
		free_sinks(c);
	fill_flush(&c->read);
	fill_flush(&c->pushed);
	return r;
}
