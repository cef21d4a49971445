#include "copy/copy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/units.h"
#include "copy/disk.h"
#include "vma/reuse.h"

#define TICK_NS (200 * UINT64_C(1000000))
/* Extents that reads leave for the sinks, which a guest waits for. */
#define READ_RESERVE 2
/* Poll at least this often while something depends on time (drains, TRIMs, the limit). */
#define POLL_MS 10

struct copy {
	struct copy_options o;
	struct copy_shared shared;
	struct copy_disk **disks;
	unsigned n_disks;
	unsigned turn; /* disk whose turn it is */
	struct pollfd *fds;
	uint64_t tick_at_ns;
};

/* ---- life ---- */

int copy_new(const struct copy_options *o, struct copy **ret, struct error **err)
{
	struct copy *c;
	const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (wake_fd < 0)
		return error_errno(err, errno, "creating an eventfd");
	c = xcalloc(1, sizeof(*c));
	c->o = *o;
	c->shared = (struct copy_shared){ .writer = o->writer,
					  .budget = o->budget,
					  .cancel = o->cancel,
					  .reuse = o->reuse,
					  .n_read = o->sort_disks ? COPY_SORTED_DISKS : 1,
					  .wake_fd = wake_fd };
	c->shared.read = xcalloc(c->shared.n_read, sizeof(struct fill));
	for (unsigned i = 0; i < c->shared.n_read; i++)
		fill_init(&c->shared.read[i], o->writer, READ_RESERVE);
	fill_init(&c->shared.pushed, o->writer, 0);
	*ret = c;
	return 0;
}

static void end_sources(struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++)
		copy_disk_end_source(c->disks[i]);
}

static void end_sinks(struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++)
		copy_disk_end_sink(c->disks[i]);
}

/* A sink may wait for an extent, which an archive that takes nothing never gives back. */
static void abort_sinks(struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (c->disks[i]->sink)
			vma_writer_abort(c->o.writer);
	}
	end_sinks(c);
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	abort_sinks(c);
	/* a thread of the writer may still use the covers */
	if (c->o.reuse)
		vma_reuse_stop(c->o.reuse);
	for (unsigned i = 0; i < c->n_disks; i++)
		copy_disk_free(c->disks[i]);
	free(c->disks);
	for (unsigned i = 0; i < c->shared.n_read; i++)
		fill_clear(&c->shared.read[i]);
	free(c->shared.read);
	fill_clear(&c->shared.pushed);
	close(c->shared.wake_fd);
	free(c->fds);
	free(c);
}

int copy_add_disk(struct copy *c, const char *name, uint8_t dev, uint64_t size, struct error **err)
{
	struct copy_disk *d;
	struct fill *read = &c->shared.read[c->n_disks % c->shared.n_read];
	int r = copy_disk_new(&c->shared, read, name, dev, size, &d, err);

	if (r < 0)
		return r;
	c->disks = xreallocarray(c->disks, c->n_disks + 1, sizeof(struct copy_disk *));
	c->disks[c->n_disks++] = d;
	return 0;
}

int copy_listen(struct copy *c, unsigned disk, const char *path, struct error **err)
{
	return copy_disk_listen(c->disks[disk], path, err);
}

int copy_connect(struct copy *c, unsigned disk, const struct source_endpoint *s, struct error **err)
{
	return copy_disk_connect(c->disks[disk], s, err);
}

void copy_get_progress(struct copy *c, unsigned disk, struct copy_progress *ret)
{
	cover_get_progress(&c->disks[disk]->cover, ret);
}

void copy_set_writes_wait(struct copy *c, bool wait)
{
	for (unsigned i = 0; i < c->n_disks; i++)
		queue_trim_again(&c->disks[i]->queue, wait);
}

void copy_get_base_state(const struct copy *c, unsigned disk, struct copy_base_state *ret)
{
	const struct copy_disk *d = c->disks[disk];

	*ret = (struct copy_base_state){ .known = d->begun };
	if (!d->begun)
		return;
	ret->candidate_bytes = d->cover.size - atomic_load(&d->cover.clean_bytes);
	ret->why = d->candidates.why;
}

static void describe_base(const struct copy *c, unsigned disk, struct buf *b)
{
	struct copy_base_state state;

	copy_get_base_state(c, disk, &state);
	if (state.known)
		buf_addf(b, "base: %lu bytes may have changed: %s\n", (unsigned long)state.candidate_bytes,
			 state.why ? state.why : "so its bitmap says");
	else
		buf_addf(b, "base: its bitmap was asked up to cluster %u\n", c->disks[disk]->candidates.at);
}

void copy_describe(struct copy *c, unsigned disk, struct buf *b)
{
	struct copy_disk *d = c->disks[disk];

	buf_addf(b, "disk %s: %u reads in flight%s%s\n", d->name, d->reads,
		 d->source ? "" : ", not connected", d->sink ? ", with a sink" : "");
	cover_describe(&d->cover, b);
	if (c->o.reuse)
		describe_base(c, disk, b);
	if (d->source)
		queue_describe(&d->queue, units_now_ns(), b);
}

int copy_failed_disk(const struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (c->disks[i]->source_failed)
			return (int)i;
	}
	return -1;
}

/* ---- reads ---- */

/* Slots for what the disk wants to read of this class; 0: there is nothing to read, or no extent is free. */
static int find_room(struct copy_disk *d, enum queue_class what, struct error **err)
{
	/* the writer's event fd becomes readable when an extent is free again */
	return copy_disk_has_read(d, what) ? fill_room(d->read, err) : 0;
}

/*
 * Whose turn is it?  Drains of any disk go before linear reads of any disk.  Returns 1 with the read that
 * has to be sent, or 0 if there is none.
 */
static int choose_read(struct copy *c, struct copy_disk **ret_disk, struct queue_read *ret,
		       struct error **err)
{
	for (enum queue_class what = QUEUE_DRAIN; what <= QUEUE_LINEAR; what++) {
		for (unsigned i = 0; i < c->n_disks; i++) {
			struct copy_disk *d = c->disks[(c->turn + i) % c->n_disks];
			const int room = find_room(d, what, err);

			if (room < 0)
				return room;
			if (!room || !copy_disk_next_read(d, what, (uint32_t)room, ret))
				continue;
			c->turn = (c->turn + i + 1) % c->n_disks;
			*ret_disk = d;
			return 1;
		}
	}
	return 0;
}

/* A worker was taken for it.  Returns 1, or 0 when there is nothing to be read or no extent is free. */
static int send_next_read(struct copy *c, uint64_t now_ns, struct error **err)
{
	struct queue_read what;
	struct copy_disk *d = NULL;
	int r = choose_read(c, &d, &what, err);

	if (r <= 0) {
		budget_give_worker(c->o.budget);
		return r;
	}
	pace_charge(&c->o.budget->pace, cover_bytes(&d->cover, what.run), now_ns);
	r = copy_disk_send_read(d, &what, err);
	return r < 0 ? r : 1;
}

static int send_reads(struct copy *c, uint64_t now_ns, struct error **err)
{
	int r = 1;

	while (r > 0 && pace_ready(&c->o.budget->pace, now_ns) && budget_take_worker(c->o.budget))
		r = send_next_read(c, now_ns, err);
	return r < 0 ? r : 0;
}

static bool all_read_into(const struct copy *c, const struct fill *f)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (c->disks[i]->read == f && !copy_disk_all_read(c->disks[i]))
			return false;
	}
	return true;
}

/*
 * An open extent that nothing more goes into must not wait for the end of the copy: the writer has to
 * compare what is in it before its disk can be complete, and other disks may need an extent.
 */
static void flush_reads(struct copy *c)
{
	for (unsigned i = 0; i < c->shared.n_read; i++) {
		if (all_read_into(c, &c->shared.read[i]))
			fill_flush(&c->shared.read[i]);
	}
}

/* ---- the loop ---- */

static bool all_done(const struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (!copy_disk_complete(c->disks[i]))
			return false;
	}
	return true;
}

static bool is_idle(const struct copy *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		if (!copy_disk_idle(c->disks[i]))
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
		else if (!copy_disk_all_read(d))
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
			r = copy_disk_serve_queue(c->disks[i], now_ns, err);
	}
	if (r == 0)
		r = check_suspects(c, err);
	if (r == 0)
		r = send_reads(c, now_ns, err);
	if (r == 0 && (c->o.reuse || c->o.sort_disks))
		flush_reads(c);
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
	fds[1] = (struct pollfd){ .fd = c->shared.wake_fd, .events = POLLIN };
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
			r = copy_disk_serve(c->disks[i], at, err);
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
	for (unsigned i = 0; i < c->n_disks && r == 0; i++)
		r = copy_disk_take_failure(c->disks[i], err);
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
	end_sources(c);
	if (r < 0)
		abort_sinks(c);
	else
		end_sinks(c);
	for (unsigned i = 0; i < c->shared.n_read; i++)
		fill_flush(&c->shared.read[i]);
	fill_flush(&c->shared.pushed);
	return r;
}
