#include "base/pace.h"

#include "base/units.h"

#define MAX_NAP_MS 200

void pace_init(struct pace *p, uint64_t bytes_per_s)
{
	p->rate = bytes_per_s;
	p->begin_ns = units_now_ns();
	atomic_init(&p->taken, 0);
}

int pace_take(struct pace *p, uint64_t bytes, const struct cancel *cancel, struct error **err)
{
	uint64_t taken, due;
	int r = cancel_check(cancel, err);

	if (!p->rate || r < 0)
		return r;
	taken = atomic_fetch_add(&p->taken, bytes) + bytes;
	due = p->begin_ns + (uint64_t)((double)taken * 1e9 / (double)p->rate);
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
