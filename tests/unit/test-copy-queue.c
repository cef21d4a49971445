/*
 * What one disk wants next: lib/copy/queue.h, without connection, thread or clock.
 *
 * Single rules first; then random schedules against a model of the disk, the guest and the export: see
 * struct world.  Each schedule has a seed; a failure says which.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "copy/proof.h"
#include "copy/queue.h"
#include "tap.h"

#define CLUSTER ((uint64_t)VMA_CLUSTER_SIZE)
#define MS      UINT64_C(1000000)
#define ALL     (QUEUE_STATUS | QUEUE_DIRTY | QUEUE_TRIM)

/* ---- one disk, step by step ---- */

struct disk {
	struct cover cover;
	struct queue q;
	uint64_t now;
};

static void open_disk(struct disk *d, uint64_t size, unsigned flags, uint64_t granularity)
{
	cover_init(&d->cover, size);
	queue_init(&d->q, &d->cover, flags, granularity);
	d->now = 1000 * MS;
}

static void close_disk(struct disk *d)
{
	queue_clear(&d->q);
	cover_clear(&d->cover);
}

static void status_piece(struct disk *d, uint64_t offset, uint64_t length, enum piece_state state)
{
	queue_status_piece(&d->q, &(struct piece){ offset, length, state });
}

/* Asks for block status, which says for all that was asked that it is data, or zero. */
static bool status_is(struct disk *d, enum piece_state state)
{
	struct question ask;

	if (!queue_next_status(&d->q, d->now, &ask))
		return false;
	status_piece(d, ask.offset, ask.length, state);
	queue_status_end(&d->q, 0, d->now);
	return true;
}

/* A poll in which these clusters are dirty; false if none is due. */
static bool poll_finds(struct disk *d, uint32_t first, uint32_t n)
{
	struct question ask;

	if (!queue_next_dirty(&d->q, d->now, &ask))
		return false;
	if (first * CLUSTER > ask.offset)
		queue_dirty_piece(&d->q,
				  &(struct piece){ ask.offset, first * CLUSTER - ask.offset, PIECE_CLEAN });
	queue_dirty_piece(&d->q, &(struct piece){ first * CLUSTER, n * CLUSTER, PIECE_DIRTY });
	queue_dirty_piece(&d->q, &(struct piece){ (first + n) * CLUSTER, ask.length, PIECE_CLEAN });
	queue_dirty_end(&d->q, 0, d->now);
	return true;
}

/* The next read as the loop of the copy asks for it: drains, then linear. */
static bool next_read(struct disk *d, uint32_t max, struct queue_read *ret)
{
	return queue_next_read(&d->q, QUEUE_DRAIN, max, ret) ||
	       queue_next_read(&d->q, QUEUE_LINEAR, max, ret);
}

static bool reads(struct disk *d, uint32_t max, uint32_t first, uint32_t n)
{
	struct queue_read r;

	if (!next_read(d, max, &r)) {
		diag("no read");
		return false;
	}
	if (r.run.first == first && r.run.n == n)
		return true;
	diag("read %u+%u instead of %u+%u", r.run.first, r.run.n, first, n);
	return false;
}

static void done(struct disk *d, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		cover_mark_done(&d->cover, first + i);
	queue_done(&d->q, (struct run){ first, n });
}

static bool trims(struct disk *d, unsigned n, const struct run *expected)
{
	struct run r[TRIMS_AT_ONCE];
	const unsigned got = queue_next_trims(&d->q, r);
	bool good = got == n;

	for (unsigned i = 0; i < got; i++) {
		if (i < n)
			good = good && r[i].first == expected[i].first && r[i].n == expected[i].n;
		queue_trim_end(&d->q);
	}
	return good;
}

static void check_reads(void)
{
	struct disk d;
	struct queue_read r;

	open_disk(&d, 20 * CLUSTER + 5, ALL, 0);
	ok(!next_read(&d, 8, &r), "nothing is read before block status is known");
	ok(status_is(&d, PIECE_DATA), "it is asked for");
	ok(reads(&d, 100, 0, 8), "8 clusters are read at once");
	ok(reads(&d, 3, 8, 3), "fewer if there is room for fewer");
	ok(reads(&d, 100, 11, 8) && reads(&d, 100, 19, 2), "up to the end, the last cluster is short");
	ok(!next_read(&d, 8, &r), "then nothing is left");
	close_disk(&d);

	open_disk(&d, 3 * CLUSTER, QUEUE_TRIM, 0);
	ok(!queue_next_status(&d.q, d.now, &(struct question){ 0 }) &&
		   !queue_next_dirty(&d.q, d.now, &(struct question){ 0 }),
	   "an export without block status and bitmap is not asked");
	ok(reads(&d, 8, 0, 3), "all of it is read");
	close_disk(&d);
}

static void check_retries(void)
{
	struct disk d;
	struct queue_read r;

	open_disk(&d, 100 * CLUSTER, ALL, 0);
	status_is(&d, PIECE_DATA);
	next_read(&d, 8, &r);
	ok(!r.is_retry, "a first read is no retry");
	queue_retry(&d.q, 3);
	queue_retry(&d.q, 4);
	poll_finds(&d, 50, 1);
	ok(next_read(&d, 8, &r) && r.is_retry && r.run.first == 3 && r.run.n == 1,
	   "a failed cluster is read again, alone, before drains");
	ok(next_read(&d, 8, &r) && r.is_retry && r.run.first == 4 && r.run.n == 1, "then the next one");
	ok(next_read(&d, 8, &r) && !r.is_retry && r.run.first == 50, "then what the guest rewrote");
	close_disk(&d);
}

static void check_drain_first(void)
{
	struct disk d;

	open_disk(&d, 1000 * CLUSTER, ALL, 0);
	status_is(&d, PIECE_DATA);
	ok(reads(&d, 8, 0, 8), "linear reads begin at the beginning");
	ok(poll_finds(&d, 500, 10), "a first poll is due at once");
	ok(reads(&d, 8, 500, 8) && reads(&d, 8, 508, 2), "what the guest rewrote is read first");
	ok(reads(&d, 8, 8, 8), "then it goes on where it was");
	ok(!poll_finds(&d, 0, 1), "no poll is due");
	d.now += 40 * MS;
	ok(poll_finds(&d, 4, 20), "40 ms later one is");
	ok(reads(&d, 8, 16, 8), "clusters that were read are not drained");
	ok(atomic_load(&d.cover.rewritten_bytes) == 18 * CLUSTER, "nor counted as rewritten");
	close_disk(&d);
}

static void check_poll_times(void)
{
	struct disk d;
	struct question ask;

	open_disk(&d, 1000 * CLUSTER, ALL, 0);
	ok(queue_next_dirty(&d.q, d.now, &ask) && ask.offset == 0 && ask.length == d.cover.size,
	   "the first question is about all of the disk");
	ok(!queue_next_dirty(&d.q, d.now, &ask), "one at a time");
	d.now += 100 * MS;
	queue_dirty_piece(&d.q, &(struct piece){ 0, d.cover.size, PIECE_CLEAN });
	queue_dirty_end(&d.q, 0, d.now);
	ok(!queue_next_dirty(&d.q, d.now + 399 * MS, &ask), "an answer after 100 ms: no question for 400");
	ok(queue_next_dirty(&d.q, d.now + 400 * MS, &ask), "then the next");
	d.now += 5000 * MS;
	queue_dirty_end(&d.q, 5, d.now);
	ok(!queue_next_dirty(&d.q, d.now + 999 * MS, &ask), "a slow answer, even an error, costs a second");
	cover_claim(&d.cover, 0, 100, 100);
	ok(queue_next_dirty(&d.q, d.now + 1000 * MS, &ask) && ask.offset == 100 * CLUSTER,
	   "then it is asked again, but not about what is claimed");
	close_disk(&d);

	open_disk(&d, 200000 * CLUSTER + 1, ALL, 0);
	ok(queue_next_dirty(&d.q, d.now, &ask) && ask.length == 65535 * CLUSTER,
	   "one question is about 65535 clusters at most");
	queue_dirty_piece(&d.q, &(struct piece){ 0, 1000 * CLUSTER + 1, PIECE_CLEAN });
	queue_dirty_end(&d.q, 0, d.now);
	ok(queue_next_dirty(&d.q, d.now, &ask) && ask.offset == 1000 * CLUSTER,
	   "a poll goes on where the answer ended");
	queue_dirty_end(&d.q, 0, d.now);
	ok(!d.q.dirty.begun_ns, "an answer without content ends the poll");
	close_disk(&d);
}

static void check_zeroes(void)
{
	struct disk d;
	struct queue_read r;
	struct run z;

	open_disk(&d, 10 * CLUSTER + 1, ALL, 0);
	status_is(&d, PIECE_ZERO);
	ok(!next_read(&d, 8, &r), "zeroes are not read");
	ok(queue_has_zeroes(&d.q) && atomic_load(&d.cover.n_done) == 0, "they wait for the writer");
	ok(queue_next_zero(&d.q, 4, &z) && z.first == 0 && z.n == 4, "who takes as many as he wants");
	cover_mark_done(&d.cover, 4);
	cover_mark_done(&d.cover, 7);
	ok(queue_next_zero(&d.q, 100, &z) && z.first == 5 && z.n == 2, "what was pushed is left out");
	ok(queue_next_zero(&d.q, 100, &z) && z.first == 8 && z.n == 3, "and the rest comes after it");
	ok(!queue_next_zero(&d.q, 100, &z) && cover_complete(&d.cover), "then all is done");
	close_disk(&d);
}

static void check_pieces(void)
{
	struct disk d;
	struct question ask;
	struct run z;

	open_disk(&d, 10 * CLUSTER, ALL, 0);
	queue_next_status(&d.q, d.now, &ask);
	status_piece(&d, 0, 4096, PIECE_DATA);
	status_piece(&d, 4096, 8192, PIECE_ZERO);
	status_piece(&d, 12288, 4096, PIECE_DATA);
	status_piece(&d, 16384, 3 * CLUSTER, PIECE_ZERO);
	status_piece(&d, 16384 + 3 * CLUSTER, 4096, PIECE_DATA);
	queue_status_end(&d.q, 0, d.now);
	ok(reads(&d, 8, 0, 1), "pieces of data in one cluster are one read");
	ok(queue_next_zero(&d.q, 8, &z) && z.first == 1 && z.n == 2, "whole clusters of zeroes are zero");
	ok(!queue_has_zeroes(&d.q) && !runs_waiting(&d.q.data), "a cluster the answer ends in is left");
	ok(queue_next_status(&d.q, d.now, &ask) && ask.offset == 3 * CLUSTER,
	   "the next question begins with it");
	status_piece(&d, 3 * CLUSTER, UINT32_MAX, PIECE_DATA);
	status_piece(&d, UINT64_MAX - 5, 5, PIECE_ZERO);
	status_piece(&d, 9 * CLUSTER, 0, PIECE_DATA);
	queue_status_end(&d.q, 0, d.now);
	ok(reads(&d, 8, 3, 7), "a piece beyond the question is cut, and one of no length ignored");
	close_disk(&d);

	open_disk(&d, 5000 * CLUSTER, ALL, 0);
	queue_next_status(&d.q, d.now, &ask);
	status_piece(&d, 0, CLUSTER, PIECE_ZERO);
	queue_status_end(&d.q, 22, d.now);
	ok(!queue_has_zeroes(&d.q) && runs_clusters(&d.q.data, 9999) == 1024,
	   "without a whole answer all that was asked is read");
	d.now += 10 * MS;
	queue_next_status(&d.q, d.now, &ask);
	status_piece(&d, ask.offset, 100, PIECE_ZERO);
	queue_status_end(&d.q, 0, d.now);
	ok(d.q.status.cursor == 1025, "an answer that ends within the first cluster: that one is read");
	close_disk(&d);
}

static void check_windows(void)
{
	struct disk d;
	struct question ask;
	struct queue_read r;
	struct run z;
	bool doubles = true;

	open_disk(&d, 1000000 * CLUSTER, ALL, 0);
	for (uint64_t want = 1024; want <= 262144; want *= 2) {
		doubles &= queue_next_status(&d.q, d.now, &ask) &&
			   ask.length == (want > 65535 ? 65535 : want) * CLUSTER;
		status_piece(&d, ask.offset, ask.length, PIECE_ZERO);
		queue_status_end(&d.q, 0, d.now);
		doubles &= !queue_next_status(&d.q, d.now, &ask); /* the zeroes wait */
		while (queue_next_zero(&d.q, 65536, &z))
			;
	}
	ok(doubles, "windows double while everything is one extent, up to 65535 clusters");
	queue_next_status(&d.q, d.now, &ask);
	status_piece(&d, ask.offset, CLUSTER, PIECE_DATA);
	status_piece(&d, ask.offset + CLUSTER, CLUSTER, PIECE_ZERO);
	status_piece(&d, ask.offset + 2 * CLUSTER, CLUSTER, PIECE_DATA);
	queue_status_end(&d.q, 0, d.now);
	queue_next_zero(&d.q, 8, &z);
	ok(queue_next_status(&d.q, d.now, &ask) && ask.length == 1024 * CLUSTER, "then they are small again");
	d.now += 50 * MS;
	status_piece(&d, ask.offset, ask.length, PIECE_DATA);
	queue_status_end(&d.q, 0, d.now);
	ok(!queue_next_status(&d.q, d.now + 199 * MS, &ask),
	   "while 512 clusters wait it is asked again after four times what the answer took");
	ok(queue_next_status(&d.q, d.now + 200 * MS, &ask), "and not later");
	close_disk(&d);

	open_disk(&d, 1000 * CLUSTER, ALL, 0);
	cover_claim(&d.cover, 0, 10, 10);
	cover_claim(&d.cover, 20, 21, 1);
	ok(queue_next_status(&d.q, d.now, &ask) && ask.offset == 10 * CLUSTER && ask.length == 10 * CLUSTER,
	   "a question leaves out what is claimed and may have been TRIMmed");
	status_piece(&d, 10 * CLUSTER, 5 * CLUSTER, PIECE_ZERO);
	status_piece(&d, 15 * CLUSTER, 500 * CLUSTER, PIECE_DATA);
	queue_status_end(&d.q, 0, d.now);
	ok(reads(&d, 8, 15, 5) && !next_read(&d, 8, &r) && queue_next_zero(&d.q, 100, &z) && z.n == 5 &&
		   !cover_is_claimed(&d.cover, 21),
	   "nor is anything taken from an answer that goes beyond it");
	ok(queue_next_status(&d.q, d.now, &ask) && ask.offset == 21 * CLUSTER,
	   "the next question is about what comes after that");
	close_disk(&d);
}

static void check_trims(void)
{
	struct disk d;
	struct question ask;
	struct run six[6];

	open_disk(&d, 100 * CLUSTER, ALL, 0);
	done(&d, 8, 8);
	done(&d, 0, 8);
	done(&d, 20, 1);
	ok(trims(&d, 2, (struct run[]){ { 0, 16 }, { 20, 1 } }), "TRIMs are sorted, and neighbours joined");
	for (uint32_t i = 0; i < 6; i++) {
		six[i] = (struct run){ 30 + 2 * i, 1 };
		done(&d, six[i].first, 1);
	}
	queue_next_status(&d.q, d.now, &ask);
	ok(trims(&d, 0, NULL), "none is sent while block status is asked");
	queue_status_end(&d.q, 0, d.now);
	ok(queue_next_trims(&d.q, six) == 4 && !queue_idle(&d.q), "four are sent at once");
	queue_trim_end(&d.q);
	queue_trim_end(&d.q);
	queue_trim_end(&d.q);
	ok(trims(&d, 0, NULL), "others once all four have ended");
	queue_trim_end(&d.q);
	ok(queue_idle(&d.q) && trims(&d, 2, (struct run[]){ { 38, 1 }, { 40, 1 } }), "then the rest");
	close_disk(&d);

	open_disk(&d, 40000 * CLUSTER, QUEUE_TRIM, 0);
	done(&d, 0, 40000);
	ok(trims(&d, 3, (struct run[]){ { 0, 16384 }, { 16384, 16384 }, { 32768, 7232 } }),
	   "one TRIM is 1 GiB at most");
	close_disk(&d);

	open_disk(&d, 10 * CLUSTER, QUEUE_STATUS, 0);
	done(&d, 0, 10);
	ok(trims(&d, 0, NULL), "none where it was not asked for");
	close_disk(&d);
}

static void check_trims_again(void)
{
	struct disk d;

	open_disk(&d, 100 * CLUSTER, ALL, 0);
	done(&d, 0, 10);
	ok(trims(&d, 1, (struct run[]){ { 0, 10 } }) && poll_finds(&d, 2, 4) && trims(&d, 0, NULL),
	   "what the guest rewrites after its TRIM is left alone");
	queue_trim_again(&d.q, true);
	d.now += 1000 * MS;
	ok(poll_finds(&d, 2, 12) && trims(&d, 1, (struct run[]){ { 2, 8 } }),
	   "while its copies may come late, what is done is TRIMmed once more");
	d.now += 1000 * MS;
	ok(poll_finds(&d, 0, 12) && trims(&d, 1, (struct run[]){ { 0, 2 } }), "each cluster once");
	queue_trim_again(&d.q, false);
	d.now += 1000 * MS;
	done(&d, 10, 2);
	ok(trims(&d, 1, (struct run[]){ { 10, 2 } }) && poll_finds(&d, 10, 2) && trims(&d, 0, NULL),
	   "and none any more later");
	close_disk(&d);

	open_disk(&d, 100 * CLUSTER, ALL, 4 * CLUSTER);
	queue_trim_again(&d.q, true);
	done(&d, 0, 6);
	ok(trims(&d, 1, (struct run[]){ { 0, 4 } }) && poll_finds(&d, 2, 3) &&
		   trims(&d, 1, (struct run[]){ { 0, 4 } }),
	   "by whole granules that are done");
	close_disk(&d);
}

static void check_granules(void)
{
	struct disk d;

	open_disk(&d, 10 * CLUSTER + 1, ALL, 4 * CLUSTER);
	done(&d, 0, 3);
	ok(trims(&d, 0, NULL), "a granule of which one cluster is not done waits");
	done(&d, 3, 2);
	ok(trims(&d, 1, (struct run[]){ { 0, 4 } }), "it is TRIMmed once all is done, the next one waits");
	done(&d, 8, 2);
	ok(trims(&d, 0, NULL), "the last granule, which the end of the disk cuts, waits as well");
	done(&d, 10, 1);
	ok(trims(&d, 1, (struct run[]){ { 8, 3 } }), "until all of it is done");
	cover_mark_done(&d.cover, 7);
	cover_mark_done(&d.cover, 6);
	done(&d, 5, 1);
	ok(trims(&d, 1, (struct run[]){ { 4, 4 } }), "clusters that were pushed count");
	close_disk(&d);

	open_disk(&d, 100 * CLUSTER, ALL, 4 * CLUSTER - 1);
	status_is(&d, PIECE_DATA);
	poll_finds(&d, 5, 1);
	ok(reads(&d, 8, 4, 4), "all of a granule is drained when the guest rewrote a part of it");
	d.now += 40 * MS;
	poll_finds(&d, 97, 3);
	ok(reads(&d, 8, 96, 4), "at the end of the disk, too");
	close_disk(&d);

	open_disk(&d, 40000 * CLUSTER, QUEUE_TRIM, UINT64_MAX / 2);
	ok(d.q.trims.granule == 16384, "a granule is no larger than one TRIM can be");
	close_disk(&d);
}

static void check_distrust(void)
{
	struct disk d;
	struct queue_read r;
	struct run z;

	open_disk(&d, 6 * CLUSTER, ALL | QUEUE_DISTRUST, 0);
	queue_next_status(&d.q, d.now, &(struct question){ 0 });
	status_piece(&d, 0, 4 * CLUSTER, PIECE_ZERO);
	status_piece(&d, 4 * CLUSTER, 2 * CLUSTER, PIECE_DATA);
	queue_status_end(&d.q, 0, d.now);
	ok(!queue_has_zeroes(&d.q), "distrusted zeroes are collected");
	ok(!queue_only_suspects_left(&d.q), "as long as there is something to read");
	ok(reads(&d, 8, 4, 2), "which is read at once");
	done(&d, 4, 2);
	ok(queue_only_suspects_left(&d.q), "until only they are left");
	poll_finds(&d, 1, 1);
	ok(reads(&d, 8, 1, 1), "one that the guest rewrites is read now");
	done(&d, 1, 1);
	ok(queue_only_suspects_left(&d.q), "then the others are left");
	queue_check_suspects(&d.q);
	ok(poll_finds(&d, 3, 3), "they are checked without delay");
	ok(queue_next_zero(&d.q, 8, &z) && z.first == 0 && z.n == 1, "what is not dirty is zero");
	ok(queue_next_zero(&d.q, 8, &z) && z.first == 2 && z.n == 1, "also between others");
	ok(reads(&d, 8, 3, 1), "what is dirty is read");
	done(&d, 3, 1);
	ok(cover_complete(&d.cover), "then all is done");
	close_disk(&d);

	open_disk(&d, 3 * CLUSTER, ALL | QUEUE_DISTRUST, 0);
	status_is(&d, PIECE_ZERO);
	queue_check_suspects(&d.q);
	queue_next_dirty(&d.q, d.now, &(struct question){ 0 });
	queue_dirty_end(&d.q, 5, d.now);
	ok(!queue_has_zeroes(&d.q) && reads(&d, 8, 0, 3), "all is read when the bitmap does not answer");
	ok(!next_read(&d, 8, &r), "once");
	close_disk(&d);

	open_disk(&d, 20 * CLUSTER, ALL | QUEUE_DISTRUST, 0);
	status_is(&d, PIECE_DATA);
	poll_finds(&d, 3, 3);
	ok(reads(&d, 8, 3, 1) && reads(&d, 8, 4, 1) && reads(&d, 8, 5, 1) && reads(&d, 8, 0, 3),
	   "what was rewritten is read cluster by cluster, all else is not");
	close_disk(&d);
}

/* ---- an incremental backup ---- */

/* Of all but [first, first + n) it is known that it has not changed. */
static void claim_all_but(struct disk *d, uint32_t first, uint32_t n)
{
	struct map candidates;

	map_init(&candidates, d->cover.clusters);
	for (uint32_t i = first; i < first + n; i++)
		map_set(&candidates, i);
	cover_claim_clean(&d->cover, &candidates);
	map_clear(&candidates);
}

static void check_candidates(void)
{
	struct disk d;
	struct queue_read r;
	struct question ask;
	struct run z;

	open_disk(&d, 1000 * CLUSTER, ALL | QUEUE_CANDIDATES, 0);
	claim_all_but(&d, 100, 8);
	ok(!queue_next_status(&d.q, d.now, &ask) && reads(&d, 8, 100, 8) && !next_read(&d, 8, &r),
	   "a short run of candidates is read without asking for its block status, and nothing else");
	ok(queue_all_given(&d.q), "then all is given out");
	queue_retry(&d.q, 103);
	ok(!queue_all_given(&d.q), "unless a cluster is to be read once more");
	close_disk(&d);

	open_disk(&d, 1000 * CLUSTER, ALL | QUEUE_CANDIDATES, 0);
	claim_all_but(&d, 100, 9);
	ok(queue_next_status(&d.q, d.now, &ask) && ask.offset == 100 * CLUSTER && ask.length == 9 * CLUSTER,
	   "about a longer one it is asked");
	queue_add_zeroes(&d.q, (struct run){ 0, 5 });
	ok(queue_next_zero(&d.q, 8, &z) && z.first == 0 && z.n == 5, "zeroes of the base are given out");
	close_disk(&d);
}

static void check_read_again(void)
{
	struct disk d;
	struct queue_read r;
	struct run z;

	open_disk(&d, 20 * CLUSTER, ALL | QUEUE_CANDIDATES, 0);
	claim_all_but(&d, 10, 2);
	queue_next_status(&d.q, d.now, &(struct question){ 0 });
	next_read(&d, 8, &r);
	done(&d, 10, 1);
	queue_read_again(&d.q, (struct run){ 8, 4 });
	ok(next_read(&d, 8, &r) && r.run.first == 8 && r.run.n == 2 && !r.is_retry && reads(&d, 8, 11, 1),
	   "what must be read again is read in runs, but for what is done");
	ok(!next_read(&d, 8, &r), "once");
	close_disk(&d);

	open_disk(&d, 40 * CLUSTER, ALL | QUEUE_CANDIDATES | QUEUE_DISTRUST, 0);
	claim_all_but(&d, 10, 9);
	status_is(&d, PIECE_ZERO);
	queue_add_zeroes(&d.q, (struct run){ 0, 1 });
	ok(queue_only_suspects_left(&d.q), "zeroes of the base may still wait when only suspects are left");
	queue_check_suspects(&d.q);
	queue_next_zero(&d.q, 8, &z);
	queue_read_again(&d.q, (struct run){ 20, 9 });
	ok(!status_is(&d, PIECE_ZERO) && reads(&d, 8, 20, 8) && reads(&d, 8, 28, 1),
	   "then what must be read again is read, whatever block status would say");
	close_disk(&d);
}

static void check_first_trims(void)
{
	struct disk d;
	struct queue_read r;
	struct run six[6];

	open_disk(&d, 1000 * CLUSTER, ALL, 0);
	for (uint32_t i = 0; i < 6; i++)
		done(&d, 2 * i, 1);
	queue_trim_first(&d.q);
	ok(!queue_next_status(&d.q, d.now, &(struct question){ 0 }) && queue_next_trims(&d.q, six) == 4,
	   "what goes first is TRIMmed before block status is asked");
	done(&d, 500, 1);
	for (unsigned i = 0; i < 4; i++)
		queue_trim_end(&d.q);
	ok(queue_next_trims(&d.q, six) == 2 && six[0].first == 8 && six[1].first == 10, "all of it");
	queue_trim_end(&d.q);
	queue_retry(&d.q, 1);
	ok(!queue_has_read(&d.q, QUEUE_DRAIN) && !next_read(&d, 8, &r) && !status_is(&d, PIECE_DATA),
	   "to its end, and before anything is read");
	queue_trim_end(&d.q);
	ok(status_is(&d, PIECE_DATA) && next_read(&d, 8, &r), "but not what is done later");
	close_disk(&d);

	open_disk(&d, 1000 * CLUSTER, ALL, 0);
	queue_trim_first(&d.q);
	ok(status_is(&d, PIECE_DATA) && next_read(&d, 8, &r), "if there is nothing, nothing waits");
	close_disk(&d);
}

static void check_describe(void)
{
	struct disk d;
	_cleanup_buf_ struct buf b = BUF_INIT;

	open_disk(&d, 100 * CLUSTER, ALL, 0);
	status_is(&d, PIECE_DATA);
	queue_describe(&d.q, d.now, &b);
	ok(strstr(buf_str(&b), "linear: 100 clusters in 1 runs, next 0\n") != NULL,
	   "what waits is described");
	close_disk(&d);
}

/* ---- random schedules ---- */

/*
 * A disk as it was at the instant, as the guest has made it since, and what was given out.  Answers come
 * late, cut short, in pieces that do not respect clusters, or not at all; reads end in any order and may
 * fail once; a sink may be faster.  Where the queue is told to distrust, block status answers for what is on
 * the disk now, and not for the instant; so does a read for a cluster that was copied and is followed by one
 * that was not, until it is proved.
 *
 * Some are incremental: then there are frames of a base, and what was read is compared later.  A cluster that
 * has not changed is taken with its frame, once all of that one is judged; or is read again if it is bad.
 */
#define CLUSTERS_MAX 4000u
#define READS_MAX    24u

enum outcome {
	NOTHING,
	READ,
	ZERO,
	PUSHED,
	KEPT, /* as it was in the base */
};

enum {
	NO_FRAME = 0
}; /* of a cluster that is zero in the base */

/* What an incremental one has in addition. */
struct base {
	bool candidate[CLUSTERS_MAX];
	bool same[CLUSTERS_MAX]; /* a candidate that is as it was in the base */
	bool judged[CLUSTERS_MAX];
	bool again[CLUSTERS_MAX];       /* asked for by queue_read_again() */
	bool first[CLUSTERS_MAX];       /* to be TRIMmed before anything else */
	uint32_t frame[CLUSTERS_MAX];   /* which stores it */
	bool damaged[CLUSTERS_MAX + 1]; /* by frame: it does not unpack */
	bool bad[CLUSTERS_MAX + 1];     /* and that was found out */
	bool settled[CLUSTERS_MAX + 1];
	uint32_t read[CLUSTERS_MAX], n_read; /* to be compared */
	uint32_t n_first;
};

struct reading {
	struct proof_read proof; /* the first member: it is what comes back */
	struct queue_read r;
	bool wrong; /* its data is of now */
};

struct world {
	uint32_t random;
	struct disk d;
	unsigned flags;
	bool has_sink;
	uint32_t n, granule;
	bool zero_then[CLUSTERS_MAX]; /* at the instant */
	bool zero_now[CLUSTERS_MAX];
	bool dirty[CLUSTERS_MAX];
	bool reported[CLUSTERS_MAX]; /* dirty in the last poll that ended */
	bool asked[CLUSTERS_MAX];    /* dirty in the poll that is running */
	bool given[CLUSTERS_MAX];    /* to a read that was never asked for again */
	bool retry[CLUSTERS_MAX];    /* may be given once more */
	bool trimmed[CLUSTERS_MAX];
	enum outcome outcome[CLUSTERS_MAX];
	struct reading *reads[READS_MAX];
	unsigned n_reads, n_proving, n_trims;
	struct proofs proofs;
	struct question proof;
	bool incremental;
	struct base base;
	struct question status, dirty_question;
	const char *broken; /* the rule that was */
};

static uint32_t pick(struct world *w, uint32_t n)
{
	w->random = w->random * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(w->random >> 4) * n >> 28);
}

static bool one_in(struct world *w, uint32_t n)
{
	return pick(w, n) == 0;
}

static void rule(struct world *w, bool good, const char *text)
{
	if (!good && !w->broken)
		w->broken = text;
}

static void settle(struct world *w, uint32_t cluster, enum outcome how)
{
	rule(w, w->outcome[cluster] == NOTHING, "each cluster comes once");
	w->outcome[cluster] = how;
}

/* ---- what the reuse of an incremental one does ---- */

static void release(struct world *w, uint32_t cluster, enum outcome how)
{
	settle(w, cluster, how);
	queue_done(&w->d.q, (struct run){ cluster, 1 });
}

static void find_bad(struct world *w, uint32_t frame)
{
	w->base.bad[frame] = true;
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->base.frame[i] != frame || !w->base.judged[i] || w->outcome[i] != NOTHING)
			continue;
		w->base.again[i] = true;
		w->given[i] = false;
		queue_read_again(&w->d.q, (struct run){ i, 1 });
	}
}

static void settle_frame(struct world *w, uint32_t frame)
{
	w->base.settled[frame] = true;
	if (w->base.damaged[frame]) {
		find_bad(w, frame);
		return;
	}
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->base.frame[i] == frame && cover_mark_done(&w->d.cover, i))
			release(w, i, KEPT);
	}
}

/* One of the frames all of whose clusters are judged. */
static void settle_one(struct world *w)
{
	const uint32_t at = pick(w, w->n), frame = w->base.frame[at];

	if (!w->incremental || frame == NO_FRAME || w->base.settled[frame] || w->base.bad[frame])
		return;
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->base.frame[i] == frame && !w->base.judged[i])
			return;
	}
	settle_frame(w, frame);
}

/* A worker looks at one of the clusters that were read. */
static void compare_one(struct world *w)
{
	uint32_t which, at, frame;

	if (!w->base.n_read)
		return;
	which = pick(w, w->base.n_read);
	at = w->base.read[which];
	frame = w->base.frame[at];
	w->base.read[which] = w->base.read[--w->base.n_read];
	if (frame != NO_FRAME && w->base.damaged[frame] && !w->base.bad[frame] && one_in(w, 3))
		find_bad(w, frame);
	if ((frame == NO_FRAME || w->base.bad[frame] || !w->base.same[at]) &&
	    cover_mark_done(&w->d.cover, at))
		release(w, at, READ);
	w->base.judged[at] = true;
}

/* Candidates in runs; the others are as they were in the base. */
static void make_base(struct world *w)
{
	const uint32_t size = 1 + pick(w, 59);
	bool candidate = false;

	for (uint32_t i = 0; i < w->n; i++) {
		bool zero;

		if (one_in(w, 6))
			candidate = !candidate;
		w->base.candidate[i] = candidate;
		zero = candidate ? one_in(w, 3) : w->zero_then[i];
		w->base.frame[i] = zero ? NO_FRAME : 1 + i / size;
		w->base.same[i] = !zero && !w->zero_then[i] && one_in(w, 2);
		w->base.damaged[w->base.frame[i]] |= one_in(w, 200);
	}
}

/* Nothing of it may have changed, and it is not looked at. */
static bool is_untouched(const struct world *w, uint32_t frame)
{
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->base.frame[i] == frame && (w->base.candidate[i] || w->outcome[i] != NOTHING))
			return false;
	}
	return !w->base.damaged[frame];
}

/* What will be TRIMmed first: whole granules that are done. */
static void note_first_trims(struct world *w)
{
	for (uint32_t end, at = 0; at < w->n; at = end) {
		bool any = false;

		end = w->n - at < w->granule ? w->n : at + w->granule;
		for (uint32_t i = at; i < end; i++)
			any |= w->outcome[i] == KEPT;
		for (uint32_t i = at; i < end && any && (w->flags & QUEUE_TRIM); i++) {
			w->base.first[i] = cover_range_done(&w->d.cover, at, end);
			w->base.n_first += w->base.first[i];
		}
	}
}

static void begin_base(struct world *w)
{
	struct map candidates;

	make_base(w);
	map_init(&candidates, w->n);
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->base.candidate[i])
			map_set(&candidates, i);
		w->base.judged[i] = !w->base.candidate[i] || w->outcome[i] != NOTHING;
	}
	cover_claim_clean(&w->d.cover, &candidates);
	map_clear(&candidates);
	for (uint32_t i = 0; i < w->n; i++) {
		const uint32_t frame = w->base.frame[i];

		if (frame == NO_FRAME && !w->base.candidate[i])
			queue_add_zeroes(&w->d.q, (struct run){ i, 1 });
		if (frame != NO_FRAME && !w->base.settled[frame] && is_untouched(w, frame))
			settle_frame(w, frame);
	}
	note_first_trims(w);
	queue_trim_first(&w->d.q);
}

static void guest_writes(struct world *w);

static void make_world(struct world *w, uint32_t seed)
{
	static const uint32_t granules[] = { 1, 1, 2, 3, 8, 64 };
	uint64_t size;

	memset(w, 0, sizeof(*w));
	w->random = seed;
	pick(w, 2);
	w->n = 1 + pick(w, one_in(w, 4) ? CLUSTERS_MAX : 150);
	size = w->n * CLUSTER - (one_in(w, 2) ? pick(w, (uint32_t)CLUSTER) : 0);
	w->flags = one_in(w, 8) ? 0 : QUEUE_STATUS;
	w->flags |= one_in(w, 4) ? 0 : QUEUE_TRIM;
	w->has_sink = one_in(w, 3);
	if (!w->has_sink)
		w->flags |= QUEUE_DIRTY | (one_in(w, 3) ? QUEUE_DISTRUST : 0);
	w->incremental = one_in(w, 2);
	w->flags |= w->incremental ? QUEUE_CANDIDATES : 0;
	/* what was pushed is not read, so a TRIM must not reach beyond what was */
	w->granule = w->has_sink ? 1 : granules[pick(w, 6)];
	for (uint32_t i = 0, zero = 0; i < w->n; i++) {
		if (one_in(w, 5))
			zero = pick(w, 2);
		w->zero_then[i] = w->zero_now[i] = zero;
	}
	open_disk(&w->d, size, w->flags, w->granule * CLUSTER);
	if (!w->incremental)
		return;
	for (uint32_t i = pick(w, 4); i; i--)
		guest_writes(w);
	begin_base(w);
}

static uint32_t first_of(const struct question *q)
{
	return (uint32_t)(q->offset / CLUSTER);
}

static uint32_t end_of(const struct question *q)
{
	return clusters_up(q->offset + q->length);
}

/* The guest writes, which QEMU's filter sees first: a sink gets the old data. */
static void guest_writes(struct world *w)
{
	const uint32_t at = pick(w, w->n), n = 1 + pick(w, 4);

	for (uint32_t i = at; i < at + n && i < w->n; i++) {
		w->zero_now[i] = one_in(w, 2);
		w->dirty[i] = true;
		if (!w->has_sink || !cover_mark_done(&w->d.cover, i))
			continue;
		settle(w, i, PUSHED);
		w->base.judged[i] = true;
	}
}

static bool is_wanted(const struct world *w, uint32_t cluster)
{
	return !w->incremental || w->base.candidate[cluster] || w->base.again[cluster];
}

static void ask_status(struct world *w)
{
	if (!queue_next_status(&w->d.q, w->d.now, &w->status))
		return;
	for (uint32_t i = first_of(&w->status); i < end_of(&w->status); i++)
		rule(w, !w->given[i] && !w->trimmed[i], "no status of what may have been TRIMmed");
	rule(w, w->status.offset + w->status.length <= w->d.cover.size, "no question beyond the end");
	rule(w, !w->base.n_first, "no question before the first TRIMs");
	for (uint32_t i = first_of(&w->status); i < end_of(&w->status); i++)
		rule(w, is_wanted(w, i), "no question about what is not a candidate");
}

/* Whether block status says zero of the byte's cluster; a part of a data cluster may be a hole. */
static bool says_zero(struct world *w, uint64_t offset)
{
	const uint32_t cluster = (uint32_t)(offset / CLUSTER);

	return w->flags & QUEUE_DISTRUST ? w->zero_now[cluster] : w->zero_then[cluster];
}

static void answer_status(struct world *w)
{
	const uint64_t end = w->status.offset + w->status.length;
	uint64_t at = w->status.offset;

	if (!w->d.q.status.open)
		return;
	while (at < end && !one_in(w, 60)) {
		const bool zero = says_zero(w, at);
		const uint64_t cluster_end = (at / CLUSTER + 1) * CLUSTER;
		uint64_t piece_end = one_in(w, 20) ? at + 512 * (1 + pick(w, 128)) : cluster_end;

		if (piece_end > cluster_end)
			piece_end = cluster_end;
		if (piece_end > w->d.cover.size)
			piece_end = w->d.cover.size;
		/* within a cluster of data there may be holes, but a whole one is never called zero */
		status_piece(&w->d, at, piece_end - at, zero ? PIECE_ZERO : PIECE_DATA);
		at = piece_end;
	}
	queue_status_end(&w->d.q, one_in(w, 20) ? 22 : 0, w->d.now);
}

static void begin_poll(struct world *w)
{
	if (queue_next_dirty(&w->d.q, w->d.now, &w->dirty_question) && w->d.q.dirty.begun_ns == w->d.now)
		memset(w->asked, 0, sizeof(w->asked));
}

static void answer_dirty(struct world *w)
{
	const uint64_t end = w->dirty_question.offset + w->dirty_question.length;
	const bool fails = one_in(w, 10);
	uint64_t at = w->dirty_question.offset;

	if (!w->d.q.dirty.open)
		return;
	while (at < end && !one_in(w, 100)) {
		const uint32_t cluster = (uint32_t)(at / CLUSTER);

		w->asked[cluster] = w->dirty[cluster];
		queue_dirty_piece(&w->d.q, &(struct piece){ at, CLUSTER,
							    w->dirty[cluster] ? PIECE_DIRTY : PIECE_CLEAN });
		at += CLUSTER;
	}
	queue_dirty_end(&w->d.q, fails ? 5 : 0, w->d.now);
	if (!w->d.q.dirty.begun_ns)
		memcpy(w->reported, w->asked, sizeof(w->reported));
}

static bool drains_are_taken(const struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		/* one that is asked for again waits for the next poll */
		if (w->reported[i] && !w->given[i] && !w->base.again[i] && w->outcome[i] == NOTHING &&
		    !map_get(&w->d.cover.claimed, i))
			return false;
	}
	return true;
}

/* Whether this QEMU mistakes a cluster of the run. */
static bool is_mistaken(const struct world *w, struct run run)
{
	for (uint32_t i = run.first; i + 1 < run.first + run.n; i++) {
		if (w->dirty[i] && !w->dirty[i + 1])
			return true;
	}
	return false;
}

static void begin_read(struct world *w)
{
	struct queue_read next, *const r = &next;
	bool drain;

	if (w->n_reads == READS_MAX)
		return;
	drain = queue_next_read(&w->d.q, QUEUE_DRAIN, 1 + pick(w, 59), r);
	if (!drain && !queue_next_read(&w->d.q, QUEUE_LINEAR, 1 + pick(w, 59), r))
		return;
	w->reads[w->n_reads] = xcalloc(1, sizeof(struct reading));
	*w->reads[w->n_reads++] = (struct reading){ .r = *r, .wrong = is_mistaken(w, r->run) };
	rule(w, drain || drains_are_taken(w), "drains come before linear reads");
	rule(w, !w->base.n_first, "no read before the first TRIMs");
	rule(w, r->run.n >= 1 && r->run.n <= (w->flags & QUEUE_DISTRUST && drain ? 1u : 8u),
	     "1 to 8 clusters a read");
	for (uint32_t i = r->run.first; i < r->run.first + r->run.n; i++) {
		rule(w, i < w->n, "no read beyond the end");
		rule(w, is_wanted(w, i), "nothing is read but candidates");
		rule(w, r->is_retry ? w->retry[i] : !w->given[i],
		     "a cluster is read once, or again after a failure");
		rule(w, !w->trimmed[i], "nothing is read that was TRIMmed");
		rule(w, w->outcome[i] == NOTHING || w->outcome[i] == PUSHED, "nothing is read that is done");
		w->given[i] = true;
		w->retry[i] = false;
	}
}

static void retry_read(struct world *w, struct run run)
{
	for (uint32_t i = run.first; i < run.first + run.n; i++) {
		if (cover_is_done(&w->d.cover, i))
			continue;
		w->retry[i] = true;
		queue_retry(&w->d.q, i);
	}
}

static void take_read(struct world *w, struct run run)
{
	if (w->incremental) {
		for (uint32_t i = run.first; i < run.first + run.n; i++)
			w->base.read[w->base.n_read++] = i;
		return;
	}
	for (uint32_t i = run.first; i < run.first + run.n; i++) {
		if (cover_mark_done(&w->d.cover, i))
			settle(w, i, READ);
	}
	queue_done(&w->d.q, run);
}

static void end_read(struct world *w)
{
	struct reading *r;
	uint32_t which;

	if (!w->n_reads)
		return;
	which = pick(w, w->n_reads);
	r = w->reads[which];
	w->reads[which] = w->reads[--w->n_reads];
	if (r->r.run.n > 1 && w->flags & QUEUE_DISTRUST && !one_in(w, 10)) {
		proofs_add(&w->proofs, &r->proof, r->r.run);
		w->n_proving++;
		return;
	}
	/* some fail; of those that need a proof, all that get here */
	if ((r->r.run.n > 1 && w->flags & QUEUE_DISTRUST) || (!r->r.is_retry && one_in(w, 10)))
		retry_read(w, r->r.run);
	else
		take_read(w, r->r.run);
	free(r);
}

static void ask_proof(struct world *w)
{
	if (!proofs_next_question(&w->proofs, &w->d.cover, &w->proof))
		return;
	rule(w, w->proof.offset + w->proof.length <= w->d.cover.size, "no proof beyond the end");
}

static void take_proved(struct world *w)
{
	struct proof_read *p;

	while ((p = proofs_take(&w->proofs))) {
		struct reading *r = (struct reading *)p;

		w->n_proving--;
		rule(w, p->state != PROOF_RIGHT || !r->wrong, "what is proved right is right");
		if (p->state == PROOF_RIGHT)
			take_read(w, r->r.run);
		else
			retry_read(w, r->r.run);
		free(r);
	}
}

static void answer_proof(struct world *w)
{
	const uint64_t end = w->proof.offset + w->proof.length;

	if (!w->proofs.open)
		return;
	for (uint64_t at = w->proof.offset; at < end && !one_in(w, 100); at += CLUSTER)
		proofs_piece(
			&w->proofs,
			&(struct piece){ at, CLUSTER, w->dirty[at / CLUSTER] ? PIECE_DIRTY : PIECE_CLEAN });
	proofs_end(&w->proofs, one_in(w, 10) ? 5 : 0);
	take_proved(w);
}

static void take_zero(struct world *w)
{
	struct run z;

	if (!queue_next_zero(&w->d.q, 1 + pick(w, 100), &z))
		return;
	for (uint32_t i = z.first; i < z.first + z.n; i++) {
		rule(w, i < w->n && w->zero_then[i], "zero is what was zero at the instant");
		rule(w, !w->given[i] || w->retry[i], "zero is not what is being read");
		settle(w, i, ZERO);
		w->base.judged[i] = true;
	}
}

static void begin_trims(struct world *w)
{
	struct run r[TRIMS_AT_ONCE];
	const unsigned n = queue_next_trims(&w->d.q, r);

	rule(w, !n || (w->flags & QUEUE_TRIM), "no TRIM where none is wanted");
	rule(w, !n || !w->d.q.status.open, "no TRIM while block status is asked");
	for (unsigned k = 0; k < n; k++) {
		const uint32_t end = r[k].first + r[k].n;

		rule(w, r[k].first % w->granule == 0 && (end % w->granule == 0 || end == w->n),
		     "TRIMs are whole granules");
		for (uint32_t i = r[k].first; i < end && i < w->n; i++) {
			rule(w, w->outcome[i] != NOTHING, "no TRIM of what is not done");
			w->trimmed[i] = true;
			w->dirty[i] = true; /* QEMU discards it in the target */
			w->base.n_first -= w->base.first[i];
			w->base.first[i] = false;
		}
	}
	w->n_trims += n;
	rule(w, w->n_trims <= TRIMS_AT_ONCE, "four TRIMs at once");
}

static void end_trim(struct world *w)
{
	if (!w->n_trims)
		return;
	queue_trim_end(&w->d.q);
	w->n_trims--;
}

static void trim_again(struct world *w)
{
	queue_trim_again(&w->d.q, pick(w, 2));
}

static void check_the_suspects(struct world *w)
{
	if (!w->n_reads && !w->n_proving && queue_idle(&w->d.q) && queue_only_suspects_left(&w->d.q))
		queue_check_suspects(&w->d.q);
}

static void step(struct world *w)
{
	static void (*const what[])(struct world *) = {
		guest_writes, ask_status,         answer_status, begin_poll,  answer_dirty, begin_read,
		begin_read,   end_read,           end_read,      take_zero,   take_zero,    begin_trims,
		end_trim,     check_the_suspects, compare_one,   compare_one, compare_one,  settle_one,
		settle_one,   ask_proof,          answer_proof,  trim_again,
	};

	w->d.now += pick(w, 4) * 5 * MS;
	what[pick(w, sizeof(what) / sizeof(what[0]))](w);
}

/* Runs it to its end; NULL, or the rule that was broken. */
static const char *run_schedule(struct world *w, uint32_t seed)
{
	unsigned steps = 0;

	make_world(w, seed);
	while (!w->broken && !cover_complete(&w->d.cover) && steps++ < 2000 + 400 * w->n)
		step(w);
	rule(w, cover_complete(&w->d.cover), "every schedule comes to its end");
	while (w->n_reads || w->n_proving) {
		end_read(w);
		ask_proof(w);
		answer_proof(w);
	}
	for (uint32_t i = 0; i < w->n; i++)
		rule(w, w->outcome[i] != NOTHING, "every cluster comes");
	for (unsigned i = 0; i < 1000 && (w->n_trims || w->d.q.status.open || w->d.q.dirty.open); i++) {
		answer_status(w);
		answer_dirty(w);
		end_trim(w);
	}
	rule(w, queue_idle(&w->d.q), "nothing is open in the end");
	close_disk(&w->d);
	return w->broken;
}

static void check_schedules(uint32_t from, uint32_t n)
{
	struct world *w = xmalloc(sizeof(*w));
	const char *broken = NULL;
	uint32_t seed = from;

	for (; seed < from + n && !broken; seed++)
		broken = run_schedule(w, seed);
	if (!ok(!broken, "random schedules with the seeds %u to %u", from, from + n - 1))
		diag("seed %u: broken: %s", seed - 1, broken);
	free(w);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		check_schedules((uint32_t)strtoul(argv[1], NULL, 10), 1);
		return done_testing();
	}
	check_reads();
	check_retries();
	check_drain_first();
	check_poll_times();
	check_zeroes();
	check_pieces();
	check_windows();
	check_trims();
	check_trims_again();
	check_granules();
	check_distrust();
	check_candidates();
	check_read_again();
	check_first_trims();
	check_describe();
	for (uint32_t i = 0; i < 8; i++)
		check_schedules(1 + i * 300, 300);
	return done_testing();
}
