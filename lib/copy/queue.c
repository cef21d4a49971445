#include "copy/queue.h"

/* Clusters in one read, where QEMU can be trusted with several. */
#define READ_CLUSTERS 8u
/*
 * Block status is asked for this many clusters (64 MiB) at first, since QEMU answers it in its main loop;
 * while everything is one extent the window doubles up to what a request can name.
 */
#define STATUS_WINDOW     1024u
#define STATUS_WINDOW_MAX QUESTION_MAX_CLUSTERS
/* Ask for more status when fewer clusters than this wait to be read. */
#define STATUS_AHEAD 512u
/*
 * Beyond that, block status runs ahead to show how much there is to read: at most a fifth of the time goes
 * into it, as QEMU's main loop answers, and so many runs of data may wait (8 bytes each).
 */
#define STATUS_PAUSE        4u
#define STATUS_RUNS_MAX     (1u << 17)
#define STATUS_PAUSE_MAX_NS (1000 * UINT64_C(1000000))

static void set_cursor(struct queue *q, uint32_t cursor)
{
	q->status.cursor = cursor;
	cover_set_known(q->cover, cursor);
}

void queue_init(struct queue *q, struct cover *c, unsigned flags, uint64_t trim_granularity)
{
	*q = (struct queue){
		.cover = c,
		.flags = flags,
		.status.window = STATUS_WINDOW,
		.trust = flags & QUEUE_DISTRUST ? ZEROES_COLLECTED : ZEROES_TRUSTED,
	};
	trims_init(&q->trims, trim_granularity);
	q->trims.wanted = flags & QUEUE_TRIM;
	if (!(flags & QUEUE_STATUS)) {
		runs_add(&q->data, 0, c->clusters);
		set_cursor(q, c->clusters);
	}
}

void queue_clear(struct queue *q)
{
	runs_clear(&q->data);
	runs_clear(&q->drain);
	runs_clear(&q->retry);
	runs_clear(&q->zeroes);
	runs_clear(&q->status.data);
	runs_clear(&q->dirty.found);
	trims_clear(&q->trims);
	map_clear(&q->trimmed_again);
}

/* ---- reads ---- */

/* Drops from the front of a list what somebody has claimed; false: nothing is left. */
static bool drop_claimed(struct queue *q, struct runs *list)
{
	for (; runs_waiting(list); list->at++) {
		struct run *r = &list->v[list->at];
		const uint32_t end = r->first + r->n;
		const uint32_t first = cover_next_unclaimed(q->cover, r->first);

		if (first < end) {
			*r = (struct run){ first, end - first };
			return true;
		}
	}
	return false;
}

/* Takes up to max clusters off the front of a list. */
static struct run take_front(struct runs *list, uint32_t max)
{
	struct run *r = &list->v[list->at];
	const struct run ret = { r->first, r->n < max ? r->n : max };

	r->first += ret.n;
	r->n -= ret.n;
	if (!r->n)
		list->at++;
	return ret;
}

/* The list that the reads of a class come from. */
static struct runs *list_of(struct queue *q, enum queue_class what)
{
	if (what == QUEUE_DRAIN)
		return runs_waiting(&q->retry) ? &q->retry : &q->drain;
	return &q->data;
}

bool queue_has_read(struct queue *q, enum queue_class what)
{
	struct runs *list = list_of(q, what);

	return !q->trims.first && (list == &q->retry || drop_claimed(q, list));
}

bool queue_next_read(struct queue *q, enum queue_class what, uint32_t max, struct queue_read *ret)
{
	const uint32_t most = q->flags & QUEUE_DISTRUST && what == QUEUE_DRAIN ? 1 : READ_CLUSTERS;
	struct runs *list = list_of(q, what);
	struct run *front;

	if (!queue_has_read(q, what))
		return false;
	ret->is_retry = list == &q->retry;
	if (ret->is_retry) {
		ret->run = take_front(list, 1);
		return true;
	}
	front = &list->v[list->at];
	ret->run = (struct run){ front->first, cover_claim(q->cover, front->first, front->first + front->n,
							   max < most ? max : most) };
	take_front(list, ret->run.n);
	return true;
}

void queue_done(struct queue *q, struct run run)
{
	trims_add(&q->trims, q->cover, run);
}

void queue_retry(struct queue *q, uint32_t cluster)
{
	runs_add(&q->retry, cluster, 1);
}

void queue_read_again(struct queue *q, struct run run)
{
	for (uint32_t at = run.first; at < run.first + run.n; at++) {
		if (cover_unclaim(q->cover, at))
			runs_add(&q->data, at, 1);
	}
}

bool queue_all_given(const struct queue *q)
{
	return cover_all_claimed(q->cover) && !runs_waiting(&q->retry);
}

void queue_add_zeroes(struct queue *q, struct run run)
{
	runs_add(&q->zeroes, run.first, run.n);
}

bool queue_next_zero(struct queue *q, uint32_t max, struct run *ret)
{
	while (runs_waiting(&q->zeroes)) {
		const struct run front = q->zeroes.v[q->zeroes.at];

		*ret = (struct run){ .first = front.first };
		while (ret->n < max && ret->n < front.n &&
		       cover_mark_zero_done(q->cover, front.first + ret->n))
			ret->n++;
		/* a cluster that ends it early came through a sink meanwhile */
		take_front(&q->zeroes, ret->n < max && ret->n < front.n ? ret->n + 1 : ret->n);
		if (ret->n) {
			trims_add(&q->trims, q->cover, *ret);
			return true;
		}
	}
	return false;
}

/* ---- block status ---- */

static bool wants_status(const struct queue *q, uint64_t now_ns)
{
	if (!(q->flags & QUEUE_STATUS) || q->status.open || q->trims.first || runs_waiting(&q->zeroes) ||
	    q->status.cursor >= q->cover->clusters)
		return false;
	return runs_clusters(&q->data, STATUS_AHEAD) < STATUS_AHEAD ||
	       (now_ns >= q->status.next_ns && runs_waiting(&q->data) < STATUS_RUNS_MAX);
}

/* The next clusters that nobody has claimed, up to one that is; n == 0: none are left. */
static struct run next_unknown(struct queue *q)
{
	const uint32_t first = cover_next_unclaimed(q->cover, q->status.cursor);

	set_cursor(q, first);
	return (struct run){ first, cover_next_claimed(q->cover, first) - first };
}

bool queue_next_status(struct queue *q, uint64_t now_ns, struct question *ret)
{
	/*
	 * QEMU fails a question whose range holds anything that was TRIMmed.  The window ends before
	 * the next claimed cluster, and no TRIM is sent while the question is open.
	 */
	struct run window;

	do {
		if (!wants_status(q, now_ns))
			return false;
		window = next_unknown(q);
		if (!window.n)
			return false;
		if (!(q->flags & QUEUE_CANDIDATES) || window.n > READ_CLUSTERS)
			break;
		runs_add(&q->data, window.first, window.n);
		set_cursor(q, window.first + window.n);
	} while (true);
	q->status.first = window.first;
	q->status.n = window.n < q->status.window ? window.n : q->status.window;
	q->status.at = cluster_offset(window.first);
	q->status.asked_ns = now_ns;
	q->status.open = true;
	runs_reset(&q->status.data);
	*ret = cover_question(q->cover, (struct run){ q->status.first, q->status.n });
	return true;
}

/* One past the last cluster that the list names so far. */
static uint32_t end_of(const struct runs *r)
{
	return runs_waiting(r) ? r->v[r->n - 1].first + r->v[r->n - 1].n : 0;
}

void queue_status_piece(struct queue *q, const struct piece *p)
{
	const uint64_t window_end = cluster_offset(q->status.first + q->status.n);
	uint64_t end = p->offset + p->length;

	if (p->offset >= window_end || !p->length)
		return;
	if (end > window_end)
		end = window_end;
	if (p->state == PIECE_DATA) {
		const uint32_t named = end_of(&q->status.data), last = clusters_up(end);
		uint32_t first = (uint32_t)(p->offset / VMA_CLUSTER_SIZE);

		/* two pieces of data may share a cluster */
		if (first < named)
			first = named;
		if (first < last)
			runs_add(&q->status.data, first, last - first);
	}
	q->status.at = end;
}

/* Block status reports these clusters as zero. */
static void take_zeroes(struct queue *q, uint32_t first, uint32_t end)
{
	if (q->trust == ZEROES_TRUSTED)
		cover_claim_zeroes(q->cover, first, end, &q->zeroes);
	else
		cover_claim_suspects(q->cover, first, end);
}

/* All of the answer is there, up to cluster `end`. */
static void take_status(struct queue *q, uint32_t end)
{
	uint32_t at = q->status.first;

	for (size_t i = 0; i < q->status.data.n; i++) {
		struct run run = q->status.data.v[i];

		/* an answer may end within a run's last cluster, which the next question covers */
		if (run.first + run.n > end)
			run.n = end - run.first;
		take_zeroes(q, at, run.first);
		if (run.n)
			runs_add(&q->data, run.first, run.n);
		at = run.first + run.n;
	}
	take_zeroes(q, at, end);
	set_cursor(q, end);
}

void queue_status_end(struct queue *q, int error, uint64_t now_ns)
{
	const uint32_t first = q->status.first;
	const uint64_t took = now_ns - q->status.asked_ns;
	/* the cluster in which an answer ends is taken whole once it is known whole */
	uint32_t end = q->status.at >= q->cover->size ? q->cover->clusters
						      : (uint32_t)(q->status.at / VMA_CLUSTER_SIZE);

	/* without an answer, or with one that ends within the first cluster, the data itself is read */
	if (error || end <= first) {
		end = first + (error ? q->status.n : 1);
		runs_reset(&q->status.data);
		runs_add(&q->status.data, first, end - first);
	}
	take_status(q, end);
	q->status.open = false;
	q->status.next_ns = now_ns + (took < STATUS_PAUSE_MAX_NS / STATUS_PAUSE ? took * STATUS_PAUSE
										: STATUS_PAUSE_MAX_NS);
	if (q->status.data.n > 1)
		q->status.window = STATUS_WINDOW;
	else if (q->status.window < STATUS_WINDOW_MAX / 2)
		q->status.window *= 2;
	else
		q->status.window = STATUS_WINDOW_MAX;
}

/* ---- TRIMs ---- */

void queue_trim_first(struct queue *q)
{
	trims_go_first(&q->trims);
}

unsigned queue_next_trims(struct queue *q, struct run ret[TRIMS_AT_ONCE])
{
	/* see queue_next_status() */
	return q->status.open ? 0 : trims_next(&q->trims, ret);
}

void queue_trim_end(struct queue *q)
{
	trims_end(&q->trims);
}

/* ---- all of it ---- */

bool queue_idle(const struct queue *q)
{
	return !q->status.open && !q->dirty.open && !q->trims.in_flight;
}

static void describe_list(struct buf *b, const char *what, const struct runs *r)
{
	buf_addf(b, "  %s: %u clusters in %zu runs", what, runs_clusters(r, UINT32_MAX), runs_waiting(r));
	if (runs_waiting(r))
		buf_addf(b, ", next %u", r->v[r->at].first);
	buf_addc(b, '\n');
}

static long ms_until(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns > now_ns ? (long)((then_ns - now_ns) / 1000000) : 0;
}

void queue_describe(const struct queue *q, uint64_t now_ns, struct buf *b)
{
	static const char *const trusts[] = {
		[ZEROES_TRUSTED] = "trusted",
		[ZEROES_COLLECTED] = "collected, to be checked",
		[ZEROES_CHECKED] = "being checked",
	};

	buf_adds(b, "waiting to be read:\n");
	describe_list(b, "retry", &q->retry);
	describe_list(b, "drain", &q->drain);
	describe_list(b, "linear", &q->data);
	describe_list(b, "zeroes for the archive", &q->zeroes);
	buf_addf(b, "zeroes of block status: %s\n", trusts[q->trust]);
	buf_addf(b, "block status: known up to cluster %u, window %u, ", q->status.cursor, q->status.window);
	if (q->status.open)
		buf_addf(b, "asked for %u from %u on %ld ms ago\n", q->status.n, q->status.first,
			 ms_until(now_ns, q->status.asked_ns));
	else
		buf_addf(b, "next in %ld ms or when little waits\n", ms_until(q->status.next_ns, now_ns));
	if (!(q->flags & QUEUE_DIRTY))
		buf_adds(b, "dirty bitmap: none\n");
	else if (q->dirty.begun_ns)
		buf_addf(b, "dirty bitmap: poll at cluster %u, %s, %zu runs found\n", q->dirty.at,
			 q->dirty.open ? "asked" : "to be asked", q->dirty.found.n);
	else
		buf_addf(b, "dirty bitmap: next poll in %ld ms\n", ms_until(q->dirty.next_ns, now_ns));
	trims_describe(&q->trims, b);
}
