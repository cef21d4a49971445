/* What one disk wants next: block status, drains, reads, TRIMs. */
#include <errno.h>
#include <string.h>

#include "copy/copy-internal.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "qemu/nbd.h"

/* Block status is asked for this many clusters (64 MiB) at first, since QEMU answers it in its main
 * loop; while everything is one extent the window doubles up to what a request can name. */
#define STATUS_WINDOW     1024u
#define STATUS_WINDOW_MAX 65535u
/* Ask for more status when fewer clusters than this wait to be read. */
#define STATUS_AHEAD 512u
/*
 * Beyond that, block status runs ahead to tell how much there is to read: at most a fifth of the time goes
 * into it, as QEMU's main loop answers, and so many runs of data may wait (8 bytes each).
 */
#define STATUS_PAUSE        4u
#define STATUS_RUNS_MAX     (1u << 17)
#define STATUS_PAUSE_MAX_NS (1000 * UINT64_C(1000000))
#define DIRTY_POLL_NS       (40 * UINT64_C(1000000))
#define DIRTY_POLL_MAX_NS   (1000 * UINT64_C(1000000))
#define TRIM_MAX_CLUSTERS   16384u
#define TRIMS_IN_FLIGHT     4u
#define CLUSTER             ((uint64_t)VMA_CLUSTER_SIZE)

void runs_add(struct runs *r, uint32_t first, uint32_t n)
{
	struct run *last = r->n > r->at ? &r->v[r->n - 1] : NULL;

	if (last && last->first + last->n == first) {
		last->n += n;
		return;
	}
	if (r->at && r->at == r->n)
		r->at = r->n = 0;
	/* a list that is used while it grows holds no more than what waits */
	if (r->n == r->cap && r->at > r->cap / 2) {
		memmove(r->v, r->v + r->at, (r->n - r->at) * sizeof(*r->v));
		r->n -= r->at;
		r->at = 0;
	}
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->v = xreallocarray(r->v, r->cap, sizeof(*r->v));
	}
	r->v[r->n++] = (struct run){ first, n };
}

void runs_reset(struct runs *r)
{
	r->n = r->at = 0;
}

void runs_clear(struct runs *r)
{
	free(r->v);
	*r = (struct runs){ 0 };
}

bool copy_mark_done(struct copy_disk *d, uint32_t cluster)
{
	bool first;

	pthread_mutex_lock(&d->lock);
	first = !map_get(&d->done, cluster);
	map_set(&d->done, cluster);
	pthread_mutex_unlock(&d->lock);
	if (first) {
		atomic_fetch_add(&d->n_done, 1);
		atomic_fetch_add(&d->done_bytes, copy_cluster_len(d, cluster));
	}
	return first;
}

bool copy_is_done(struct copy_disk *d, uint32_t cluster)
{
	bool done;

	pthread_mutex_lock(&d->lock);
	done = map_get(&d->done, cluster);
	pthread_mutex_unlock(&d->lock);
	return done;
}

/* Takes from a list the next clusters nobody has claimed, in one piece, and claims them. */
static bool take_unclaimed(struct copy_disk *d, struct runs *list, uint32_t max, struct run *ret)
{
	while (list->at < list->n) {
		struct run *r = &list->v[list->at];
		uint32_t end = r->first + r->n;
		uint32_t first = map_next(&d->claimed, r->first, false);
		uint32_t n = 0;

		if (first >= end) {
			list->at++;
			continue;
		}
		while (n < max && first + n < end && !map_get(&d->claimed, first + n))
			map_set(&d->claimed, first + n++);
		r->first = first + n;
		r->n = end - r->first;
		*ret = (struct run){ first, n };
		return true;
	}
	return false;
}

bool copy_disk_next(struct copy_disk *d, enum copy_class what, uint32_t max, struct run *ret)
{
	if (what == COPY_LINEAR)
		return take_unclaimed(d, &d->data, max, ret);
	if (d->retry.at < d->retry.n) {
		struct run *r = &d->retry.v[d->retry.at];

		*ret = (struct run){ r->first, 1 };
		r->first++;
		if (!--r->n)
			d->retry.at++;
		return true;
	}
	return take_unclaimed(d, &d->drain, max, ret);
}

static int nbd_failed(struct copy_disk *d, const char *what, struct error **err)
{
	const char *text = nbd_get_error();

	return error_set(err, ERR_PEER, "%s: %s: %s", d->name, what, text ? text : "unknown error");
}

/* ---- granules ---- */

/* First cluster of the granule; *ret_end is behind its last, which the end of the disk may cut. */
static uint32_t granule_of(const struct copy_disk *d, uint32_t cluster, uint32_t *ret_end)
{
	uint32_t first = cluster - cluster % d->granule;

	*ret_end = d->clusters - first < d->granule ? d->clusters : first + d->granule;
	return first;
}

/* ---- block status ---- */

static int on_status(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n_entries,
		     int *error)
{
	struct copy_disk *d = opaque;
	const uint64_t window_end = (uint64_t)(d->status_first + d->status_n) * CLUSTER;
	uint64_t at = offset;

	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
		return 0;
	for (size_t i = 0; i + 1 < n_entries && at < window_end; i += 2) {
		uint64_t end = at + entries[i];

		if (end > window_end)
			end = window_end;
		if (!(entries[i + 1] & LIBNBD_STATE_ZERO)) {
			uint32_t first = (uint32_t)(at / CLUSTER);
			uint32_t last = (uint32_t)((end + CLUSTER - 1) / CLUSTER);
			struct runs *r = &d->status_data;

			/* two pieces of data may share a cluster */
			if (r->n > r->at && r->v[r->n - 1].first + r->v[r->n - 1].n > first)
				first = r->v[r->n - 1].first + r->v[r->n - 1].n;
			if (last > first)
				runs_add(r, first, last - first);
		}
		at = end;
	}
	/* the cluster in which an answer ends is taken whole once it is known whole */
	d->status_end = at >= d->size ? d->clusters : (uint32_t)(at / CLUSTER);
	return 0;
}

static int on_status_done(void *opaque, int *error)
{
	struct copy_disk *d = opaque;

	/* Without an answer, or with one that ends inside the first cluster, look at the data itself. */
	if (*error || d->status_end <= d->status_first) {
		d->status_end = d->status_first + (*error ? d->status_n : 1);
		runs_reset(&d->status_data);
		runs_add(&d->status_data, d->status_first, d->status_end - d->status_first);
	}
	d->status_took_ns = units_now_ns() - d->status_asked_ns;
	return 1;
}

static void on_status_free(void *opaque)
{
	struct copy_disk *d = opaque;

	d->status_in_flight = false;
}

/* Where block status is known up to; told to those who ask for the progress. */
static void set_cursor(struct copy_disk *d, uint32_t cursor)
{
	const uint64_t bytes = (uint64_t)cursor * CLUSTER;

	d->cursor = cursor;
	atomic_store(&d->known_bytes, bytes < d->size ? bytes : d->size);
}

static int ask_status(struct copy_disk *d, struct error **err)
{
	uint32_t first = map_next(&d->claimed, d->cursor, false);
	uint32_t end = first < d->clusters ? map_next(&d->claimed, first, true) : first;
	uint64_t bytes;

	set_cursor(d, first);
	if (first == d->clusters)
		return 0;
	d->status_asked_ns = units_now_ns();
	/*
	 * QEMU fails a question whose range holds anything that was TRIMmed.  The window ends before
	 * the next claimed cluster, and no TRIM is sent while the question is open.
	 */
	d->status_first = first;
	d->status_n = end - first < d->status_window ? end - first : d->status_window;
	d->status_end = first;
	runs_reset(&d->status_data);
	bytes = (uint64_t)d->status_n * CLUSTER;
	if ((uint64_t)first * CLUSTER + bytes > d->size)
		bytes = d->size - (uint64_t)first * CLUSTER;
	d->status_in_flight = true;
	if (nbd_aio_block_status(d->nbd, bytes, (uint64_t)first * CLUSTER,
				 (nbd_extent_callback){ .callback = on_status, .user_data = d },
				 (nbd_completion_callback){
					 .callback = on_status_done, .user_data = d, .free = on_status_free },
				 0) == -1)
		return nbd_failed(d, "cannot ask for block status", err);
	return 0;
}

static uint64_t bytes_of(const struct copy_disk *d, uint32_t first, uint32_t n)
{
	return (uint64_t)(n - 1) * CLUSTER + copy_cluster_len(d, first + n - 1);
}

/* Puts off what block status says about [first, end), see source_endpoint.distrust_ranges. */
static void collect_zero(struct copy_disk *d, uint32_t first, uint32_t end)
{
	uint64_t bytes = 0;

	for (uint32_t at = first; at < end; at++) {
		if (map_get(&d->claimed, at))
			continue;
		map_set(&d->claimed, at);
		map_set(&d->zero, at);
		d->n_zero++;
		bytes += copy_cluster_len(d, at);
	}
	atomic_fetch_add(&d->skip_bytes, bytes);
}

/* So many clusters are done that nobody read. */
static void count_skipped(struct copy_disk *d, uint32_t first, uint32_t n)
{
	atomic_fetch_add(&d->skip_bytes, bytes_of(d, first, n));
	atomic_fetch_add(&d->skipped_bytes, bytes_of(d, first, n));
}

/* Clusters [first, end) are zero unless somebody claimed them meanwhile. */
static int take_zero(struct copy_disk *d, uint32_t first, uint32_t end, struct error **err)
{
	if (d->zeroes != ZEROES_TRUSTED) {
		collect_zero(d, first, end);
		return 0;
	}
	while (first < end) {
		uint32_t n = 0;
		int r = 0;

		while (first + n < end && !map_get(&d->claimed, first + n) && copy_mark_done(d, first + n))
			map_set(&d->claimed, first + n++);
		if (n) {
			count_skipped(d, first, n);
			r = vma_writer_zero(d->copy->o.writer, d->dev, first, n, err);
			copy_disk_trim(d, first, n);
		} else {
			n = 1;
		}
		if (r < 0)
			return r;
		first += n;
	}
	return 0;
}

static int take_status_answer(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	uint32_t at = d->status_first;
	int r;

	for (size_t i = 0; i < d->status_data.n; i++) {
		struct run run = d->status_data.v[i];

		/* an answer may end within a run's last cluster, which the next question covers */
		if (run.first + run.n > d->status_end)
			run.n = d->status_end - run.first;
		r = take_zero(d, at, run.first, err);
		if (r < 0)
			return r;
		runs_add(&d->data, run.first, run.n);
		at = run.first + run.n;
	}
	r = take_zero(d, at, d->status_end, err);
	if (r < 0)
		return r;
	set_cursor(d, d->status_end);
	d->status_n = 0;
	d->status_next_ns = now_ns + (d->status_took_ns < STATUS_PAUSE_MAX_NS / STATUS_PAUSE
					      ? d->status_took_ns * STATUS_PAUSE
					      : STATUS_PAUSE_MAX_NS);
	if (d->status_data.n > 1)
		d->status_window = STATUS_WINDOW;
	else if (d->status_window < STATUS_WINDOW_MAX / 2)
		d->status_window *= 2;
	else
		d->status_window = STATUS_WINDOW_MAX;
	return 0;
}

static bool wants_status(const struct copy_disk *d, uint64_t now_ns)
{
	uint32_t waiting = 0;

	if (d->status_in_flight || d->status_n || d->cursor >= d->clusters)
		return false;
	for (size_t i = d->data.at; i < d->data.n && waiting < STATUS_AHEAD; i++)
		waiting += d->data.v[i].n;
	return waiting < STATUS_AHEAD ||
	       (now_ns >= d->status_next_ns && d->data.n - d->data.at < STATUS_RUNS_MAX);
}

/* ---- the dirty bitmap ---- */

static int on_dirty(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n_entries,
		    int *error)
{
	struct copy_disk *d = opaque;
	uint64_t at = offset;

	(void)error;
	if (!str_prefix(context, "qemu:dirty-bitmap:", NULL))
		return 0;
	for (size_t i = 0; i + 1 < n_entries && at < d->size; i += 2) {
		uint64_t end = at + entries[i];

		if (end > d->size)
			end = d->size;
		if (entries[i + 1]) {
			uint32_t first = (uint32_t)(at / CLUSTER);

			runs_add(&d->dirty_found, first, (uint32_t)((end + CLUSTER - 1) / CLUSTER) - first);
		}
		at = end;
	}
	d->dirty_at = at >= d->size ? d->clusters : (uint32_t)(at / CLUSTER);
	d->bitmap_seen = true;
	return 0;
}

static int on_dirty_done(void *opaque, int *error)
{
	struct copy_disk *d = opaque;

	/* Losing the order of reading is no reason to fail: the data is read all the same. */
	if (*error || !d->bitmap_seen) {
		d->dirty_at = d->clusters;
		d->poll_failed = true;
	}
	return 1;
}

static void on_dirty_free(void *opaque)
{
	struct copy_disk *d = opaque;

	d->dirty_in_flight = false;
}

/* The next cluster that nobody has claimed, or that is only taken to be zero. */
static uint32_t next_open(const struct copy_disk *d, uint32_t at)
{
	const uint32_t unclaimed = map_next(&d->claimed, at, false);
	const uint32_t zero = d->n_zero ? map_next(&d->zero, at, true) : d->clusters;

	return unclaimed < zero ? unclaimed : zero;
}

static int ask_dirty(struct copy_disk *d, struct error **err)
{
	uint64_t from, bytes;

	if (d->zeroes == ZEROES_CHECKED)
		d->dirty_at = map_next(&d->zero, d->dirty_at, true);
	else
		d->dirty_at = next_open(d, d->dirty_at);
	if (d->dirty_at >= d->clusters)
		return 0;
	from = (uint64_t)d->dirty_at * CLUSTER;
	bytes = d->size - from;
	if (bytes > STATUS_WINDOW_MAX * CLUSTER)
		bytes = STATUS_WINDOW_MAX * CLUSTER;
	d->dirty_in_flight = true;
	d->bitmap_seen = false;
	if (nbd_aio_block_status(d->nbd_dirty, bytes, from,
				 (nbd_extent_callback){ .callback = on_dirty, .user_data = d },
				 (nbd_completion_callback){
					 .callback = on_dirty_done, .user_data = d, .free = on_dirty_free },
				 0) == -1)
		return nbd_failed(d, "cannot ask for the dirty bitmap", err);
	return 0;
}

/*
 * The guest wrote or discarded this cluster: whether it was zero at the instant must be read.  Not
 * left to the drains, which every poll makes anew from what it finds.
 */
static void distrust_zero(struct copy_disk *d, uint32_t at)
{
	if (!map_get(&d->zero, at))
		return;
	map_unset(&d->zero, at);
	map_unset(&d->claimed, at);
	runs_add(&d->data, at, 1);
	d->n_zero--;
	atomic_fetch_sub(&d->skip_bytes, copy_cluster_len(d, at));
}

/* A poll after the barrier has ended: what it did not find dirty is zero. */
static int settle_zeroes(struct copy_disk *d, struct error **err)
{
	uint32_t at, end;
	int r = 0;

	for (size_t i = 0; i < d->dirty_found.n; i++) {
		const struct run *run = &d->dirty_found.v[i];

		for (at = run->first; at < run->first + run->n; at++)
			distrust_zero(d, at);
	}
	for (at = 0; d->poll_failed && at < d->clusters; at++)
		distrust_zero(d, at);
	for (at = map_next(&d->zero, 0, true); at < d->clusters && r == 0;
	     at = map_next(&d->zero, end, true)) {
		end = map_next(&d->zero, at, false);
		for (uint32_t i = at; i < end; i++)
			copy_mark_done(d, i);
		atomic_fetch_add(&d->skipped_bytes, bytes_of(d, at, end - at));
		r = vma_writer_zero(d->copy->o.writer, d->dev, at, end - at, err);
	}
	d->n_zero = 0;
	d->zeroes = ZEROES_TRUSTED; /* there will be no more of them */
	return r;
}

/*
 * Puts on the list what nobody has claimed of the run, from cluster `from` on, and of the granules
 * that it touches: only whole ones give their space back.  Returns how far it went.
 */
static uint32_t drain_granules(struct copy_disk *d, const struct run *run, uint32_t from)
{
	uint32_t end, at = granule_of(d, run->first, &end);

	granule_of(d, run->first + run->n - 1, &end);
	for (at = at < from ? from : at; at < end; at++) {
		if (!map_get(&d->claimed, at))
			runs_add(&d->drain, at, 1);
	}
	return end > from ? end : from;
}

/* A poll reached the end of the disk: what it found and nobody has claimed is read next. */
static void finish_dirty_poll(struct copy_disk *d, uint64_t now_ns)
{
	uint64_t took = now_ns - d->dirty_begun_ns;
	uint32_t drained = 0;

	runs_reset(&d->drain);
	for (size_t i = 0; i < d->dirty_found.n; i++) {
		const struct run *r = &d->dirty_found.v[i];

		for (uint32_t at = r->first; at < r->first + r->n; at++) {
			/* QEMU copies what was zero as well: not to stay in the image until the end */
			if (d->zeroes == ZEROES_COLLECTED)
				distrust_zero(d, at);
			if (map_get(&d->claimed, at))
				continue;
			if (!map_get(&d->rewritten, at)) {
				map_set(&d->rewritten, at);
				atomic_fetch_add(&d->rewritten_bytes, copy_cluster_len(d, at));
			}
		}
		drained = drain_granules(d, r, drained);
	}
	runs_reset(&d->dirty_found);
	d->poll_failed = false;
	d->dirty_at = 0;
	d->dirty_begun_ns = 0;
	/* at most a fifth of the time goes into asking */
	took = took * 4 < DIRTY_POLL_NS ? DIRTY_POLL_NS : took * 4;
	d->dirty_next_ns = now_ns + (took < DIRTY_POLL_MAX_NS ? took : DIRTY_POLL_MAX_NS);
}

static int poll_dirty(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	if (!d->nbd_dirty || d->dirty_in_flight || atomic_load(&d->n_done) == d->clusters)
		return 0;
	if (!d->dirty_begun_ns) {
		if (now_ns < d->dirty_next_ns)
			return 0;
		d->dirty_begun_ns = now_ns;
		d->dirty_at = 0;
	}
	return ask_dirty(d, err);
}

/* ---- TRIM ---- */

static int compare_runs(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void copy_disk_trim(struct copy_disk *d, uint32_t first, uint32_t n)
{
	uint32_t end;

	if (!d->trim)
		return;
	if (d->granule == 1) {
		runs_add(&d->trims, first, n);
		return;
	}
	for (uint32_t at = granule_of(d, first, &end); at < first + n; at = granule_of(d, end, &end)) {
		bool whole;

		pthread_mutex_lock(&d->lock);
		whole = map_next(&d->done, at, false) >= end;
		pthread_mutex_unlock(&d->lock);
		if (whole)
			runs_add(&d->trims, at, end - at);
		if (end == d->clusters)
			break;
	}
}

static int on_trim_done(void *opaque, int *error)
{
	(void)opaque;
	(void)error; /* a TRIM that fails costs space, nothing else */
	return 1;
}

static void on_trim_free(void *opaque)
{
	struct copy_disk *d = opaque;

	d->trims_in_flight--;
}

static int send_trim(struct copy_disk *d, uint32_t first, uint32_t n, struct error **err)
{
	uint64_t bytes = (uint64_t)n * CLUSTER;

	if ((uint64_t)first * CLUSTER + bytes > d->size)
		bytes = d->size - (uint64_t)first * CLUSTER;
	d->trims_in_flight++;
	if (nbd_aio_trim(d->nbd, bytes, (uint64_t)first * CLUSTER,
			 (nbd_completion_callback){
				 .callback = on_trim_done, .user_data = d, .free = on_trim_free },
			 0) == -1)
		return nbd_failed(d, "cannot send TRIM", err);
	return 0;
}

static int send_trims(struct copy_disk *d, struct error **err)
{
	struct runs *t = &d->trims;

	if (t->at == t->n || d->trims_in_flight || d->status_in_flight)
		return 0;
	qsort(t->v + t->at, t->n - t->at, sizeof(*t->v), compare_runs);
	while (t->at < t->n && d->trims_in_flight < TRIMS_IN_FLIGHT) {
		struct run *r = &t->v[t->at];
		uint32_t n;
		int rc;

		while (t->at + 1 < t->n && r->first + r->n == t->v[t->at + 1].first) {
			t->v[t->at + 1] = (struct run){ r->first, r->n + t->v[t->at + 1].n };
			r = &t->v[++t->at];
		}
		n = TRIM_MAX_CLUSTERS - TRIM_MAX_CLUSTERS % d->granule;
		if (n > r->n)
			n = r->n;
		rc = send_trim(d, r->first, n, err);
		if (rc < 0)
			return rc;
		r->first += n;
		r->n -= n;
		if (!r->n)
			t->at++;
	}
	return 0;
}

/* ---- all of it ---- */

int copy_disk_take_answers(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	int r = 0;

	/*
	 * Never wait for the archive here: a QEMU whose answers nobody takes cannot drain its devices,
	 * and a reset of the guest would hang; and that QEMU has ended would not be seen.
	 */
	if (!d->status_in_flight && d->status_n && vma_writer_zero_ready(d->copy->o.writer))
		r = take_status_answer(d, now_ns, err);
	if (r == 0 && d->dirty_begun_ns && !d->dirty_in_flight && d->dirty_at >= d->clusters) {
		if (d->zeroes == ZEROES_CHECKED)
			r = settle_zeroes(d, err);
		finish_dirty_poll(d, now_ns);
	}
	return r;
}

int copy_disk_background(struct copy_disk *d, uint64_t now_ns, struct error **err)
{
	int r;

	r = poll_dirty(d, now_ns, err);
	if (r == 0)
		r = send_trims(d, err);
	/* TRIMs that wait go before the next question, or they might wait for ever */
	if (r == 0 && wants_status(d, now_ns))
		r = ask_status(d, err);
	return r;
}

bool copy_disk_only_zeroes_left(const struct copy_disk *d)
{
	return d->zeroes == ZEROES_COLLECTED && d->n_zero &&
	       atomic_load(&d->n_done) + d->n_zero == d->clusters;
}

void copy_disk_check_zeroes(struct copy_disk *d)
{
	/* a poll that is under way has seen parts of the bitmap before the barrier */
	d->zeroes = ZEROES_CHECKED;
	runs_reset(&d->dirty_found);
	d->poll_failed = false;
	d->dirty_begun_ns = 0;
	d->dirty_next_ns = 0;
}

bool copy_disk_idle(const struct copy_disk *d)
{
	return !d->status_in_flight && !d->dirty_in_flight && !d->trims_in_flight;
}

static int connect_nbd(struct copy_disk *d, const struct source_endpoint *s, const char *context,
		       struct nbd_handle **ret, struct error **err)
{
	struct nbd_handle *h = nbd_create();
	int r;

	/* libnbd keeps NBD_CMD_FLAG_DF to nbd_pread_structured; see send_read() */
	if (h && nbd_set_strict_mode(h, nbd_get_strict_mode(h) & ~(uint32_t)LIBNBD_STRICT_FLAGS) == 0 &&
	    nbd_set_export_name(h, s->export) == 0 && nbd_add_meta_context(h, context) == 0 &&
	    nbd_set_pread_initialize(h, false) == 0) {
		r = nbd_client_connect_unix(h, s->socket, NBD_CONNECT_MS, d->copy->o.cancel, err);
		if (r == 0) {
			*ret = h;
			return 0;
		}
		if (r != ERR_CANCELED)
			error_prefix(err, "%s: cannot connect to its NBD export", d->name);
	} else {
		r = nbd_failed(d, "cannot connect to its NBD export", err);
	}
	if (h)
		nbd_close(h);
	return r;
}

/* In clusters, up to what one TRIM can name. */
static uint32_t granule_clusters(uint64_t bytes)
{
	uint64_t n = (bytes + CLUSTER - 1) / CLUSTER;

	return n < 1 ? 1 : n > TRIM_MAX_CLUSTERS ? TRIM_MAX_CLUSTERS : (uint32_t)n;
}

int copy_disk_open(struct copy_disk *d, const struct source_endpoint *s, struct error **err)
{
	_cleanup_free_ char *context = NULL;
	int64_t size;
	int r = connect_nbd(d, s, LIBNBD_CONTEXT_BASE_ALLOCATION, &d->nbd, err);

	if (r < 0)
		return r;
	size = nbd_get_size(d->nbd);
	if (size < 0 || (uint64_t)size != d->size)
		return error_set(err, ERR_PEER,
				 "%s: its NBD export has %ld bytes where %lu were expected: the disk "
				 "was resized meanwhile, start the backup again",
				 d->name, (long)size, (unsigned long)d->size);
	d->trim = s->trim && nbd_can_trim(d->nbd) == 1;
	d->granule = granule_clusters(s->trim_granularity);
	d->status_window = STATUS_WINDOW;
	d->max_run = s->distrust_ranges ? 1 : COPY_READ_CLUSTERS;
	d->zeroes = s->distrust_ranges ? ZEROES_COLLECTED : ZEROES_TRUSTED;
	/* an export without block status is read in full, once */
	if (nbd_can_meta_context(d->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) != 1) {
		runs_add(&d->data, 0, d->clusters);
		set_cursor(d, d->clusters);
	}
	if (!s->bitmap)
		return 0;
	context = xasprintf("qemu:dirty-bitmap:%s", s->bitmap);
	r = connect_nbd(d, s, context, &d->nbd_dirty, err);
	if (r < 0)
		return r;
	if (nbd_can_meta_context(d->nbd_dirty, context) != 1)
		return error_set(err, ERR_PEER, "%s: its NBD export lacks the dirty bitmap '%s'", d->name,
				 s->bitmap);
	return 0;
}
