#include "base/budget.h"

/* An unused allowance expires after this time. */
#define BURST_NS (100 * UINT64_C(1000000))

void budget_init(struct budget *b, const struct budget_limits *limits)
{
	*b = (struct budget){
		.max_workers = limits->workers ? limits->workers : 1,
		.threads = limits->threads,
		.extents = limits->extents,
	};
	pace_init_burst(&b->pace, limits->bytes_per_s, BURST_NS);
	atomic_init(&b->workers, 0);
}

bool budget_take_worker(struct budget *b)
{
	unsigned taken = atomic_load(&b->workers);

	while (taken < b->max_workers) {
		if (atomic_compare_exchange_weak(&b->workers, &taken, taken + 1))
			return true;
	}
	return false;
}

void budget_give_worker(struct budget *b)
{
	atomic_fetch_sub(&b->workers, 1);
}
