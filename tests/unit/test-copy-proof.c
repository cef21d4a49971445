/* Reads that have to be proved right by a bitmap. */
#include "copy/proof.h"

#include <string.h>

#include "tap.h"

#define CLUSTER ((uint64_t)VMA_CLUSTER_SIZE)
#define N       6

struct bench {
	struct proofs p;
	struct cover cover;
	struct proof_read reads[N];
	struct question q;
};

static void open_bench(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	cover_init(&b->cover, 4000 * CLUSTER - 512);
}

static void add(struct bench *b, unsigned i, uint32_t first, uint32_t n)
{
	proofs_add(&b->p, &b->reads[i], (struct run){ first, n });
}

/* Whether the next question is about these clusters. */
static bool asks(struct bench *b, uint32_t first, uint32_t n)
{
	return proofs_next_question(&b->p, &b->cover, &b->q) && b->q.offset == first * CLUSTER &&
	       b->q.length == cover_bytes(&b->cover, (struct run){ first, n });
}

static void piece(struct bench *b, uint64_t offset, uint64_t end, bool dirty)
{
	proofs_piece(&b->p, &(struct piece){ offset, end - offset, dirty ? PIECE_DIRTY : PIECE_CLEAN });
}

/* Whether read i is the next one that was judged, and how. */
static bool judged(struct bench *b, unsigned i, bool right)
{
	const struct proof_read *r = proofs_take(&b->p);

	return r == &b->reads[i] && r->state == (right ? PROOF_RIGHT : PROOF_WRONG);
}

static void check_answers(void)
{
	struct bench b;

	open_bench(&b);
	ok(!proofs_next_question(&b.p, &b.cover, &b.q) && !proofs_take(&b.p), "no reads, no question");
	add(&b, 0, 8, 8);
	add(&b, 1, 24, 8);
	add(&b, 2, 16, 8);
	ok(asks(&b, 8, 24), "one question is about all reads");
	ok(!proofs_next_question(&b.p, &b.cover, &b.q), "there is one at a time");
	add(&b, 3, 12, 2);
	piece(&b, 8 * CLUSTER, 23 * CLUSTER, false);
	piece(&b, 23 * CLUSTER, 24 * CLUSTER, true);
	piece(&b, 24 * CLUSTER, 32 * CLUSTER, false);
	ok(!proofs_take(&b.p), "nothing is judged before the answer has ended");
	proofs_end(&b.p, 0);
	ok(judged(&b, 0, true), "a read of which nothing was copied is right");
	ok(judged(&b, 1, true), "so is the one beside another");
	ok(judged(&b, 2, false), "one of which a cluster was copied may be wrong");
	ok(!proofs_take(&b.p), "one that came after the question is not judged by its answer");
	ok(asks(&b, 12, 2), "but by the next");
	piece(&b, 0, 100 * CLUSTER, false);
	proofs_end(&b.p, 0);
	ok(judged(&b, 3, true) && !proofs_drop(&b.p), "whose answer may go further");
	cover_clear(&b.cover);
}

static void check_bad_answers(void)
{
	struct bench b;

	open_bench(&b);
	for (unsigned i = 0; i < 4; i++)
		add(&b, i, i * 8, 8);
	ok(asks(&b, 0, 32), "four reads");
	piece(&b, 0, 8 * CLUSTER, false);
	piece(&b, 8 * CLUSTER, 16 * CLUSTER - 1, false);
	piece(&b, 24 * CLUSTER, 32 * CLUSTER, false);
	proofs_end(&b.p, 0);
	ok(judged(&b, 0, true) && judged(&b, 1, false) && judged(&b, 2, false) && judged(&b, 3, false),
	   "what an answer leaves out is not proved, nor what comes behind");
	add(&b, 4, 0, 8);
	proofs_next_question(&b.p, &b.cover, &b.q);
	piece(&b, 0, 8 * CLUSTER, false);
	proofs_end(&b.p, 5);
	ok(judged(&b, 4, false), "a question that fails proves nothing");
	add(&b, 0, 0, 8);
	add(&b, 1, 8, 8);
	proofs_next_question(&b.p, &b.cover, &b.q);
	piece(&b, 0, 8 * CLUSTER - 512, false);
	piece(&b, 8 * CLUSTER - 512, 8 * CLUSTER, true);
	piece(&b, 8 * CLUSTER, 16 * CLUSTER, false);
	proofs_end(&b.p, 0);
	ok(judged(&b, 0, false) && judged(&b, 1, true), "a piece may be a part of a cluster");
	cover_clear(&b.cover);
}

static void check_spans(void)
{
	struct bench b;

	open_bench(&b);
	add(&b, 0, 2000, 8);
	add(&b, 1, 100, 8);
	add(&b, 2, 3016, 8);
	add(&b, 3, 3020, 8);
	ok(asks(&b, 2000, 1024), "a question begins with the oldest read, and spans no more than 64 MiB");
	piece(&b, 2000 * CLUSTER, 3024 * CLUSTER, false);
	proofs_end(&b.p, 0);
	ok(judged(&b, 0, true) && judged(&b, 2, true) && !proofs_take(&b.p), "reads too far away wait");
	ok(asks(&b, 100, 8), "for the next question");
	piece(&b, 100 * CLUSTER, 108 * CLUSTER, true);
	proofs_end(&b.p, 0);
	ok(judged(&b, 1, false), "and its answer");
	add(&b, 4, 3992, 8);
	ok(asks(&b, 3020, 980), "none goes beyond the end of the disk");
	ok(proofs_drop(&b.p) == &b.reads[3] && proofs_drop(&b.p) == &b.reads[4] && !proofs_drop(&b.p),
	   "when the connection is gone, all are given back");
	proofs_end(&b.p, 107);
	add(&b, 5, 0, 2);
	ok(asks(&b, 0, 2) && proofs_drop(&b.p) == &b.reads[5], "and it can begin anew");
	cover_clear(&b.cover);
}

int main(void)
{
	check_answers();
	check_bad_answers();
	check_spans();
	return done_testing();
}
