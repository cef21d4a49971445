/* Pace and budget: what may be used, without waiting for real time to pass. */
#include "base/budget.h"
#include "base/units.h"
#include "tap.h"

#define MS UINT64_C(1000000)

/* How many bytes go in pieces of `piece` from `from` to `to`, looking every millisecond. */
static uint64_t take_between(struct pace *p, uint64_t piece, uint64_t from, uint64_t to)
{
	uint64_t taken = 0;

	for (uint64_t now = from; now < to; now += MS) {
		while (pace_ready(p, now)) {
			pace_charge(p, piece, now);
			taken += piece;
		}
	}
	return taken;
}

static void check_burst(void)
{
	const uint64_t begin = 5000 * MS;
	struct pace p;
	uint64_t taken;

	pace_init_burst(&p, 1000 * KIB, 100 * MS);
	taken = take_between(&p, KIB, begin, begin + 1000 * MS);
	ok(taken >= 1099 * KIB && taken <= 1101 * KIB, "a second at 1000 KiB/s and the burst: %lu KiB",
	   (unsigned long)(taken / KIB));
	taken = take_between(&p, KIB, begin + 1000 * MS, begin + 2000 * MS);
	ok(taken >= 999 * KIB && taken <= 1001 * KIB, "the next second has no burst: %lu KiB",
	   (unsigned long)(taken / KIB));
	taken = take_between(&p, KIB, begin + 9000 * MS, begin + 10000 * MS);
	ok(taken >= 1099 * KIB && taken <= 1101 * KIB, "of seven idle seconds 100 ms are kept: %lu KiB",
	   (unsigned long)(taken / KIB));
	pace_charge(&p, 1000 * KIB, begin + 10000 * MS);
	ok(!pace_ready(&p, begin + 10900 * MS), "one large piece is paid for afterwards");
	ok(pace_ready(&p, begin + 11010 * MS), "and then it goes on");
}

static void check_no_limit(void)
{
	struct pace p;

	pace_init_burst(&p, 0, 100 * MS);
	pace_charge(&p, 1000 * GIB, 1);
	ok(pace_ready(&p, 1), "rate 0 is no limit");
	pace_init(&p, 0);
	ok(pace_take(&p, 1000 * GIB, NULL, NULL) == 0, "and nobody waits");
}

static void check_whole_time(void)
{
	struct pace p;
	uint64_t begin;

	pace_init(&p, 1000 * KIB);
	begin = atomic_load(&p.at_ns);
	pace_charge(&p, 1000 * KIB, begin + 1000000 * MS);
	ok(atomic_load(&p.at_ns) == begin + 1000 * MS, "unused time is kept for ever without a burst");
}

static void check_workers(void)
{
	struct budget b;

	budget_init(&b, &(struct budget_limits){ .workers = 2, .threads = 3, .extents = 4 });
	ok(b.threads == 3 && b.extents == 4, "threads and extents are handed through");
	ok(budget_take_worker(&b) && budget_take_worker(&b), "two workers can be taken");
	ok(!budget_take_worker(&b), "a third cannot");
	budget_give_worker(&b);
	ok(budget_take_worker(&b) && !budget_take_worker(&b), "one that came back can");
	budget_init(&b, &(struct budget_limits){ 0 });
	ok(budget_take_worker(&b) && !budget_take_worker(&b), "0 workers count as one");
	pace_charge(&b.pace, 1000 * GIB, MS);
	ok(pace_ready(&b.pace, MS), "without a limit bytes are free");
	budget_init(&b, &(struct budget_limits){ .bytes_per_s = 1000 * KIB });
	pace_charge(&b.pace, 5000 * KIB, MS);
	ok(!pace_ready(&b.pace, 1000 * MS), "with one they are not");
}

int main(void)
{
	check_burst();
	check_no_limit();
	check_whole_time();
	check_workers();
	return done_testing();
}
