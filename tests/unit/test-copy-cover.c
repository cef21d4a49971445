/*
 * What has become of each cluster of a disk: lib/copy/cover.h and cover-reuse.h, the lists of
 * lib/copy/run.h, and which clusters may have changed since a base, lib/copy/candidates.h.
 */
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "copy/candidates.h"
#include "copy/cover-reuse.h"
#include "copy/cover.h"
#include "tap.h"

#define CLUSTER ((uint64_t)VMA_CLUSTER_SIZE)

static void check_runs(void)
{
	struct runs r = { 0 };

	runs_add(&r, 5, 2);
	runs_add(&r, 7, 3);
	ok(runs_waiting(&r) == 1 && r.v[0].first == 5 && r.v[0].n == 5,
	   "a run that continues the last is joined");
	runs_add(&r, 20, 1);
	ok(runs_waiting(&r) == 2 && runs_clusters(&r, 100) == 6, "another one is not");
	ok(runs_clusters(&r, 3) >= 3, "clusters are counted up to what is enough");
	r.at = 2;
	runs_add(&r, 21, 1);
	ok(runs_waiting(&r) == 1 && r.v[r.at].first == 21 && r.v[r.at].n == 1,
	   "nothing is joined to a run that was used up");
	runs_reset(&r);
	for (uint32_t i = 0; i < 100000; i++) {
		runs_add(&r, 2 * i, 1);
		if (i >= 10)
			r.at++;
	}
	ok(runs_waiting(&r) == 10 && r.cap <= 128, "a list that is used while it grows stays small");
	runs_clear(&r);
	ok(!runs_waiting(&r), "a cleared list is empty");
}

static void check_odd_end(void)
{
	struct cover c;
	struct copy_progress p;

	cover_init(&c, 3 * CLUSTER + 512);
	ok(c.clusters == 4, "a disk of 3 clusters and 512 bytes has 4");
	ok(cover_cluster_len(&c, 2) == CLUSTER && cover_cluster_len(&c, 3) == 512, "the last has 512 bytes");
	ok(cover_bytes(&c, (struct run){ 1, 3 }) == 2 * CLUSTER + 512, "a run to the end is shorter");
	for (uint32_t i = 0; i < 4; i++)
		cover_mark_done(&c, i);
	cover_get_progress(&c, &p);
	ok(cover_complete(&c) && p.size == c.size && p.done == c.size && p.read == c.size &&
		   p.to_read == c.size,
	   "when all is done all bytes are");
	cover_clear(&c);
	cover_init(&c, 1);
	ok(c.clusters == 1 && cover_cluster_len(&c, 0) == 1 && !cover_complete(&c), "a disk of one byte");
	cover_clear(&c);
	cover_init(&c, 0);
	ok(c.clusters == 0 && cover_complete(&c), "an empty disk is complete");
	cover_clear(&c);
	memset(&c, 0, sizeof(c));
	cover_clear(&c);
	ok(true, "one that was never initialized can be cleared");
}

static void check_claims(void)
{
	struct cover c;

	cover_init(&c, 200 * CLUSTER);
	ok(cover_claim(&c, 10, 200, 8) == 8, "claims as many as asked for");
	ok(cover_claim(&c, 5, 200, 100) == 5, "stops before what is claimed");
	ok(cover_claim(&c, 12, 200, 8) == 0, "claims nothing twice");
	ok(cover_claim(&c, 190, 195, 8) == 5, "stops at the end of the range");
	ok(cover_next_unclaimed(&c, 5) == 18 && cover_next_claimed(&c, 18) == 190,
	   "finds what is claimed or not");
	ok(!cover_is_done(&c, 10) && !cover_complete(&c), "claimed is not done");
	cover_clear(&c);
}

static void check_done(void)
{
	struct cover c;

	cover_init(&c, 130 * CLUSTER);
	ok(cover_mark_done(&c, 64) && !cover_mark_done(&c, 64),
	   "the first that marks a cluster done is told so");
	ok(cover_is_done(&c, 64) && !cover_is_done(&c, 63), "it is done, its neighbour is not");
	cover_mark_done(&c, 65);
	ok(cover_range_done(&c, 64, 66) && !cover_range_done(&c, 64, 67) && !cover_range_done(&c, 63, 66),
	   "a range is done when all of it is");
	for (uint32_t i = 0; i < 130; i++)
		cover_mark_done(&c, i);
	ok(cover_range_done(&c, 100, 130) && cover_complete(&c), "up to the end of the disk");
	cover_clear(&c);
}

static void check_zeroes(void)
{
	struct cover c;
	struct copy_progress p;
	struct runs found = { 0 };

	cover_init(&c, 100 * CLUSTER);
	cover_claim(&c, 4, 6, 2);
	cover_set_known(&c, 10);
	cover_claim_zeroes(&c, 0, 10, &found);
	ok(found.n == 2 && found.v[0].first == 0 && found.v[0].n == 4 && found.v[1].first == 6 &&
		   found.v[1].n == 4,
	   "zeroes are claimed around what was claimed before");
	ok(cover_next_unclaimed(&c, 0) == 10, "and nothing else");
	cover_mark_done(&c, 1);
	ok(cover_mark_zero_done(&c, 0) && !cover_mark_zero_done(&c, 1),
	   "one that was pushed meanwhile is not zero");
	cover_get_progress(&c, &p);
	ok(p.done == 2 * CLUSTER && p.read == CLUSTER, "zeroes are done, but not read");
	ok(p.to_read < 100 * CLUSTER && p.to_read > 80 * CLUSTER,
	   "what is known to be zero will not be read");
	cover_set_known(&c, 100);
	cover_get_progress(&c, &p);
	ok(p.to_read == 93 * CLUSTER, "of eight clusters found zero the one that was pushed counts as read");
	runs_clear(&found);
	cover_clear(&c);
}

static void check_suspects(void)
{
	struct cover c;
	struct runs found = { 0 };
	struct copy_progress before, after;

	cover_init(&c, 100 * CLUSTER);
	cover_claim(&c, 50, 51, 1);
	cover_set_known(&c, 100);
	cover_get_progress(&c, &before);
	cover_claim_suspects(&c, 48, 53);
	ok(c.n_suspects == 4 && cover_next_suspect(&c, 0) == 48 && cover_next_suspect(&c, 50) == 51,
	   "suspects are claimed around what was claimed before");
	ok(cover_drop_suspect(&c, 49) && !cover_drop_suspect(&c, 49), "a suspect is dropped once");
	ok(cover_next_unclaimed(&c, 48) == 49, "and can be claimed again");
	ok(!cover_drop_suspect(&c, 50), "what was claimed to be read is no suspect");
	cover_confirm_suspects(&c, &found);
	ok(found.n == 2 && found.v[0].first == 48 && found.v[0].n == 1 && found.v[1].first == 51 &&
		   found.v[1].n == 2,
	   "the others are confirmed");
	ok(c.n_suspects == 0 && cover_next_suspect(&c, 0) == 100 && !cover_drop_suspect(&c, 48),
	   "none is left");
	cover_get_progress(&c, &after);
	ok(before.to_read - after.to_read == 3 * CLUSTER, "and these three are not to be read");
	runs_clear(&found);
	cover_clear(&c);
}

static void check_rewritten(void)
{
	struct cover c;
	struct copy_progress p;

	cover_init(&c, 2 * CLUSTER + 100);
	cover_note_rewritten(&c, 2);
	cover_note_rewritten(&c, 2);
	cover_note_rewritten(&c, 0);
	cover_count_pushed(&c, 5);
	cover_get_progress(&c, &p);
	ok(p.rewritten == CLUSTER + 100, "a rewritten cluster counts once");
	ok(p.pushed == 5, "pushed bytes count");
	cover_clear(&c);
}

static void check_describe(void)
{
	struct cover c;
	_cleanup_buf_ struct buf b = BUF_INIT;

	cover_init(&c, 128 * CLUSTER);
	for (uint32_t i = 0; i < 65; i++)
		cover_mark_done(&c, i);
	cover_describe(&c, &b);
	ok(strstr(buf_str(&b), "128 clusters: 65 done") != NULL, "the counts are described");
	ok(strstr(buf_str(&b), "[################################+...............................]") != NULL,
	   "and what is done as a strip");
	cover_clear(&c);
	buf_reset(&b);
	cover_init(&c, 3 * CLUSTER);
	cover_describe(&c, &b);
	ok(strstr(buf_str(&b), "[...]") != NULL, "a small disk has a short strip");
	cover_clear(&c);
}

/* ---- against a base ---- */

static void check_clean(void)
{
	struct cover c;
	struct map candidates;
	struct copy_progress p;
	struct runs found = { 0 };

	cover_init(&c, 100 * CLUSTER + 512);
	map_init(&candidates, c.clusters);
	for (uint32_t i = 10; i < 20; i++)
		map_set(&candidates, i);
	cover_mark_done(&c, 100);
	cover_claim_clean(&c, &candidates);
	ok(cover_next_unclaimed(&c, 0) == 10 && cover_next_claimed(&c, 10) == 20 &&
		   cover_next_unclaimed(&c, 20) == 101,
	   "what is not a candidate is claimed");
	cover_get_progress(&c, &p);
	ok(p.candidates == 10 * CLUSTER && p.to_read == 10 * CLUSTER && p.done == 512 && p.read == 0,
	   "it is not to be read, also if it was pushed before");
	cover_set_known(&c, 15);
	cover_claim_zeroes(&c, 10, 12, &found);
	cover_set_known(&c, 101);
	cover_get_progress(&c, &p);
	ok(p.to_read == 8 * CLUSTER, "nor are candidates that are zero");
	cover_mark_zero_done(&c, 10);
	cover_mark_zero_done(&c, 0);
	cover_mark_done(&c, 12);
	cover_get_progress(&c, &p);
	ok(p.done == 3 * CLUSTER + 512 && p.read == CLUSTER, "what is read is counted, and nothing else");
	ok(!cover_unclaim(&c, 0) && cover_unclaim(&c, 1) && cover_next_unclaimed(&c, 0) == 1,
	   "what is not done may have to be read all the same");
	cover_get_progress(&c, &p);
	ok(p.candidates == 11 * CLUSTER && p.to_read == 9 * CLUSTER, "and counts");
	ok(!cover_all_claimed(&c), "not all is claimed");
	cover_claim(&c, 0, 101, 1);
	cover_claim(&c, 1, 101, 1);
	cover_claim(&c, 12, 101, 100);
	ok(cover_all_claimed(&c), "until it is");
	runs_clear(&found);
	map_clear(&candidates);
	cover_clear(&c);
}

static void check_all_or_none(void)
{
	struct cover c;

	cover_init(&c, 10 * CLUSTER);
	cover_mark_done(&c, 3);
	ok(!cover_mark_all_done(&c, (uint32_t[]){ 2, 3, 4 }, 3) && !cover_is_done(&c, 2) &&
		   !cover_is_done(&c, 4),
	   "several clusters are taken all or none");
	ok(cover_mark_all_done(&c, (uint32_t[]){ 2, 4, 9 }, 3) && cover_is_done(&c, 9) &&
		   atomic_load(&c.n_done) == 4,
	   "all of them if none was taken");
	cover_clear(&c);
}

/* The bitmap says that [first, first + n) is dirty; false: nothing was asked. */
static bool answer(struct candidates *c, uint32_t first, uint32_t n, int error)
{
	struct question q;

	if (!candidates_next(c, &q))
		return false;
	candidates_piece(c, &(struct piece){ q.offset, first * CLUSTER - q.offset, PIECE_CLEAN });
	candidates_piece(c, &(struct piece){ first * CLUSTER, n * CLUSTER, PIECE_DIRTY });
	candidates_end(c, error);
	return true;
}

static bool is_untrusted(struct candidates *c, const char *why)
{
	const bool is = c->known && c->why && !strcmp(c->why, why);

	if (!is)
		diag("%s", c->why ? c->why : "trusted");
	candidates_clear(c);
	return is;
}

static void check_candidates(void)
{
	struct candidates c;
	struct question q;

	candidates_init(&c, 70000 * CLUSTER + 1, 70000 * CLUSTER + 1, NULL);
	ok(candidates_next(&c, &q) && q.offset == 0 && q.length == 65535 * CLUSTER &&
		   !candidates_next(&c, &q),
	   "a question is about 65535 clusters at most, and one at a time");
	candidates_piece(&c, &(struct piece){ 0, 5 * CLUSTER + 1, PIECE_DIRTY });
	candidates_piece(&c, &(struct piece){ 5 * CLUSTER + 1, 1000, PIECE_CLEAN });
	candidates_end(&c, 0);
	ok(candidates_next(&c, &q) && q.offset == 5 * CLUSTER, "the next one begins where the answer ended");
	candidates_piece(&c, &(struct piece){ 5 * CLUSTER, 65535 * CLUSTER, PIECE_CLEAN });
	candidates_end(&c, 0);
	ok(!c.known && answer(&c, 70000, UINT32_C(1), 0) && c.known && !c.why,
	   "a bitmap whose last cluster is dirty is trusted");
	ok(map_get(&c.map, 5) && !map_get(&c.map, 6) && map_get(&c.map, 70000) &&
		   map_next_set(&c.map, 6) == 70000,
	   "a cluster is a candidate if a part of it is dirty");
	candidates_clear(&c);

	candidates_init(&c, 10 * CLUSTER, 10 * CLUSTER, NULL);
	answer(&c, 3, 6, 0);
	answer(&c, 9, 0, 0);
	ok(is_untrusted(&c, "its bitmap cannot be read"), "one that does not answer for all is not");
	candidates_init(&c, 10 * CLUSTER, 10 * CLUSTER, NULL);
	candidates_next(&c, &q);
	candidates_piece(&c, &(struct piece){ 0, 10 * CLUSTER, PIECE_CLEAN });
	candidates_end(&c, 0);
	ok(is_untrusted(&c, "its bitmap cannot be trusted: the disk was resized"),
	   "nor one whose last cluster is clean");
	candidates_init(&c, 12 * CLUSTER, 10 * CLUSTER, NULL);
	candidates_next(&c, &q);
	candidates_piece(&c, &(struct piece){ 0, 9 * CLUSTER, PIECE_CLEAN });
	candidates_piece(&c, &(struct piece){ 9 * CLUSTER, CLUSTER, PIECE_DIRTY });
	candidates_piece(&c, &(struct piece){ 10 * CLUSTER, 2 * CLUSTER, PIECE_CLEAN });
	candidates_end(&c, 0);
	ok(c.known && !c.why, "of a disk that has grown, the cluster that was the last one tells");
	candidates_clear(&c);
	candidates_init(&c, 10 * CLUSTER, 10 * CLUSTER, NULL);
	answer(&c, 3, 7, 5);
	ok(is_untrusted(&c, "its bitmap cannot be read (Input/output error)"), "nor one that fails");
	candidates_init(&c, 10 * CLUSTER, 10 * CLUSTER, "it is new");
	ok(!candidates_next(&c, &q) && is_untrusted(&c, "it is new"), "where there is none, none is asked");
	candidates_init(&c, 0, 0, NULL);
	ok(!candidates_next(&c, &q) && is_untrusted(&c, "it is empty"), "nor for an empty disk");
}

/* ---- two threads want the same clusters ---- */

#define SHARED 2000000u

struct racer {
	struct cover *c;
	pthread_barrier_t *side_by_side;
	uint32_t won;
};

static void *race(void *opaque)
{
	struct racer *r = opaque;

	for (uint32_t i = 0; i < SHARED; i++) {
		if (i % 5000 == 0)
			pthread_barrier_wait(r->side_by_side);
		if (cover_mark_done(r->c, i))
			r->won++;
	}
	return NULL;
}

static void check_race(void)
{
	struct cover c;
	pthread_barrier_t side_by_side;
	struct racer a = { .c = &c, .side_by_side = &side_by_side }, b = a;
	pthread_t thread;

	cover_init(&c, SHARED * CLUSTER);
	pthread_barrier_init(&side_by_side, NULL, 2);
	pthread_create(&thread, NULL, race, &a);
	race(&b);
	pthread_join(thread, NULL);
	ok(a.won + b.won == SHARED && cover_complete(&c),
	   "of two threads exactly one is first at each cluster");
	pthread_barrier_destroy(&side_by_side);
	cover_clear(&c);
}

/* ---- what the reuse says, from a thread of its own ---- */

#define RELEASED 300000u

/* As the reuse does: takes frames of 10 clusters and releases them; the last of each is to be read. */
static void *reuse(void *opaque)
{
	uint32_t frame[9];

	for (uint32_t at = 0; at < RELEASED; at += 10) {
		for (uint32_t i = 0; i < 9; i++)
			frame[i] = at + i;
		if (cover_reuse_ops.take_all(opaque, frame, 9))
			cover_reuse_ops.release(opaque, at, 9);
		cover_reuse_ops.read_again(opaque, at + 9);
	}
	return NULL;
}

static uint32_t count(struct runs *list, bool *ret_good, const struct cover *c, uint32_t remainder)
{
	uint32_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		n += list->v[i].n;
		*ret_good &= list->v[i].first + list->v[i].n <= c->clusters &&
			     (remainder == 9) == (list->v[i].first % 10 == 9);
	}
	return n;
}

static void check_reuse(void)
{
	struct cover c;
	struct cover_reuse r;
	struct runs released = { 0 }, again = { 0 };
	uint32_t n_released = 0, n_again = 0;
	struct pollfd p = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .events = POLLIN };
	bool good = true, woken = true;
	pthread_t thread;
	uint64_t rung;

	cover_init(&c, RELEASED * CLUSTER);
	cover_reuse_init(&r, &c, p.fd);
	pthread_create(&thread, NULL, reuse, &r);
	/* whoever sleeps until he is woken gets all of it */
	while (woken && n_released + n_again < RELEASED) {
		woken = poll(&p, 1, 10000) == 1 && read(p.fd, &rung, sizeof(rung)) == sizeof(rung);
		cover_reuse_take(&r, &released, &again);
		n_released += count(&released, &good, &c, 0);
		n_again += count(&again, &good, &c, 9);
	}
	pthread_join(thread, NULL);
	ok(woken && good && n_released == RELEASED / 10 * 9 && n_again == RELEASED / 10,
	   "what another thread releases, or wants to have read, reaches the one that is woken");
	ok(atomic_load(&c.n_done) == n_released && !cover_reuse_take(&r, &released, &again), "once");
	ok(!cover_reuse_ops.take(&r, 0) && cover_reuse_ops.take(&r, 9),
	   "what is taken cannot be taken again");
	cover_reuse_clear(&r);
	runs_clear(&released);
	runs_clear(&again);
	close(p.fd);
	cover_clear(&c);
}

int main(void)
{
	check_runs();
	check_odd_end();
	check_claims();
	check_done();
	check_zeroes();
	check_suspects();
	check_rewritten();
	check_describe();
	check_clean();
	check_all_or_none();
	check_candidates();
	check_race();
	check_reuse();
	return done_testing();
}
