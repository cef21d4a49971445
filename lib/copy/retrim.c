#include "copy/retrim.h"

#include "copy/trim.h"

static const uint64_t delay_ns[RETRIM_TIMES] = { UINT64_C(500000000), UINT64_C(5000000000),
						 UINT64_C(50000000000) };

void retrim_clear(struct retrim *r)
{
	for (unsigned i = 0; i < RETRIM_TIMES; i++) {
		runs_clear(&r->steps[i].added);
		runs_clear(&r->steps[i].list);
	}
}

static void add(struct retrim_step *s, struct run run, uint64_t now_ns)
{
	if (!s->since_ns)
		s->since_ns = now_ns;
	runs_add(&s->added, run.first, run.n);
}

void retrim_add(struct retrim *r, struct run run, uint64_t now_ns)
{
	add(&r->steps[0], run, now_ns);
}

/* All that was added goes when the first of it is old enough. */
static void make_list(struct retrim_step *s, uint64_t delay, uint64_t now_ns)
{
	const struct runs used_up = s->list;

	if (!s->since_ns || runs_waiting(&s->list) || now_ns - s->since_ns < delay)
		return;
	s->list = s->added;
	s->added = used_up;
	s->since_ns = 0;
	runs_reset(&s->added);
	runs_sort(&s->list);
}

bool retrim_next(struct retrim *r, uint64_t now_ns, struct run *ret)
{
	if (r->in_flight)
		return false;
	for (unsigned i = 0; i < RETRIM_TIMES; i++) {
		struct retrim_step *s = &r->steps[i];

		make_list(s, delay_ns[i], now_ns);
		if (!runs_waiting(&s->list))
			continue;
		*ret = runs_take_joined(&s->list, TRIM_MAX_CLUSTERS);
		if (i + 1 < RETRIM_TIMES)
			add(&r->steps[i + 1], *ret, now_ns);
		r->in_flight = true;
		return true;
	}
	return false;
}

void retrim_end(struct retrim *r)
{
	r->in_flight = false;
}
