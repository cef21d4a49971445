/* The pool of the reader's chunks: what a worker gets next. */
#include "tap.h"
#include "vma/reader-chunk.h"

#define CHUNKS 4u

/* Takes a chunk, which must be that one for that step. */
static struct chunk *takes(struct chunk_pool *p, uint64_t number, enum chunk_step step, const char *what)
{
	enum chunk_step got = CHUNK_UNPACK;
	struct chunk *c = chunk_take(p, &got);

	ok(c && c->number == number && got == step, "%s", what);
	return c;
}

static void submit_all(struct chunk_pool *p)
{
	for (uint64_t i = 0; i < CHUNKS; i++) {
		struct chunk *c = chunk_get(p);

		c->number = i;
		chunk_submit(p, c);
	}
	chunk_pool_finish(p);
}

static void test_order(struct chunk_pool *p)
{
	enum chunk_step step;
	struct chunk *first, *c;

	submit_all(p);
	first = takes(p, 0, CHUNK_UNPACK, "the first chunk is to be unpacked");
	chunk_unpacked(p, takes(p, 1, CHUNK_UNPACK, "so is the second, beside it"));
	chunk_unpacked(p, takes(p, 2, CHUNK_UNPACK, "before its turn, the worker gets a third"));
	chunk_unpacked(p, first);
	c = takes(p, 0, CHUNK_PARSE, "the one whose turn it is comes before one that is packed");
	chunk_unpacked(p, takes(p, 3, CHUNK_UNPACK, "while it is parsed, the others wait for their turn"));
	chunk_next_turn(p);
	chunk_put(p, c);
	for (uint64_t i = 1; i < CHUNKS; i++) {
		c = takes(p, i, CHUNK_PARSE, "then they come in order");
		chunk_next_turn(p);
		chunk_put(p, c);
	}
	ok(!chunk_take(p, &step), "and nothing is left");
}

static void test_failure(struct chunk_pool *p)
{
	struct error *err = NULL;
	enum chunk_step step;
	struct chunk *c;

	submit_all(p);
	c = takes(p, 0, CHUNK_UNPACK, "of another pool");
	error_set(&err, ERR_CORRUPT, "damaged");
	chunk_pool_fail(p, &err);
	chunk_unpacked(p, c);
	ok(!chunk_take(p, &step) && !chunk_get(p) && p->failure, "nothing is handed out after a failure");
}

int main(void)
{
	static void (*const tests[])(struct chunk_pool *) = { test_order, test_failure };

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct chunk_pool pool = { 0 };

		if (ok(chunk_pool_init(&pool, CHUNKS, 4096, NULL) == 0, "a pool is made"))
			tests[i](&pool);
		chunk_pool_clear(&pool);
	}
	return done_testing();
}
