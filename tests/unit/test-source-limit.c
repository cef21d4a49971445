/*
 * The limit of fleecing images, with simulated guests, archives and storages: bytes that wait in QEMU go by
 * its leaky bucket into an image, the archive drains it, and samples of what it takes come late.
 */
#include <string.h>

#include "base/units.h"
#include "source/limit.h"
#include "tap.h"

#define MS    UINT64_C(1000000)
#define STEP  (5 * MS)
#define FLOOR MIB
#define DISKS 4
#define SLACK (8 * MIB)
/* What a guest writes at most. */
#define MIBS 16384

struct writer {
	uint64_t rate;            /* bytes per second that it would write */
	uint64_t on_ms, pause_ms; /* it writes so long, then not; 0: always */
	uint64_t queue;           /* bytes in flight at most */
	uint64_t request;         /* bytes of one */
};

/* What is simulated. */
struct world {
	uint64_t limit, room; /* bytes, of all and of the first pool's storage; UINT64_MAX: none */
	size_t n;             /* pools, with a guest disk each */
	struct writer guests[DISKS];
	uint64_t drain;                /* bytes per second of the archive */
	uint64_t stall_ms, stall_long; /* it stands still from then on, for so long */
	uint64_t sample_ms, late_ms;   /* how often it is asked what the images take, and how old that is */
	uint64_t busy_ms, busy_long;   /* nobody looks from then on, for so long */
	uint64_t slow_ms;              /* each look comes up to so much later */
	uint64_t timeout_ms;           /* QEMU's cbw-timeout; 0: 45 s */
	uint64_t seconds;
};

/* A pool: QEMU's bucket, and its image. */
struct image {
	double level, waits, used, copied, written;
	uint64_t came[MIBS]; /* when each MiB that it writes got into QEMU */
	size_t n_came;
	uint64_t free_at; /* when the first one that waits may go */
	bool released;
};

struct outcome {
	double peak, written, drained;
	double late_written;        /* in the second half */
	double late_low, late_high; /* what all images took then */
	double longest;             /* time that a write waited, seconds */
	double late_floor;          /* the largest in the second half */
	unsigned changes;
	struct source_slowdown slow;
};

struct sim {
	const struct world *w;
	struct image disks[DISKS];
	struct limit_pool pools[DISKS];
	struct limit limit;
	struct limit_seen seen[DISKS], coming[DISKS];
	uint64_t now, look_at, sample_at, seen_at;
	struct graph_writes writes;
	uint32_t chance;
	struct outcome out;
};

static bool writes_now(const struct writer *g, uint64_t now)
{
	return !g->on_ms || now / MS % (g->on_ms + g->pause_ms) < g->on_ms;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double burst_of(const struct graph_rate *r)
{
	return r->burst ? (double)r->burst : (double)r->rate / 10;
}

/* It has got into QEMU up to there. */
static void note_came(struct sim *s, struct image *d)
{
	while (d->n_came < MIBS && (double)d->n_came * (double)MIB < d->written + d->waits)
		d->came[d->n_came++] = s->now;
}

static void note_ended(struct sim *s, const struct image *d, double bytes)
{
	const uint64_t waited = s->now - d->came[(size_t)(d->written / (double)MIB)];

	s->writes.n++;
	s->writes.bytes += (uint64_t)bytes;
	s->writes.ns += waited;
	if ((double)waited / 1e9 > s->out.longest)
		s->out.longest = (double)waited / 1e9;
}

/*
 * As util/throttle.c does: the level sinks by the rate, and a request goes while it is below the burst.  One
 * that has to wait gets its time then, and a change of the rate does not alter that.
 */
static void guest_step(struct sim *s, size_t i)
{
	const struct writer *g = &s->w->guests[i];
	struct image *d = &s->disks[i];
	const double rate = (double)s->pools[i].set.rate, burst = burst_of(&s->pools[i].set);
	const double sunk = d->level - rate * (double)STEP / 1e9;

	if (writes_now(g, s->now))
		d->waits = least(d->waits + (double)g->rate * (double)STEP / 1e9, (double)g->queue);
	note_came(s, d);
	d->level = sunk > 0 ? sunk : 0;
	while (d->waits > 0 && s->now >= d->free_at) {
		const double go = least(d->waits, (double)g->request);

		if (d->level > burst && !d->released) {
			d->free_at = s->now + (uint64_t)((d->level - burst) / rate * 1e9);
			d->released = true;
			continue;
		}
		d->released = false;
		note_ended(s, d, go);
		d->level += go;
		d->waits -= go;
		d->used += go;
		d->copied += go;
		d->written += go;
	}
}

static double used_by_all(const struct sim *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->w->n; i++)
		sum += s->disks[i].used;
	return sum;
}

static void archive_step(struct sim *s)
{
	const uint64_t ms = s->now / MS;
	const double sum = used_by_all(s);
	double take = least((double)s->w->drain * (double)STEP / 1e9, sum);

	if (s->w->stall_long && ms >= s->w->stall_ms && ms < s->w->stall_ms + s->w->stall_long)
		take = 0;
	for (size_t i = 0; i < s->w->n && sum > 0; i++)
		s->disks[i].used -= take * s->disks[i].used / sum;
	s->out.drained += take;
}

static void sample_step(struct sim *s)
{
	if (s->now >= s->seen_at)
		memcpy(s->seen, s->coming, sizeof(s->seen));
	if (s->now < s->sample_at)
		return;
	s->sample_at = s->now + s->w->sample_ms * MS;
	s->seen_at = s->now + s->w->late_ms * MS;
	for (size_t i = 0; i < s->w->n; i++) {
		const uint64_t used = (uint64_t)s->disks[i].used;
		uint64_t room = UINT64_MAX;

		if (i == 0 && s->w->room != UINT64_MAX)
			room = s->w->room > used ? s->w->room - used : 0;
		s->coming[i] = (struct limit_seen){ .used = used, .room = room, .at_ns = s->now };
	}
}

static void ask_writes(struct sim *s)
{
	if (limit_is_near(&s->limit) && s->now - s->limit.writes_ns >= 250 * MS)
		limit_note_writes(&s->limit, s->now, &s->writes);
	if (s->now / MS >= s->w->seconds * 500 && s->limit.floor > s->out.late_floor)
		s->out.late_floor = s->limit.floor;
}

static void set_rates(struct sim *s)
{
	for (size_t i = 0; i < s->w->n; i++) {
		if (!s->pools[i].change)
			continue;
		limit_note_set(&s->pools[i], s->now);
		s->disks[i].level = 0;
		s->out.changes++;
	}
}

static void look_step(struct sim *s)
{
	const uint64_t ms = s->now / MS;

	if (s->now < s->look_at ||
	    (s->w->busy_long && ms >= s->w->busy_ms && ms < s->w->busy_ms + s->w->busy_long))
		return;
	/* the copy knows at once */
	for (size_t i = 0; i < s->w->n; i++)
		s->seen[i].copied = (uint64_t)s->disks[i].copied;
	limit_look(&s->limit, s->now, s->seen);
	ask_writes(s);
	set_rates(s);
	s->look_at = s->now + (limit_is_near(&s->limit) ? LIMIT_HURRY_NS : LIMIT_LOOK_NS);
	s->chance = s->chance * 1103515245 + 12345;
	if (s->w->slow_ms)
		s->look_at += (s->chance >> 16) % s->w->slow_ms * MS;
}

static void measure(struct sim *s, double written_before)
{
	const double used = used_by_all(s);
	double written = 0;

	for (size_t i = 0; i < s->w->n; i++)
		written += s->disks[i].written;
	s->out.written = written;
	s->out.peak = used > s->out.peak ? used : s->out.peak;
	if (s->now / MS < s->w->seconds * 500)
		return;
	s->out.late_written += written - written_before;
	s->out.late_low = used < s->out.late_low ? used : s->out.late_low;
	s->out.late_high = used > s->out.late_high ? used : s->out.late_high;
}

static struct outcome simulate(const struct world *w)
{
	static struct sim s;
	const uint64_t timeout_ms = w->timeout_ms ? w->timeout_ms : 45000;

	s = (struct sim){ .w = w, .now = 1000 * MS, .out = { .late_low = 1e18 } };
	s.limit = (struct limit){
		.pools = s.pools, .n = w->n, .bytes = w->limit, .why = "limit", .timeout_ns = timeout_ms * MS
	};
	for (size_t i = 0; i < w->n; i++)
		s.pools[i] = (struct limit_pool){ .age_ns = (w->sample_ms + w->late_ms) * MS };
	sample_step(&s);
	memcpy(s.seen, s.coming, sizeof(s.seen));
	for (; s.now < w->seconds * 1000 * MS; s.now += STEP) {
		const double before = s.out.written;

		sample_step(&s);
		look_step(&s);
		for (size_t i = 0; i < w->n; i++)
			guest_step(&s, i);
		archive_step(&s);
		measure(&s, before);
	}
	s.out.slow = s.limit.slowdown;
	return s.out;
}

static void say(const struct outcome *o)
{
	diag("peak %.1f MiB, written %.0f MiB, drained %.0f MiB, later between %.1f and %.1f MiB, %u changes, "
	     "slow %u times, %.1f s, %.1f MiB/s at least",
	     o->peak / (double)MIB, o->written / (double)MIB, o->drained / (double)MIB,
	     o->late_low / (double)MIB, o->late_high / (double)MIB, o->changes, o->slow.times,
	     (double)o->slow.ns / 1e9, (double)o->slow.lowest_rate / (double)MIB);
}

/* clang-format off */
#define FULL_SPEED { .rate = 1000 * MIB, .queue = 32 * MIB, .request = MIB }
/* clang-format on */

/* A guest at full speed gets what drains, and the limit holds. */
static void holds(const char *what, const struct world *w)
{
	const struct outcome o = simulate(w);
	const uint64_t drained = w->drain * (w->seconds - w->seconds / 2);
	const double limit = (double)(w->limit < w->room ? w->limit : w->room);

	say(&o);
	ok(o.peak <= limit + (double)SLACK, "%s: the limit holds", what);
	ok(o.late_written >= 0.8 * (double)drained, "%s: the guest gets what drains", what);
	/* where single requests and the archive's second are much of the limit, it comes and goes */
	ok(limit < 64 * (double)MIB || o.late_high - o.late_low <= limit / 2, "%s: it settles", what);
	ok(o.slow.times == 1 && o.slow.now && o.slow.ns / 1000000000 >= w->seconds / 2,
	   "%s: it is said to be slowed, once", what);
	ok(o.changes <= w->seconds * 5 * w->n, "%s: the monitor is left alone", what);
}

static void test_full_speed(void)
{
	static const uint64_t drains[] = { 5, 20, 100 };

	for (size_t i = 0; i < ARRAY_SIZE(drains); i++) {
		const struct world w = { .limit = 256 * MIB,
					 .room = UINT64_MAX,
					 .n = 1,
					 .guests = { FULL_SPEED },
					 .drain = drains[i] * MIB,
					 .sample_ms = 200,
					 .late_ms = 1,
					 .seconds = 60 };

		holds(drains[i] == 5 ? "5 MiB/s" : drains[i] == 20 ? "20 MiB/s" : "100 MiB/s", &w);
	}
}

static void test_small(void)
{
	const struct world w = { .limit = 16 * MIB,
				 .room = UINT64_MAX,
				 .n = 1,
				 .guests = { FULL_SPEED },
				 .drain = 10 * MIB,
				 .sample_ms = 50,
				 .late_ms = 1,
				 .seconds = 60 };

	holds("a small limit", &w);
}

static void test_reserve(void)
{
	const struct world w = { .limit = UINT64_MAX,
				 .room = 100 * MIB,
				 .n = 1,
				 .guests = { FULL_SPEED },
				 .drain = 20 * MIB,
				 .sample_ms = 200,
				 .late_ms = 1,
				 .seconds = 60 };

	holds("a reserve", &w);
	ok(!strcmp(simulate(&w).slow.why, "reserve"), "a reserve: that is named");
}

static void test_late(void)
{
	const struct world w = { .limit = 512 * MIB,
				 .room = UINT64_MAX,
				 .n = 1,
				 .guests = { FULL_SPEED },
				 .drain = 20 * MIB,
				 .sample_ms = 2000,
				 .late_ms = 1000,
				 .seconds = 120 };

	holds("samples every 2 s that are 1 s late", &w);
}

static void test_many(void)
{
	const struct world w = { .limit = 256 * MIB,
				 .room = UINT64_MAX,
				 .n = 4,
				 .guests = { FULL_SPEED, FULL_SPEED, FULL_SPEED, FULL_SPEED },
				 .drain = 40 * MIB,
				 .sample_ms = 200,
				 .late_ms = 1,
				 .seconds = 60 };
	struct world one = w;

	holds("four storages", &w);
	memset(&one.guests[1], 0, 3 * sizeof(one.guests[1]));
	holds("four storages, one guest disk writes", &one);
}

static void test_stall(void)
{
	const struct world w = { .limit = 256 * MIB,
				 .room = UINT64_MAX,
				 .n = 1,
				 .guests = { FULL_SPEED },
				 .drain = 100 * MIB,
				 .stall_ms = 20000,
				 .stall_long = 3000,
				 .sample_ms = 200,
				 .late_ms = 1,
				 .seconds = 60 };
	const struct outcome o = simulate(&w);

	say(&o);
	ok(o.peak <= (double)(w.limit + 3 * FLOOR + SLACK),
	   "an archive that stands still for 3 s: only the floor");
	ok(o.slow.lowest_rate <= 4 * FLOOR && o.slow.lowest_rate >= FLOOR, "and the floor holds");
}

static void test_busy_monitor(void)
{
	const struct world w = { .limit = 256 * MIB,
				 .room = UINT64_MAX,
				 .n = 1,
				 .guests = { FULL_SPEED },
				 .drain = 20 * MIB,
				 .busy_ms = 30000,
				 .busy_long = 10000,
				 .sample_ms = 200,
				 .late_ms = 1,
				 .seconds = 60 };
	const struct outcome o = simulate(&w);

	say(&o);
	ok(o.peak <= (double)(w.limit + SLACK),
	   "nobody looks for 10 s: what was set last is right by itself");
}

static void test_within(void)
{
	/* 200 writes of 64 KiB a second, and bursts; the archive is faster */
	const struct world steady = {
		.limit = 256 * MIB,
		.room = UINT64_MAX,
		.n = 1,
		.guests = { { .rate = 200 * 64 * KIB, .queue = 8 * MIB, .request = 64 * KIB } },
		.drain = 20 * MIB,
		.sample_ms = 200,
		.late_ms = 1,
		.seconds = 60
	};
	struct world bursts = steady;
	struct outcome o = simulate(&steady);

	say(&o);
	ok(o.slow.times == 0 && o.written >= (double)(58 * 200 * 64 * KIB),
	   "200 writes a second are not slowed");
	ok(o.changes <= 2, "and nothing is set");
	bursts.guests[0] = (struct writer){
		.rate = 100 * MIB, .on_ms = 200, .pause_ms = 3800, .queue = 32 * MIB, .request = MIB
	};
	o = simulate(&bursts);
	say(&o);
	ok(o.slow.times == 0 && o.changes <= 2, "nor are bursts of 20 MiB within the room");
}

static void keeps(const char *what, const struct world *w, double most)
{
	const struct outcome o = simulate(w);
	const double queue = (double)w->guests[0].queue;

	say(&o);
	diag("longest %.2f s, floor %.1f MiB/s", o.longest, o.late_floor / (double)MIB);
	ok(o.longest < 0.9 * (double)w->timeout_ms / 1000, "%s: no write waits until the snapshot breaks",
	   what);
	ok(o.late_floor <= 3 * queue / ((double)w->timeout_ms / 1000) + (double)MIB,
	   "%s: the floor is what lets all go in a third of that time", what);
	ok(o.peak <= most, "%s: the images pass the limit by no more than that takes", what);
}

/* The shortest time in which QEMU gives a snapshot up is 4.2 s. */
static void test_floor(void)
{
	struct world w = { .limit = 32 * MIB,
			   .room = UINT64_MAX,
			   .n = 1,
			   .guests = { { .rate = 1000 * MIB, .queue = 32 * MIB, .request = MIB / 2 } },
			   .drain = 5 * MIB,
			   .sample_ms = 50,
			   .late_ms = 1,
			   .timeout_ms = 4230,
			   .seconds = 40 };

	/* 24 MiB/s, as the floor may be, less what drains */
	keeps("32 MiB in flight, 5 MiB/s", &w, (double)(w.limit + 40 * 19 * MIB));
	w.slow_ms = 600;
	keeps("32 MiB in flight, 5 MiB/s, late looks", &w, (double)(w.limit + 40 * 19 * MIB));
	w.drain = 20 * MIB;
	keeps("32 MiB in flight, 20 MiB/s, late looks", &w, (double)(w.limit + SLACK));
	w.drain = 5 * MIB;
	w.guests[0].queue = 8 * MIB;
	keeps("8 MiB in flight, 5 MiB/s", &w, (double)(w.limit + SLACK));
	w.guests[0].queue = 2 * MIB;
	keeps("2 MiB in flight, 5 MiB/s", &w, (double)(w.limit + SLACK));
	w.guests[0].queue = 64 * MIB;
	w.timeout_ms = 45000;
	keeps("64 MiB in flight, 45 s, 5 MiB/s", &w, (double)(w.limit + SLACK));
}

int main(void)
{
	test_full_speed();
	test_small();
	test_reserve();
	test_late();
	test_many();
	test_stall();
	test_busy_monitor();
	test_within();
	test_floor();
	return done_testing();
}
