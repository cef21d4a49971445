/* The loop of the copy engine. */
#include "copy/copy.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "copy/copy-internal.h"
#include "base/mem.h"
#include "base/units.h"

#define TICK_NS (200 * UINT64_C(1000000))
/* Poll at least this often while something depends on time (drains, TRIMs, the limit). */
#define POLL_MS 10
/* bwlimit: unused allowance is kept for this long. */
#define BURST_NS (100 * UINT64_C(1000000))

/* Before anything is known of a disk it is taken to be full, which so many bytes of status outweigh. */
#define PRIOR (256 * MIB)

struct request {
	struct copy_disk *d;
	struct vma_extent *e;
	unsigned slot;
	struct run run;
	bool last_try;
	int error;
};

int copy_new(const struct copy_options *o, struct copy **ret, struct error **err)
{
	struct copy *c = xcalloc(1, sizeof(*c));

	c->o = *o;
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0) {
		int r = error_errno(err, errno, "creating an eventfd");

		free(c);
		return r;
	}
	/* The reader leaves extents for the sinks, which a guest waits for. */
	fill_init(&c->reader, o->writer, 2);
	fill_init(&c->pushed, o->writer, 0);
	*ret = c;
	return 0;
}

static void disk_free(struct copy_disk *d)
{
	if (d->nbd)
		nbd_close(d->nbd);
	if (d->nbd_dirty)
		nbd_close(d->nbd_dirty);
	map_clear(&d->done);
	map_clear(&d->claimed);
	map_clear(&d->rewritten);
	map_clear(&d->zero);
	runs_clear(&d->data);
	runs_clear(&d->status_data);
	runs_clear(&d->drain);
	runs_clear(&d->retry);
	runs_clear(&d->trims);
	runs_clear(&d->dirty_found);
	pthread_mutex_destroy(&d->lock);
	free(d->name);
	free(d);
}

/* A sink may wait for an extent, which a target that takes nothing never gives back. */
static void free_sinks(struct copy *c, bool failed)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (failed && c->disks[i]->sink)
			vma_writer_abort(c->o.writer);
		copy_sink_free(TAKE_PTR(c->disks[i]->sink));
	}
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	free_sinks(c, true);
	for (unsigned i = 0; i < c->n_disks; i++)
		disk_free(c->disks[i]);
	free(c->disks);
	fill_clear(&c->reader);
	fill_clear(&c->pushed);
	close(c->wake_fd);
	error_free(c->failure);
	free(c);
}

int copy_add_disk(struct copy *c, const char *name, uint8_t dev, uint64_t size, struct error **err)
{
	struct copy_disk *d = xcalloc(1, sizeof(*d));

	d->copy = c;
	d->name = xstrdup(name);
	d->dev = dev;
	d->size = size;
	d->clusters = (uint32_t)vma_clusters(size);
	pthread_mutex_init(&d->lock, NULL);
	if (!map_init(&d->done, d->clusters) || !map_init(&d->claimed, d->clusters) ||
	    !map_init(&d->rewritten, d->clusters) || !map_init(&d->zero, d->clusters)) {
		disk_free(d);
		return error_set(err, -ENOMEM, "%s: no memory for the maps of its %lu bytes", name,
				 (unsigned long)size);
	}
	c->disks = xreallocarray(c->disks, c->n_disks + 1, sizeof(struct copy_disk *));
	c->disks[c->n_disks++] = d;
	return 0;
}

int copy_connect(struct copy *c, unsigned disk, const struct source_endpoint *s, struct error **err)
{
	return copy_disk_open(c->disks[disk], s, err);
}

/* Of the disk's bytes those that are read, as far as is known: see copy_progress. */
static uint64_t estimate_to_read(const struct copy_disk *d, uint64_t read)
{
	const uint64_t known = atomic_load(&d->known_bytes), skip = atomic_load(&d->skip_bytes);
	const uint64_t data = known > skip ? known - skip : 0;
	uint64_t ahead = d->size - known;

	if (atomic_load(&d->n_done) == d->clusters)
		return read;
	ahead = (uint64_t)((double)ahead * ((double)(data + PRIOR) / (double)(known + PRIOR)));
	return data + ahead > read ? data + ahead : read;
}

void copy_get_progress(struct copy *c, unsigned disk, struct copy_progress *ret)
{
	struct copy_disk *d = c->disks[disk];
	const uint64_t skipped = atomic_load(&d->skipped_bytes);

	ret->size = d->size;
	ret->done = atomic_load(&d->done_bytes);
	ret->read = ret->done > skipped ? ret->done - skipped : 0;
	ret->to_read = estimate_to_read(d, ret->read);
	ret->rewritten = atomic_load(&d->rewritten_bytes);
	ret->pushed = atomic_load(&d->pushed_bytes);
}

/* ---- reads ---- */

static int on_read_done(void *opaque, int *error)
{
	struct request *r = opaque;

	r->error = *error;
	return 1;
}

static void settle_good(struct request *r)
{
	for (uint32_t i = 0; i < r->run.n; i++) {
		uint32_t cluster = r->run.first + i;

		if (copy_mark_done(r->d, cluster))
			vma_extent_set(r->e, r->slot + i, r->d->dev, cluster,
				       copy_cluster_len(r->d, cluster));
	}
	copy_disk_trim(r->d, r->run.first, r->run.n);
}

static void settle_failed(struct request *r)
{
	struct copy *c = r->d->copy;

	for (uint32_t i = 0; i < r->run.n; i++) {
		uint32_t cluster = r->run.first + i;

		if (copy_is_done(r->d, cluster))
			continue;
		if (!r->last_try)
			runs_add(&r->d->retry, cluster, 1);
		else if (!c->failure)
			error_errno(&c->failure, r->error, "%s: reading 64 KiB at offset %lu failed",
				    r->d->name, (unsigned long)cluster * VMA_CLUSTER_SIZE);
	}
}

/* Runs exactly once for every request that libnbd took, answered or not. */
static void on_read_free(void *opaque)
{
	struct request *r = opaque;
	struct copy *c = r->d->copy;

	if (r->error)
		settle_failed(r);
	else
		settle_good(r);
	fill_settle(&c->reader, r->e, r->run.n);
	c->in_flight--;
	free(r);
}

static uint32_t run_bytes(const struct copy_disk *d, struct run run)
{
	return (run.n - 1) * VMA_CLUSTER_SIZE + copy_cluster_len(d, run.first + run.n - 1);
}

static int send_read(struct copy_disk *d, struct run run, bool last_try, struct error **err)
{
	struct copy *c = d->copy;
	struct request *r = xcalloc(1, sizeof(*r));
	/* one piece: else QEMU asks for the block status of every read again, to leave out holes */
	uint32_t flags = nbd_can_df(d->nbd) == 1 ? LIBNBD_CMD_FLAG_DF : 0;
	int got;

	*r = (struct request){ .d = d, .run = run, .last_try = last_try, .error = ENOTCONN };
	got = fill_take(&c->reader, run.n, false, &r->e, &r->slot, err);
	if (got != (int)run.n) {
		free(r);
		return got < 0 ? got : error_set(err, -EIO, "%s: lost an extent", d->name);
	}
	c->in_flight++;
	if (nbd_aio_pread(d->nbd, vma_extent_slot(r->e, r->slot), run_bytes(d, run),
			  (uint64_t)run.first * VMA_CLUSTER_SIZE,
			  (nbd_completion_callback){
				  .callback = on_read_done, .user_data = r, .free = on_read_free },
			  flags) == -1)
		return error_set(err, ERR_PEER, "%s: cannot send a read request: %s", d->name,
				 nbd_get_error());
	return 0;
}

/* Whose turn is it?  Drains of any disk go before linear reads of any disk. */
static struct copy_disk *choose(struct copy *c, uint32_t max, struct run *ret, bool *ret_last_try)
{
	for (enum copy_class what = COPY_DRAIN; what <= COPY_LINEAR; what++) {
		for (unsigned i = 0; i < c->n_disks; i++) {
			struct copy_disk *d = c->disks[(c->turn + i) % c->n_disks];
			bool retry = d->retry.at < d->retry.n;

			if (!d->nbd || !copy_disk_next(d, what, max < d->max_run ? max : d->max_run, ret))
				continue;
			*ret_last_try = what == COPY_DRAIN && retry;
			c->turn = (c->turn + i + 1) % c->n_disks;
			return d;
		}
	}
	return NULL;
}

static void charge(struct copy *c, uint64_t bytes, uint64_t now)
{
	if (!c->o.bwlimit)
		return;
	if (c->budget_at_ns + BURST_NS < now)
		c->budget_at_ns = now - BURST_NS;
	c->budget_at_ns += bytes * UINT64_C(1000000000) / c->o.bwlimit;
}

static int send_reads(struct copy *c, uint64_t now, struct error **err)
{
	while (c->in_flight < c->o.max_workers && (!c->o.bwlimit || c->budget_at_ns <= now)) {
		struct copy_disk *d;
		struct run run;
		bool last_try;
		int room = fill_room(&c->reader, err);
		int r;

		if (room <= 0) /* none free: the writer's event tells when */
			return room;
		d = choose(c, (uint32_t)room, &run, &last_try);
		if (!d)
			return 0;
		r = send_read(d, run, last_try, err);
		if (r < 0)
			return r;
		charge(c, run_bytes(d, run), now);
	}
	return 0;
}

/* ---- the loop ---- */

static bool all_done(const struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (atomic_load(&c->disks[i]->n_done) < c->disks[i]->clusters)
			return false;
	}
	return true;
}

static bool idle(const struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (!copy_disk_idle(c->disks[i]))
			return false;
	}
	return c->in_flight == 0;
}

/*
 * When nothing is left but zeroes that are not to be trusted yet: one barrier for all disks, then
 * each asks its dirty bitmap once more.
 */
static int check_zeroes(struct copy *c, struct error **err)
{
	bool any = false;
	int r;

	for (unsigned i = 0; i < c->n_disks; i++) {
		const struct copy_disk *d = c->disks[i];

		if (copy_disk_only_zeroes_left(d))
			any = true;
		else if (atomic_load(&d->n_done) < d->clusters)
			return 0;
	}
	if (!any || !idle(c))
		return 0;
	r = c->o.barrier(c->o.opaque, err);
	for (unsigned i = 0; i < c->n_disks && r == 0; i++) {
		if (copy_disk_only_zeroes_left(c->disks[i]))
			copy_disk_check_zeroes(c->disks[i]);
	}
	return r;
}

static void watch_nbd(struct pollfd *p, struct nbd_handle *h)
{
	unsigned direction = h ? nbd_aio_get_direction(h) : 0;

	p->fd = h ? nbd_aio_get_fd(h) : -1;
	p->events = 0;
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		p->events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		p->events |= POLLOUT;
	p->revents = 0;
}

static int serve_nbd(struct copy_disk *d, const struct pollfd *p, struct nbd_handle *h, struct error **err)
{
	int r = 0;

	if (!h)
		return 0;
	if ((p->revents & (POLLIN | POLLHUP | POLLERR)) &&
	    (nbd_aio_get_direction(h) & LIBNBD_AIO_DIRECTION_READ))
		r = nbd_aio_notify_read(h);
	else if (p->revents & POLLOUT)
		r = nbd_aio_notify_write(h);
	if (nbd_aio_is_dead(h) == 1 || nbd_aio_is_closed(h) == 1)
		return error_set(err, ERR_GONE, "%s: QEMU closed the connection (stopped or crashed?)",
				 d->name);
	if (r == -1)
		return error_set(err, ERR_PEER, "%s: %s", d->name, nbd_get_error());
	return 0;
}

static void drain_eventfd(const struct pollfd *p)
{
	uint64_t n;

	if (p->revents && read(p->fd, &n, sizeof(n)) < 0) {
		/* somebody else was faster */
	}
}

static int wait_and_serve(struct copy *c, struct pollfd *fds, struct error **err)
{
	unsigned n = 3;
	int r = 0;

	fds[0] = (struct pollfd){ .fd = c->o.cancel ? c->o.cancel->fd : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = c->wake_fd, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = vma_writer_event_fd(c->o.writer), .events = POLLIN };
	for (unsigned i = 0; i < c->n_disks; i++) {
		watch_nbd(&fds[n++], c->disks[i]->nbd);
		watch_nbd(&fds[n++], c->disks[i]->nbd_dirty);
	}
	if (poll(fds, n, POLL_MS) < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting for NBD");
	drain_eventfd(&fds[1]);
	drain_eventfd(&fds[2]);
	n = 3;
	for (unsigned i = 0; i < c->n_disks && r == 0; i++, n += 2) {
		struct copy_disk *d = c->disks[i];

		r = serve_nbd(d, &fds[n], d->nbd, err);
		if (r == 0)
			r = serve_nbd(d, &fds[n + 1], d->nbd_dirty, err);
	}
	return r;
}

static int take_failure(struct copy *c, struct error **err)
{
	int r = cancel_check(c->o.cancel, err);

	if (r == 0)
		r = vma_writer_check(c->o.writer, err);
	if (r == 0 && c->failure) {
		r = c->failure->code;
		error_keep_first(err, &c->failure);
	}
	return r;
}

static int one_round(struct copy *c, struct pollfd *fds, uint64_t *tick_at, bool finishing,
		     struct error **err)
{
	uint64_t now = units_now_ns();
	int r = 0;

	for (unsigned i = 0; i < c->n_disks && r == 0; i++) {
		r = copy_disk_take_answers(c->disks[i], now, err);
		if (r == 0 && !finishing && c->disks[i]->nbd)
			r = copy_disk_background(c->disks[i], now, err);
	}
	if (r == 0 && !finishing)
		r = check_zeroes(c, err);
	if (r == 0 && !finishing)
		r = send_reads(c, now, err);
	if (r == 0 && now >= *tick_at && c->o.tick) {
		*tick_at = now + TICK_NS;
		r = c->o.tick(c->o.opaque, err);
	}
	if (r == 0)
		r = wait_and_serve(c, fds, err);
	if (r == 0)
		r = take_failure(c, err);
	return r;
}

/* After a failure: closing the handles settles every request that is still open. */
static void drop_connections(struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		struct copy_disk *d = c->disks[i];

		if (d->nbd)
			nbd_close(TAKE_PTR(d->nbd));
		if (d->nbd_dirty)
			nbd_close(TAKE_PTR(d->nbd_dirty));
	}
}

int copy_run(struct copy *c, struct error **err)
{
	_cleanup_free_ struct pollfd *fds = xcalloc(3 + 2 * c->n_disks, sizeof(*fds));
	uint64_t tick_at = 0;
	int r = 0;

	while (r == 0 && !all_done(c))
		r = one_round(c, fds, &tick_at, false, err);
	while (r == 0 && !idle(c))
		r = one_round(c, fds, &tick_at, true, err);
	drop_connections(c);
	free_sinks(c, r < 0);
	fill_flush(&c->reader);
	fill_flush(&c->pushed);
	return r;
}
