/* Which parts of a fleecing image are TRIMmed once more, and when. */
#include "copy/retrim.h"
#include "tap.h"

#define MS UINT64_C(1000000)

static bool is_next(struct retrim *r, uint64_t ms, uint32_t first, uint32_t n)
{
	struct run run = { 0 };
	const bool any = retrim_next(r, ms * MS, &run);

	if (any)
		retrim_end(r);
	if (any == (n > 0) && run.first == first && run.n == n)
		return true;
	diag("at %lu ms: %u+%u", (unsigned long)ms, run.first, run.n);
	return false;
}

static void test_times(void)
{
	struct retrim r = { 0 };

	ok(is_next(&r, 1, 0, 0), "nothing was TRIMmed");
	retrim_add(&r, (struct run){ 8, 4 }, 1000 * MS);
	retrim_add(&r, (struct run){ 0, 4 }, 1100 * MS);
	retrim_add(&r, (struct run){ 4, 4 }, 1200 * MS);
	ok(is_next(&r, 1499, 0, 0), "it is not TRIMmed again at once");
	ok(is_next(&r, 1500, 0, 12), "after half a second it is, neighbours in one");
	ok(is_next(&r, 6000, 0, 0) && is_next(&r, 6500, 0, 12), "and 5 seconds later");
	ok(is_next(&r, 56000, 0, 0) && is_next(&r, 56500, 0, 12), "and 50 seconds later");
	ok(is_next(&r, 1000000, 0, 0), "and then no more");
	retrim_clear(&r);
}

static void test_one_at_a_time(void)
{
	struct retrim r = { 0 };
	struct run run;

	retrim_add(&r, (struct run){ 1, 1 }, MS);
	retrim_add(&r, (struct run){ 9, 1 }, MS);
	ok(retrim_next(&r, 1000 * MS, &run) && !retrim_next(&r, 1000 * MS, &run),
	   "one is in flight at a time");
	retrim_add(&r, (struct run){ 5, 1 }, 1000 * MS);
	retrim_end(&r);
	ok(is_next(&r, 2000, 9, 1) && is_next(&r, 2000, 5, 1), "what was added meanwhile comes later");
	retrim_clear(&r);
}

int main(void)
{
	test_times();
	test_one_at_a_time();
	return done_testing();
}
