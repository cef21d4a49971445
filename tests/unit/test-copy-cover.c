/* What has become of each cluster of a disk: lib/copy/cover.h, and the lists of lib/copy/run.h. */
#include <pthread.h>
#include <string.h>

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
	check_race();
	return done_testing();
}
