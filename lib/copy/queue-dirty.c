#include "copy/queue.h"

/* A pause between two polls: at least, and at most. */
#define DIRTY_POLL_NS     (40 * UINT64_C(1000000))
#define DIRTY_POLL_MAX_NS (1000 * UINT64_C(1000000))

/*
 * The guest wrote or discarded this cluster: whether it was zero at the instant must be read.  Not left to
 * the drains, which every poll makes anew from what it finds.
 */
static void drop_suspect(struct queue *q, uint32_t at)
{
	if (cover_drop_suspect(q->cover, at))
		runs_add(&q->data, at, 1);
}

/*
 * Calls fn for each cluster that the poll has found and that `next` names.  Skips all others at once: most of
 * a disk may be in the bitmap, since what was TRIMmed is, too.
 */
static void each_found(struct queue *q, uint32_t (*next)(const struct cover *c, uint32_t from),
		       void (*fn)(struct queue *q, uint32_t cluster))
{
	uint32_t at = next(q->cover, 0);

	for (size_t i = 0; i < q->dirty.found.n; i++) {
		const struct run run = q->dirty.found.v[i];

		if (at < run.first)
			at = next(q->cover, run.first);
		for (; at < run.first + run.n; at = next(q->cover, at + 1))
			fn(q, at);
	}
}

/* A poll that began after queue_check_suspects() has ended: what it did not find dirty is zero. */
static void settle_suspects(struct queue *q)
{
	const uint32_t clusters = q->cover->clusters;

	each_found(q, cover_next_suspect, drop_suspect);
	for (uint32_t at = 0; q->dirty.failed && (at = cover_next_suspect(q->cover, at)) < clusters;)
		drop_suspect(q, at);
	cover_confirm_suspects(q->cover, &q->zeroes);
	q->trust = ZEROES_TRUSTED; /* there will be no more of them */
}

/*
 * Puts on the list what nobody has claimed of the run and of the granules that it touches: only whole ones
 * give their space back.  `from` is the first cluster that nobody has claimed and that was not looked at yet;
 * so is what it returns.
 */
static uint32_t drain_granules(struct queue *q, const struct run *run, uint32_t from)
{
	uint32_t end, first = trims_granule(&q->trims, q->cover, run->first, &end);

	trims_granule(&q->trims, q->cover, run->first + run->n - 1, &end);
	if (from < first)
		from = cover_next_unclaimed(q->cover, first);
	for (; from < end; from = cover_next_unclaimed(q->cover, from + 1))
		runs_add(&q->drain, from, 1);
	return from;
}

static void note_rewritten(struct queue *q, uint32_t cluster)
{
	cover_note_rewritten(q->cover, cluster);
}

/* TRIMs what is done of the run, unless it was TRIMmed again before. */
static void trim_run_again(struct queue *q, const struct run *run)
{
	struct run part = { run->first, 0 };

	for (uint32_t at = run->first; at < run->first + run->n; at++) {
		if (cover_is_done(q->cover, at) && !map_get(&q->trimmed_again, at)) {
			map_set(&q->trimmed_again, at);
			part.n++;
			continue;
		}
		if (part.n)
			trims_add(&q->trims, q->cover, part);
		part = (struct run){ at + 1, 0 };
	}
	if (part.n)
		trims_add(&q->trims, q->cover, part);
}

void queue_trim_again(struct queue *q, bool on)
{
	const unsigned needed = QUEUE_DIRTY | QUEUE_TRIM;

	if (on && !q->trimmed_again.words && (q->flags & needed) == needed)
		map_init(&q->trimmed_again, q->cover->clusters);
	/* without memory the image stays larger, nothing else */
	q->trim_again = on && q->trimmed_again.words;
}

/* A poll has reached the end of the disk: what it found and nobody has claimed is read next. */
static void finish_poll(struct queue *q, uint64_t now_ns)
{
	const uint64_t took = now_ns - q->dirty.begun_ns;
	uint64_t pause;
	uint32_t from;

	if (q->trust == ZEROES_CHECKED)
		settle_suspects(q);
	runs_reset(&q->drain);
	/* QEMU copies what was zero as well: it must not stay in the image until the end */
	if (q->trust == ZEROES_COLLECTED)
		each_found(q, cover_next_suspect, drop_suspect);
	each_found(q, cover_next_unclaimed, note_rewritten);
	/* once no suspect is left among them: two runs may share a granule */
	from = cover_next_unclaimed(q->cover, 0);
	for (size_t i = 0; i < q->dirty.found.n; i++)
		from = drain_granules(q, &q->dirty.found.v[i], from);
	for (size_t i = 0; q->trim_again && i < q->dirty.found.n; i++)
		trim_run_again(q, &q->dirty.found.v[i]);
	runs_reset(&q->dirty.found);
	q->dirty.failed = false;
	q->dirty.begun_ns = 0;
	/* at most a fifth of the time goes into asking */
	pause = took * 4 < DIRTY_POLL_NS ? DIRTY_POLL_NS : took * 4;
	q->dirty.next_ns = now_ns + (pause < DIRTY_POLL_MAX_NS ? pause : DIRTY_POLL_MAX_NS);
}

/* The next cluster from `at` on that a poll has to ask about. */
static uint32_t next_asked(const struct queue *q, uint32_t at)
{
	const uint32_t suspect = cover_next_suspect(q->cover, at);
	uint32_t unclaimed;

	if (q->trust == ZEROES_CHECKED)
		return suspect;
	if (q->trim_again)
		return at;
	unclaimed = cover_next_unclaimed(q->cover, at);
	return unclaimed < suspect ? unclaimed : suspect;
}

bool queue_next_dirty(struct queue *q, uint64_t now_ns, struct question *ret)
{
	struct run about;

	if (!(q->flags & QUEUE_DIRTY) || q->dirty.open || cover_complete(q->cover))
		return false;
	if (!q->dirty.begun_ns) {
		if (now_ns < q->dirty.next_ns)
			return false;
		q->dirty.begun_ns = now_ns;
		q->dirty.at = 0;
	}
	q->dirty.at = next_asked(q, q->dirty.at);
	about = (struct run){ q->dirty.at, q->cover->clusters - q->dirty.at };
	if (!about.n) {
		finish_poll(q, now_ns);
		return false;
	}
	q->dirty.open = true;
	if (about.n > QUESTION_MAX_CLUSTERS)
		about.n = QUESTION_MAX_CLUSTERS;
	*ret = cover_question(q->cover, about);
	q->dirty.answered = ret->offset;
	return true;
}

void queue_dirty_piece(struct queue *q, const struct piece *p)
{
	const uint64_t size = q->cover->size;
	uint64_t end = p->offset + p->length;

	if (p->offset >= size || !p->length)
		return;
	if (end > size)
		end = size;
	if (p->state == PIECE_DIRTY) {
		const uint32_t first = (uint32_t)(p->offset / VMA_CLUSTER_SIZE);

		runs_add(&q->dirty.found, first, clusters_up(end) - first);
	}
	q->dirty.answered = end;
}

void queue_dirty_end(struct queue *q, int error, uint64_t now_ns)
{
	const uint64_t answered = q->dirty.answered;
	const uint32_t end =
		answered >= q->cover->size ? q->cover->clusters : (uint32_t)(answered / VMA_CLUSTER_SIZE);

	q->dirty.open = false;
	/* losing the order of the reads is no reason to fail: the data is read all the same */
	q->dirty.failed |= error || end <= q->dirty.at;
	q->dirty.at = q->dirty.failed ? q->cover->clusters : end;
	if (q->dirty.at == q->cover->clusters)
		finish_poll(q, now_ns);
}

/* ---- suspected zeroes ---- */

bool queue_only_suspects_left(const struct queue *q)
{
	return q->trust == ZEROES_COLLECTED && q->cover->n_suspects && queue_all_given(q);
}

void queue_check_suspects(struct queue *q)
{
	/* all is claimed: block status could only name what must be read again, as suspects of no poll */
	q->status.cursor = q->cover->clusters;
	cover_set_known(q->cover, q->status.cursor);
	/* a poll that is under way has seen parts of the bitmap before they were complete */
	q->trust = ZEROES_CHECKED;
	runs_reset(&q->dirty.found);
	q->dirty.failed = false;
	q->dirty.begun_ns = 0;
	q->dirty.next_ns = 0;
}
