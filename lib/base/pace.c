#include "base/pace.h"

#include "base/units.h"

#define MAX_NAP_MS 200
#define FOR_EVER   UINT64_MAX

void pace_init(struct pace *p, uint64_t bytes_per_s)
{
	*p = (struct pace){ .rate = bytes_per_s, .burst_ns = FOR_EVER };
	atomic_init(&p->at_ns, units_now_ns());
}

void pace_init_burst(struct pace *p, uint64_t bytes_per_s, uint64_t burst_ns)
{
	/* starts at 0, so that the first charge finds all of the burst unused */
	*p = (struct pace){ .rate = bytes_per_s, .burst_ns = burst_ns };
	atomic_init(&p->at_ns, 0);
}

bool pace_ready(const struct pace *p, uint64_t now_ns)
{
	return !p->rate || atomic_load(&p->at_ns) <= now_ns;
}

/* Returns when these bytes are paid for. */
static uint64_t charge(struct pace *p, uint64_t bytes, uint64_t now_ns)
{
	const uint64_t cost = (uint64_t)((double)bytes * 1e9 / (double)p->rate);
	uint64_t old = atomic_load(&p->at_ns), due;

	do {
		const uint64_t from = now_ns > old && now_ns - old > p->burst_ns ? now_ns - p->burst_ns : old;

		due = from + cost;
	} while (!atomic_compare_exchange_weak(&p->at_ns, &old, due));
	return due;
}

void pace_charge(struct pace *p, uint64_t bytes, uint64_t now_ns)
{
	if (p->rate)
		charge(p, bytes, now_ns);
}

int pace_take(struct pace *p, uint64_t bytes, const struct cancel *cancel, struct error **err)
{
	uint64_t due;
	int r = cancel_check(cancel, err);

	if (!p->rate || r < 0)
		return r;
	due = charge(p, bytes, units_now_ns());
	for (;;) {
		uint64_t now = units_now_ns();
		uint64_t left = due > now ? (due - now) / 1000000 : 0;

		if (!left)
			return 0;
		r = cancel_sleep(cancel, left < MAX_NAP_MS ? (int)left : MAX_NAP_MS, err);
		if (r < 0)
			return r;
	}
}
