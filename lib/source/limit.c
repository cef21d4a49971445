#include "source/limit.h"

#include "base/units.h"
#include "qemu/throttle.h"

#define SECOND_NS UINT64_C(1000000000)

/* The burst is the room by BURST and the samples' age in seconds, the rate by RATE and RATE_AGES ages. */
#define BURST     2.0
#define RATE      6.0
#define RATE_AGES 4.0
/* Changes cost QEMU's main loop half a millisecond each. */
#define CHANGE_NS (200 * UINT64_C(1000000))
#define USED_UP   0.8
/* What is slow is decided for so long at a time: the copy may hear of writes up to a second late. */
#define WINDOW_NS SECOND_NS
#define CALM      5
/* The least floor: a request of 1 MiB that waits is let go within a second. */
#define FLOOR ((double)MIB)
/*
 * Parts of the timeout.  Once writes take longer than PATIENCE of it, the floor lets what waits go within
 * IN_TIME.  Those that waited before take up to both, and ever less; if they take longer than TOO_LONG, and
 * no less, more waits than was known, so the floor is doubled.
 */
#define PATIENCE 0.2
#define IN_TIME  0.4
#define TOO_LONG 0.5
/* What is known of what waits is the mean of so many seconds, or of as long as it waits. */
#define KNOWN_S 1.0
/* When they need no more, the floor sinks by this with each look, and so does what is believed to wait. */
#define FLOOR_SINKS 0.9
#define WAITS_SINK  0.97
#define FLOOR_MAX   ((double)GIB)

static double seconds(uint64_t ns)
{
	return (double)ns / (double)SECOND_NS;
}

/* ---- the room ---- */

/* What has come since the newest sample, as far as is known, and is not drained for all that is known. */
static uint64_t since_sample(const struct limit_pool *p)
{
	return p->seen.copied - p->sampled_copied;
}

static uint64_t used_by_all(const struct limit *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->pools[i].seen.used + since_sample(&l->pools[i]);
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
	const uint64_t come = since_sample(p);
	const double own = p->seen.room > come ? (double)(p->seen.room - come) : 0;

	return own < mine ? own : mine;
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
	if (seen->at_ns != p->seen.at_ns) {
		const uint64_t age = p->seen.at_ns ? now_ns - p->seen.at_ns : 0;
		const uint64_t old = p->age_ns - p->age_ns / 8;

		p->age_ns = age > old ? age : old;
		/* what the copy has heard of since the sample before may be in this one, or not */
		p->sampled_copied = p->seen.copied;
	}
	p->seen = *seen;
}

/* How much may pass at any speed. */
static double burst_of(const struct graph_rate *r)
{
	return r->burst ? (double)r->burst : (double)r->rate / 10;
}

/* Follows the bucket: what comes makes it rise, and time lets it sink. */
static void follow_level(struct limit_pool *p, double took)
{
	const uint64_t known = p->seen.copied - p->copied_from;
	const uint64_t grown = p->seen.used > p->used_from ? p->seen.used - p->used_from : 0;
	const uint64_t come = known > grown ? known : grown;
	const double sunk = p->level - (double)p->set.rate * took;

	p->level = sunk > 0 ? sunk : 0;
	if (come > p->come) {
		p->level += (double)(come - p->come);
		p->come = come;
	}
	p->window.looks++;
	p->window.held += p->level >= USED_UP * burst_of(&p->set);
}

static uint64_t bytes_of(double bytes)
{
	return bytes < 1 ? 1 : bytes < (double)GRAPH_RATE_MAX ? (uint64_t)bytes : GRAPH_RATE_MAX;
}

static void find_want(const struct limit *l, struct limit_pool *p, double room, uint64_t now_ns)
{
	const uint64_t since = p->seen.at_ns ? p->seen.at_ns : l->looked_ns;
	const uint64_t now_old = now_ns > since ? now_ns - since : 0;
	const double age = seconds(now_old > p->age_ns ? now_old : p->age_ns);
	const double rate = room / (RATE + RATE_AGES * age), burst = room / (BURST + age);

	p->want.rate = bytes_of(rate > l->floor ? rate : l->floor);
	p->want.burst = bytes_of(burst);
	/* QEMU takes no burst that is less than the rate */
	if (p->want.burst < p->want.rate)
		p->want.burst = 0;
}

/*
 * Too much: what the bucket still lets through is more than the room, since something else takes it.  Too
 * little: it is nearly used up, and there is more to give.
 */
static bool must_change(const struct limit *l, const struct limit_pool *p, double room, uint64_t now_ns)
{
	const double set = burst_of(&p->set), want = burst_of(&p->want);
	const double left = set > p->level ? set - p->level : 0;

	if (!p->set.rate)
		return true;
	if (now_ns - p->set_ns < CHANGE_NS)
		return false;
	if (p->set.rate > 2 * p->want.rate || (left > room && set > want))
		return true;
	if ((double)p->set.rate < 0.75 * l->floor)
		return true;
	if ((double)p->want.rate <= l->floor && (double)p->set.rate > 1.25 * l->floor)
		return true;
	return p->level > set / 4 && want > 1.35 * left && room > want;
}

void limit_note_set(struct limit_pool *p, uint64_t now_ns)
{
	p->set = p->want;
	p->set_ns = now_ns;
	p->change = false;
	p->level = 0;
	p->come = 0;
	p->copied_from = p->seen.copied;
	p->used_from = p->seen.used;
}

/* ---- the floor ---- */

/* wait: of the writes that have just ended, on average, in seconds; before: of those that had ended then. */
static void find_floor(struct limit *l, double wait, double before)
{
	const double timeout = seconds(l->timeout_ns);
	const double enough = l->waits / (IN_TIME * timeout);

	if (wait > TOO_LONG * timeout && wait >= before && l->floor >= enough) {
		l->floor *= 2;
	} else if (wait > PATIENCE * timeout && l->floor < enough) {
		l->floor = enough;
	} else if (wait < PATIENCE * timeout || l->floor * FLOOR_SINKS > enough) {
		l->floor *= FLOOR_SINKS;
	}
	l->floor = l->floor < FLOOR ? FLOOR : l->floor < FLOOR_MAX ? l->floor : FLOOR_MAX;
}

/* What waits is, by Little's law, what ended in a time by how long that had taken. */
void limit_note_writes(struct limit *l, uint64_t now_ns, const struct graph_writes *w)
{
	const struct graph_writes old = l->writes;
	const double took = seconds(now_ns - l->writes_ns), before = l->wait;
	const bool first = !l->writes_ns;
	double waits, known;

	l->writes = *w;
	l->writes_ns = now_ns;
	/* a disk may have been taken away */
	if (first || w->n <= old.n || w->ns < old.ns || w->bytes < old.bytes)
		return;
	l->wait = seconds(w->ns - old.ns) / (double)(w->n - old.n);
	waits = (double)(w->bytes - old.bytes) / took * l->wait;
	known = l->wait > KNOWN_S ? l->wait : KNOWN_S;
	l->mean += (waits - l->mean) * took / (took + known);
	l->waits *= WAITS_SINK;
	if (l->mean > l->waits)
		l->waits = l->mean;
	find_floor(l, l->wait, before);
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
		p->window = (struct limit_window){ .copied_from = p->seen.copied, .used_from = p->seen.used };
	}
}

static void end_window_of(struct limit_pool *p, double took)
{
	p->window.copied = copied_in_window(p);
	p->inflow = (p->inflow + p->window.copied / took) / 2;
	p->bites = p->window.held * 8 >= p->window.looks;
}

/* Two windows: the copy hears of some writes only in the next one. */
static void note_slow(struct source_slowdown *s, uint64_t took_ns, double copied, double before)
{
	const uint64_t rate = (uint64_t)((copied + before) / 2 / seconds(took_ns));

	s->ns += took_ns;
	s->copied += (uint64_t)copied;
	if (rate && (!s->lowest_rate || rate < s->lowest_rate))
		s->lowest_rate = rate;
}

static void end_window(struct limit *l, uint64_t now_ns)
{
	const uint64_t took = now_ns - l->window_ns;
	double copied = 0, before = 0;
	bool bites = false;

	for (size_t i = 0; i < l->n; i++) {
		struct limit_pool *p = &l->pools[i];

		end_window_of(p, seconds(took));
		if (!p->bites)
			continue;
		bites = true;
		copied += p->window.copied;
		before += p->before.copied;
	}
	if (bites)
		note_slow(&l->slowdown, took, copied, before);
	l->calm = bites ? 0 : l->calm + 1;
	l->slowdown.times += bites && !l->slowdown.now;
	l->slowdown.now = bites || (l->slowdown.now && l->calm < CALM);
	begin_window(l, now_ns);
}

static void account(struct limit *l, uint64_t now_ns)
{
	if (!l->looked_ns) {
		l->floor = FLOOR;
		begin_window(l, now_ns);
	}
	for (size_t i = 0; i < l->n && l->looked_ns; i++)
		follow_level(&l->pools[i], seconds(now_ns - l->looked_ns));
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
		const double room = room_of(l, p, used);

		find_want(l, p, room, now_ns);
		p->change = must_change(l, p, room, now_ns);
	}
}

bool limit_is_near(const struct limit *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->pools[i].bites || l->pools[i].level > burst_of(&l->pools[i].set) / 4)
			return true;
	}
	return false;
}
