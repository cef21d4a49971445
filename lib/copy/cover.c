#include "copy/cover.h"

#include "base/units.h"

/* Before anything is known of a disk it is taken to be full, which so many bytes of status outweigh. */
#define PRIOR (256 * MIB)
/* Characters in the strip of cover_describe(). */
#define STRIP 64u

static void clear_maps(struct cover *c)
{
	map_clear(&c->done);
	map_clear(&c->clean);
	map_clear(&c->claimed);
	map_clear(&c->rewritten);
	map_clear(&c->suspects);
}

bool cover_init(struct cover *c, uint64_t size)
{
	*c = (struct cover){ .size = size, .clusters = (uint32_t)vma_clusters(size) };
	if (!map_init(&c->done, c->clusters) || !map_init(&c->clean, c->clusters) ||
	    !map_init(&c->claimed, c->clusters) || !map_init(&c->rewritten, c->clusters) ||
	    !map_init(&c->suspects, c->clusters)) {
		clear_maps(c);
		return false;
	}
	pthread_mutex_init(&c->lock, NULL);
	return true;
}

void cover_clear(struct cover *c)
{
	if (!c->done.words)
		return;
	clear_maps(c);
	pthread_mutex_destroy(&c->lock);
}

/* ---- any thread ---- */

/* Called with the lock held; none of the clusters is done. */
static void set_done(struct cover *c, const uint32_t *clusters, unsigned n)
{
	uint64_t bytes = 0, clean = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint32_t len = cover_cluster_len(c, clusters[i]);

		map_set(&c->done, clusters[i]);
		bytes += len;
		if (map_get(&c->clean, clusters[i]))
			clean += len;
	}
	if (clean)
		atomic_fetch_add(&c->clean_done_bytes, clean);
	atomic_fetch_add(&c->done_bytes, bytes);
	atomic_fetch_add(&c->n_done, n);
}

bool cover_mark_done(struct cover *c, uint32_t cluster)
{
	return cover_mark_all_done(c, &cluster, 1);
}

bool cover_mark_all_done(struct cover *c, const uint32_t *clusters, unsigned n)
{
	bool first = true;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < n && first; i++)
		first = !map_get(&c->done, clusters[i]);
	if (first)
		set_done(c, clusters, n);
	pthread_mutex_unlock(&c->lock);
	return first;
}

bool cover_is_done(struct cover *c, uint32_t cluster)
{
	bool done;

	pthread_mutex_lock(&c->lock);
	done = map_get(&c->done, cluster);
	pthread_mutex_unlock(&c->lock);
	return done;
}

/* Called with the lock held; looks at no more of the map than [first, end). */
static bool all_done(const struct cover *c, uint32_t first, uint32_t end)
{
	const struct map beginning = { .words = c->done.words, .n = end };

	return map_next_unset(&beginning, first) == end;
}

bool cover_range_done(struct cover *c, uint32_t first, uint32_t end)
{
	bool done;

	pthread_mutex_lock(&c->lock);
	done = all_done(c, first, end);
	pthread_mutex_unlock(&c->lock);
	return done;
}

void cover_count_pushed(struct cover *c, uint64_t bytes)
{
	atomic_fetch_add(&c->pushed_bytes, bytes);
}

/* Of the disk's bytes those that are read, as far as is known: see copy_progress. */
static uint64_t estimate_to_read(const struct cover *c, uint64_t read)
{
	const uint64_t known = atomic_load(&c->known_bytes), skip = atomic_load(&c->skip_bytes);
	const uint64_t data = known > skip ? known - skip : 0;
	const uint64_t candidates = c->size - atomic_load(&c->clean_bytes);
	uint64_t ahead = candidates > known ? candidates - known : 0;

	if (cover_complete(c))
		return read;
	ahead = (uint64_t)((double)ahead * ((double)(data + PRIOR) / (double)(known + PRIOR)));
	return data + ahead > read ? data + ahead : read;
}

void cover_get_progress(const struct cover *c, struct copy_progress *ret)
{
	const uint64_t skipped = atomic_load(&c->skipped_bytes) + atomic_load(&c->clean_done_bytes);

	ret->size = c->size;
	ret->candidates = c->size - atomic_load(&c->clean_bytes);
	ret->done = atomic_load(&c->done_bytes);
	ret->read = ret->done > skipped ? ret->done - skipped : 0;
	ret->to_read = estimate_to_read(c, ret->read);
	ret->rewritten = atomic_load(&c->rewritten_bytes);
	ret->pushed = atomic_load(&c->pushed_bytes);
}

/* ---- the copying thread ---- */

uint32_t cover_claim(struct cover *c, uint32_t first, uint32_t end, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && first + n < end && !map_get(&c->claimed, first + n))
		map_set(&c->claimed, first + n++);
	c->n_claimed += n;
	return n;
}

uint32_t cover_next_unclaimed(const struct cover *c, uint32_t from)
{
	return map_next_unset(&c->claimed, from);
}

uint32_t cover_next_claimed(const struct cover *c, uint32_t from)
{
	return map_next_set(&c->claimed, from);
}

static void set_clean(struct cover *c, struct run run)
{
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = run.first; i < run.first + run.n; i++) {
		map_set(&c->clean, i);
		/* it came through a sink meanwhile */
		if (map_get(&c->done, i))
			atomic_fetch_add(&c->clean_done_bytes, cover_cluster_len(c, i));
	}
	pthread_mutex_unlock(&c->lock);
	atomic_fetch_add(&c->clean_bytes, cover_bytes(c, run));
	/* all of the disk is, where block status cannot be asked */
	if (run.first < c->known)
		atomic_fetch_sub(&c->known_bytes, cover_bytes(c, run));
}

void cover_claim_clean(struct cover *c, const struct map *candidates)
{
	for (uint32_t end, at = map_next_unset(candidates, 0); at < c->clusters;
	     at = map_next_unset(candidates, end)) {
		end = map_next_set(candidates, at);
		set_clean(c, (struct run){ at, cover_claim(c, at, end, UINT32_MAX) });
	}
}

bool cover_unclaim(struct cover *c, uint32_t cluster)
{
	const uint32_t len = cover_cluster_len(c, cluster);
	bool done, clean;

	pthread_mutex_lock(&c->lock);
	done = map_get(&c->done, cluster);
	clean = map_get(&c->clean, cluster);
	if (!done)
		map_unset(&c->clean, cluster);
	pthread_mutex_unlock(&c->lock);
	if (done)
		return false;
	map_unset(&c->claimed, cluster);
	c->n_claimed--;
	if (clean) {
		atomic_fetch_sub(&c->clean_bytes, len);
		if (cluster < c->known)
			atomic_fetch_add(&c->known_bytes, len);
	}
	return true;
}

/* Bytes of [first, end) that are not clean. */
static uint64_t candidate_bytes(const struct cover *c, uint32_t first, uint32_t end)
{
	const struct map beginning = { .words = c->clean.words, .n = end };
	uint64_t bytes = 0;

	for (uint32_t last; (first = map_next_unset(&beginning, first)) < end; first = last) {
		last = map_next_set(&beginning, first);
		bytes += cover_bytes(c, (struct run){ first, last - first });
	}
	return bytes;
}

void cover_set_known(struct cover *c, uint32_t cluster)
{
	atomic_fetch_add(&c->known_bytes, candidate_bytes(c, c->known, cluster));
	c->known = cluster;
}

/* Claims the next piece of [*at, end) that is not claimed, to be skipped; n == 0: there is none. */
static struct run claim_skipped(struct cover *c, uint32_t *at, uint32_t end)
{
	struct run run = { .first = *at };

	while (run.first < end && cover_is_claimed(c, run.first))
		run.first++;
	run.n = cover_claim(c, run.first, end, UINT32_MAX);
	if (run.n)
		atomic_fetch_add(&c->skip_bytes, cover_bytes(c, run));
	*at = run.first + run.n;
	return run;
}

void cover_claim_zeroes(struct cover *c, uint32_t first, uint32_t end, struct runs *ret)
{
	struct run run;

	while ((run = claim_skipped(c, &first, end)).n)
		runs_add(ret, run.first, run.n);
}

bool cover_mark_zero_done(struct cover *c, uint32_t cluster)
{
	const uint32_t len = cover_cluster_len(c, cluster);
	const bool first = cover_mark_done(c, cluster);

	/* counted as clean */
	if (map_get(&c->clean, cluster))
		return first;
	if (first)
		atomic_fetch_add(&c->skipped_bytes, len);
	else
		atomic_fetch_sub(&c->skip_bytes, len);
	return first;
}

void cover_claim_suspects(struct cover *c, uint32_t first, uint32_t end)
{
	struct run run;

	while ((run = claim_skipped(c, &first, end)).n) {
		for (uint32_t i = 0; i < run.n; i++)
			map_set(&c->suspects, run.first + i);
		c->n_suspects += run.n;
	}
}

uint32_t cover_next_suspect(const struct cover *c, uint32_t from)
{
	return c->n_suspects ? map_next_set(&c->suspects, from) : c->clusters;
}

bool cover_drop_suspect(struct cover *c, uint32_t cluster)
{
	if (!map_get(&c->suspects, cluster))
		return false;
	map_unset(&c->suspects, cluster);
	map_unset(&c->claimed, cluster);
	c->n_claimed--;
	c->n_suspects--;
	atomic_fetch_sub(&c->skip_bytes, cover_cluster_len(c, cluster));
	return true;
}

void cover_confirm_suspects(struct cover *c, struct runs *ret)
{
	for (uint32_t at = map_next_set(&c->suspects, 0); at < c->clusters;) {
		const uint32_t end = map_next_unset(&c->suspects, at);

		runs_add(ret, at, end - at);
		for (; at < end; at++)
			map_unset(&c->suspects, at);
		at = map_next_set(&c->suspects, end);
	}
	c->n_suspects = 0;
}

void cover_note_rewritten(struct cover *c, uint32_t cluster)
{
	if (map_get(&c->rewritten, cluster))
		return;
	map_set(&c->rewritten, cluster);
	atomic_fetch_add(&c->rewritten_bytes, cover_cluster_len(c, cluster));
}

/* ---- for debugging ---- */

/* All done, some done, none; called with the lock held. */
static char strip_cell(const struct cover *c, uint32_t first, uint32_t end)
{
	if (all_done(c, first, end))
		return '#';
	return map_next_set(&c->done, first) < end ? '+' : '.';
}

static void add_strip(struct cover *c, struct buf *b)
{
	const uint32_t cells = c->clusters < STRIP ? c->clusters : STRIP;

	buf_adds(b, "done: [");
	pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < cells; i++)
		buf_addc(b, strip_cell(c, (uint32_t)((uint64_t)c->clusters * i / cells),
				       (uint32_t)((uint64_t)c->clusters * (i + 1) / cells)));
	pthread_mutex_unlock(&c->lock);
	buf_adds(b, "]\n");
}

static uint32_t count_set(const struct map *m)
{
	uint32_t n = 0;

	for (uint32_t end, at = map_next_set(m, 0); at < m->n; at = map_next_set(m, end)) {
		end = map_next_unset(m, at);
		n += end - at;
	}
	return n;
}

void cover_describe(struct cover *c, struct buf *b)
{
	buf_addf(b, "size: %lu bytes, %u clusters: %u done, %u claimed, %u rewritten, %u suspects\n",
		 (unsigned long)c->size, c->clusters, atomic_load(&c->n_done), c->n_claimed,
		 count_set(&c->rewritten), c->n_suspects);
	buf_addf(b, "bytes: %lu done, status known of %lu, %lu zero of which %lu done, %lu pushed\n",
		 (unsigned long)atomic_load(&c->done_bytes), (unsigned long)atomic_load(&c->known_bytes),
		 (unsigned long)atomic_load(&c->skip_bytes), (unsigned long)atomic_load(&c->skipped_bytes),
		 (unsigned long)atomic_load(&c->pushed_bytes));
	if (atomic_load(&c->clean_bytes))
		buf_addf(b, "unchanged since the base: %lu bytes of which %lu done\n",
			 (unsigned long)atomic_load(&c->clean_bytes),
			 (unsigned long)atomic_load(&c->clean_done_bytes));
	add_strip(c, b);
}
