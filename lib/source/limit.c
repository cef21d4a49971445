#include "source/limit.h"

#include "qemu/throttle.h"

#define SECOND_NS UINT64_C(1000000000)

/* See limit.h: the rate is the room by this, in seconds, and by three times the sample's age. */
#define HORIZON 0.25
#define AGES    3.0
/*
 * A rate is left as it is while it is right to within these: each change costs QEMU's main loop half a
 * millisecond, and lets a tenth of the rate pass at once.
 */
#define TOO_HIGH 0.75
#define TOO_LOW  1.35
#define RAISE_NS (200 * UINT64_C(1000000))
#define IDLE_NS  (2 * SECOND_NS)
/* A part of the rate that passes at once after each change: throttle.h. */
#define BURST 0.1
/* What is slow is decided for so long at a time: the copy may hear of writes up to a second late. */
#define WINDOW_NS SECOND_NS
#define BITES     0.7
#define CALM      5

static double seconds(uint64_t ns)
{
	return (double)ns / (double)SECOND_NS;
}

/* ---- the room ---- */

static uint64_t used_by_all(const struct limit *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->pools[i].seen.used;
	return sum;
}

/* The part of what is left for all that a pool gets: most of it by what its guest's writes take. */
static double share_of(const struct limit *l, const struct limit_pool *p)
{
	double sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->pools[i].inflow;
	return sum < 1 ? 1.0 / (double)l->n : 0.2 / (double)l->n + 0.8 * p->inflow / sum;
}

static double room_of(const struct limit *l, const struct limit_pool *p, uint64_t used)
{
	const double left = l->bytes > used ? (double)(l->bytes - used) : 0;
	const double mine = l->bytes == UINT64_MAX ? left : left * share_of(l, p);

	return (double)p->seen.room < mine ? (double)p->seen.room : mine;
}

/* Which limit it is, and how much. */
static void find_limit(struct limit *l)
{
	uint64_t own = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct limit_seen *s = &l->pools[i].seen;

		own = s->room > UINT64_MAX - own - s->used ? UINT64_MAX : own + s->used + s->room;
	}
	l->slowdown.limit = own < l->bytes ? own : l->bytes;
	l->slowdown.why = own < l->bytes ? "reserve" : l->why;
}

/* ---- rates ---- */

/* How old the newest sample of it usually is when the next one comes; it forgets slowly. */
static void take_seen(struct limit_pool *p, const struct limit_seen *seen, uint64_t now_ns)
{
	if (seen->at_ns != p->seen.at_ns && p->seen.at_ns) {
		const uint64_t age = now_ns - p->seen.at_ns, old = p->age_ns - p->age_ns / 8;

		p->age_ns = age > old ? age : old;
	}
	p->seen = *seen;
}

static uint64_t rate_of(const struct limit *l, const struct limit_pool *p, uint64_t used, uint64_t now_ns)
{
	const uint64_t since = p->seen.at_ns ? p->seen.at_ns : l->looked_ns;
	const uint64_t now_old = now_ns > since ? now_ns - since : 0;
	const double age = seconds(now_old > p->age_ns ? now_old : p->age_ns);
	const double rate = room_of(l, p, used) / (HORIZON + AGES * age);

	if (rate < (double)p->floor)
		return p->floor;
	return rate < (double)GRAPH_RATE_MAX ? (uint64_t)rate : GRAPH_RATE_MAX;
}

static bool must_change(const struct limit_pool *p, uint64_t now_ns)
{
	const double set = (double)p->set, rate = (double)p->rate;
	const uint64_t age = now_ns - p->set_ns;

	if (!p->set)
		return true;
	if (rate < set * TOO_HIGH || (p->rate > p->set && p->set < p->floor))
		return true;
	return rate > set * TOO_LOW && age >= (p->bites || p->inflow > set / 4 ? RAISE_NS : IDLE_NS);
}

void limit_note_set(struct limit_pool *p, uint64_t now_ns)
{
	p->set = p->rate;
	p->set_ns = now_ns;
	p->change = false;
	p->window.allowed += BURST * (double)p->rate;
}

/* ---- what it does to the guest ---- */

/* What has come since the window began: what the copy knows of, or at least what the images grew by. */
static double copied_in_window(const struct limit_pool *p)
{
	const uint64_t known = p->seen.copied - p->window.copied_from;
	const uint64_t grown = p->seen.used > p->window.used_from ? p->seen.used - p->window.used_from : 0;

	return (double)(known > grown ? known : grown);
}

static void begin_window(struct limit *l, uint64_t now_ns)
{
	l->window_ns = now_ns;
	for (size_t i = 0; i < l->n; i++) {
		struct limit_pool *p = &l->pools[i];

		p->before = p->window;
		p->window.allowed = p->window.copied = 0;
		p->window.copied_from = p->seen.copied;
		p->window.used_from = p->seen.used;
	}
}

/* Two windows: the copy hears of some writes only in the next one. */
static void end_window_of(struct limit_pool *p, double took)
{
	p->window.copied = copied_in_window(p);
	p->inflow = (p->inflow + p->window.copied / took) / 2;
	p->bites = p->window.copied + p->before.copied >= BITES * (p->window.allowed + p->before.allowed) &&
		   p->window.copied > 0;
}

static void note_slow(struct source_slowdown *s, uint64_t took_ns, double allowed, double copied)
{
	const uint64_t rate = (uint64_t)(allowed / seconds(took_ns));

	s->ns += took_ns;
	s->copied += (uint64_t)copied;
	if (!s->lowest_rate || rate < s->lowest_rate)
		s->lowest_rate = rate;
}

static void end_window(struct limit *l, uint64_t now_ns)
{
	const uint64_t took = now_ns - l->window_ns;
	double allowed = 0, copied = 0;
	bool bites = false;

	for (size_t i = 0; i < l->n; i++) {
		struct limit_pool *p = &l->pools[i];

		end_window_of(p, seconds(took));
		if (!p->bites)
			continue;
		bites = true;
		allowed += p->window.allowed;
		copied += p->window.copied;
	}
	if (bites)
		note_slow(&l->slowdown, took, allowed, copied);
	l->calm = bites ? 0 : l->calm + 1;
	l->slowdown.times += bites && !l->slowdown.now;
	l->slowdown.now = bites || (l->slowdown.now && l->calm < CALM);
	begin_window(l, now_ns);
}

static void account(struct limit *l, uint64_t now_ns)
{
	if (!l->looked_ns)
		begin_window(l, now_ns);
	for (size_t i = 0; i < l->n && l->looked_ns; i++)
		l->pools[i].window.allowed += (double)l->pools[i].set * seconds(now_ns - l->looked_ns);
	if (now_ns - l->window_ns >= WINDOW_NS)
		end_window(l, now_ns);
}

void limit_look(struct limit *l, uint64_t now_ns, const struct limit_seen *seen)
{
	uint64_t used;

	for (size_t i = 0; i < l->n; i++)
		take_seen(&l->pools[i], &seen[i], now_ns);
	account(l, now_ns);
	l->looked_ns = now_ns;
	used = used_by_all(l);
	find_limit(l);
	for (size_t i = 0; i < l->n; i++) {
		struct limit_pool *p = &l->pools[i];

		p->rate = rate_of(l, p, used, now_ns);
		p->change = must_change(p, now_ns);
	}
}

bool limit_is_near(const struct limit *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct limit_pool *p = &l->pools[i];

		if (p->bites || p->inflow > (double)p->set / 4 || copied_in_window(p) > p->window.allowed / 4)
			return true;
	}
	return false;
}
