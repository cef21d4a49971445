#include "source/limiter.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/thread.h"
#include "base/units.h"
#include "config/formats.h"
#include "qemu/throttle.h"
#include "source/limit.h"
#include "source/live.h"
#include "source/room.h"

/* While room is short, how often QEMU is asked how long the guest's writes take. */
#define WRITES_NS (250 * UINT64_C(1000000))
/* Between two pairs of lines about slow writes; doubled with each pair, so that a night has some tens. */
#define QUIET_NS (10 * UINT64_C(1000000000))

struct pool {
	const struct storage *storage;
	char *group;
	size_t image; /* one of its images */
	bool has_reserve;
	uint64_t reserve; /* bytes that must stay free */
	uint64_t copied;  /* under the lock */
	bool attached;
};

struct limiter {
	const struct sources *s;
	size_t n_images;
	size_t *pool_of; /* of each image: its pool, or SIZE_MAX */
	uint64_t *copied;
	char **devices; /* QOM paths of the disks in QEMU */
	struct pool *pools;
	struct limit limit;   /* as many pools */
	struct cancel cancel; /* ends what the thread waits for */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	struct source_slowdown slowdown; /* a copy for others */
	struct {
		bool said; /* the last line says that writes are slow */
		uint64_t quiet_ns, next_ns;
		struct source_slowdown from; /* when they began to be */
	} told;
};

/* ---- what is asked for ---- */

static bool is_asked_for(const struct sources *s)
{
	const struct fleecing_config *f = s->p.fleecing;

	return f->limit.set || s->p.fleecing_limit ||
	       (f->reserve.set && (f->reserve.bytes || f->reserve.percent));
}

int limiter_check(const struct sources *s, struct error **err)
{
	const struct qemu_features *f = &s->live->features;

	if (f->throttle || !is_asked_for(s))
		return 0;
	return error_set(
		err, ERR_UNSUPPORTED,
		"QEMU %d.%d.%d cannot limit what fleecing images take, as it lacks the driver throttle "
		"(QEMU has it since 2.11): leave out limit=, reserve= and --fleecing-limit, or use mode "
		"'stop'",
		f->major, f->minor, f->micro);
}

static void find_limit(struct limiter *l, const uint64_t sizes[])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->n_images; i++)
		sum += l->pool_of[i] == SIZE_MAX ? 0 : sizes[i];
	l->limit.bytes = room_limit(l->s->p.fleecing, l->s->p.fleecing_limit, sum, &l->limit.why);
}

/* ---- the reserve ---- */

/* One that was asked for may be more than what is free: the guest must go on all the same. */
static uint64_t possible_reserve(const struct limiter *l, const struct pool *p,
				 const struct storage_status *st)
{
	const uint64_t asked = room_reserve(l->s->p.fleecing, st);
	const uint64_t most = st->avail > ROOM_MIN ? st->avail - ROOM_MIN : 0;
	_cleanup_free_ char *want = units_bytes(asked, 1), *free_now = units_bytes(st->avail, 1);
	_cleanup_free_ char *room = units_bytes(ROOM_MIN, 0);

	if (!l->s->p.fleecing->reserve.set || asked <= most)
		return asked;
	log_warn(l->s->p.log,
		 "fleecing storage '%s' has %s free, less than the reserve of %s: its images get %s, then "
		 "writes of the guest to data that is not saved yet are slowed",
		 p->storage->id, free_now, want, room);
	return most;
}

static void find_reserve(struct limiter *l, struct pool *p)
{
	_cleanup_free_ char *stays = NULL, *free_now = NULL;
	struct storage_status st = { 0 };

	if (storage_status(p->storage, &st, NULL) < 0 || !st.total)
		return;
	p->reserve = possible_reserve(l, p, &st);
	p->has_reserve = p->reserve > 0;
	if (!p->has_reserve)
		return;
	stays = units_bytes(p->reserve, 1);
	free_now = units_bytes(st.avail, 1);
	log_info(l->s->p.log, "fleecing storage '%s' has %s free, of which %s stay free", p->storage->id,
		 free_now, stays);
}

/* ---- pools ---- */

static bool is_thin(const struct volume *image)
{
	struct image_traits traits;

	storage_traits(image->storage, image->format, &traits);
	return traits.thin;
}

static size_t pool_for(struct limiter *l, const struct volume *image, size_t number)
{
	size_t i = 0;

	while (i < l->limit.n && l->pools[i].storage != image->storage)
		i++;
	if (i == l->limit.n) {
		l->pools = xreallocarray(l->pools, ++l->limit.n, sizeof(*l->pools));
		l->pools[i] = (struct pool){ .storage = image->storage, .image = number };
	}
	return i;
}

static void say_unlimited(const struct limiter *l, const struct volume *image)
{
	if (is_asked_for(l->s))
		log_info(l->s->p.log,
			 "%s: no limit of fleecing images holds on storage '%s', which reserves "
			 "a whole image at once",
			 image->volid, image->storage->id);
}

static void make_pools(struct limiter *l, const struct volume *const images[])
{
	l->pool_of = xcalloc(l->n_images, sizeof(*l->pool_of));
	l->copied = xcalloc(l->n_images, sizeof(*l->copied));
	for (size_t i = 0; i < l->n_images; i++) {
		l->pool_of[i] = is_thin(images[i]) ? pool_for(l, images[i], i) : SIZE_MAX;
		if (l->pool_of[i] == SIZE_MAX)
			say_unlimited(l, images[i]);
	}
}

static uint64_t room_of(const struct pool *p, const struct usage_seen *seen)
{
	if (!p->has_reserve || !seen->has_avail)
		return UINT64_MAX;
	return seen->avail > p->reserve ? seen->avail - p->reserve : 0;
}

static void see_all(struct limiter *l, struct limit_seen *ret)
{
	for (size_t i = 0; i < l->limit.n; i++) {
		struct pool *p = &l->pools[i];
		struct usage_seen seen;

		usage_get_storage(l->s->usage, p->image, &seen);
		pthread_mutex_lock(&l->lock);
		ret[i] = (struct limit_seen){
			.used = seen.used, .room = room_of(p, &seen), .at_ns = seen.at_ns, .copied = p->copied
		};
		pthread_mutex_unlock(&l->lock);
	}
}

/* Whether anything limits the pools. */
static bool is_limited(const struct limiter *l)
{
	bool any = l->limit.bytes != UINT64_MAX;

	for (size_t i = 0; i < l->limit.n; i++)
		any |= l->pools[i].has_reserve;
	return any && l->limit.n;
}

static void look(struct limiter *l)
{
	_cleanup_free_ struct limit_seen *seen = xcalloc(l->limit.n, sizeof(*seen));

	see_all(l, seen);
	limit_look(&l->limit, units_now_ns(), seen);
	pthread_mutex_lock(&l->lock);
	l->slowdown = l->limit.slowdown;
	pthread_mutex_unlock(&l->lock);
}

static void begin(struct limiter *l)
{
	l->limit.pools = xcalloc(l->limit.n, sizeof(*l->limit.pools));
	l->limit.timeout_ns = qemu_cbw_timeout_ns(&l->s->live->features, LIVE_CBW_TIMEOUT_S);
	for (size_t i = 0; i < l->s->n; i++) {
		if (l->s->list[i]->live)
			strv_add(&l->devices, l->s->list[i]->live->graph.qom_path);
	}
	for (size_t i = 0; i < l->limit.n; i++) {
		const struct pool *p = &l->pools[i];

		l->pools[i].group = xasprintf(GRAPH_PREFIX "limits-%zu", i);
		l->limit.pools[i].age_ns =
			LIMIT_LOOK_NS + storage_ask_interval_ms(p->storage) * UINT64_C(1000000);
	}
	usage_sample(l->s->usage);
	look(l);
}

int limiter_new(const struct sources *s, const struct volume *const images[], const uint64_t sizes[],
		size_t n, struct limiter **ret, struct error **err)
{
	struct limiter *l;
	pthread_condattr_t monotonic;
	int r;

	if (!s->live->features.throttle)
		return 0;
	l = xcalloc(1, sizeof(*l));
	l->s = s;
	l->n_images = n;
	l->told.quiet_ns = QUIET_NS;
	r = cancel_init(&l->cancel, err);
	if (r < 0) {
		free(l);
		return r;
	}
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	make_pools(l, images);
	find_limit(l, sizes);
	for (size_t i = 0; i < l->limit.n; i++)
		find_reserve(l, &l->pools[i]);
	if (is_limited(l)) {
		begin(l);
		*ret = l;
	} else {
		limiter_free(l);
	}
	return 0;
}

/* ---- QEMU ---- */

int limiter_attach(struct limiter *l, size_t image, struct qmp *q, const char **ret, struct error **err)
{
	struct pool *p;
	struct limit_pool *limit;
	int r;

	*ret = NULL;
	if (!l || l->pool_of[image] == SIZE_MAX)
		return 0;
	p = &l->pools[l->pool_of[image]];
	limit = &l->limit.pools[l->pool_of[image]];
	*ret = p->group;
	if (p->attached)
		return 0;
	r = graph_add_group(q, p->group, &limit->want, err);
	if (r == 0) {
		limit_note_set(limit, units_now_ns());
		p->attached = true;
	}
	return r;
}

static int monitor(const struct limiter *l, struct qmp **ret, struct error **err)
{
	return guest_monitor(&l->s->p.guest, &l->cancel, ret, err);
}

static int connect_once(const struct limiter *l, struct qmp **q, struct error **err)
{
	return *q ? 0 : monitor(l, q, err);
}

static int set_rates(struct limiter *l, struct qmp **q, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < l->limit.n && r == 0; i++) {
		struct limit_pool *p = &l->limit.pools[i];

		if (!p->change)
			continue;
		r = connect_once(l, q, err);
		if (r == 0)
			r = graph_set_group(*q, l->pools[i].group, &p->want, err);
		if (r == 0)
			limit_note_set(p, units_now_ns());
	}
	return r;
}

static int ask_writes(struct limiter *l, struct qmp **q, struct error **err)
{
	struct graph_writes writes;
	int r;

	if (!limit_is_near(&l->limit) || units_now_ns() - l->limit.writes_ns < WRITES_NS)
		return 0;
	r = connect_once(l, q, err);
	if (r == 0)
		r = graph_get_writes(*q, l->devices, &writes, err);
	if (r == 0)
		limit_note_writes(&l->limit, units_now_ns(), &writes);
	return r;
}

/* If the monitor is busy, what was set last holds until the next look. */
static void talk(struct limiter *l)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = ask_writes(l, &q, &err);

	if (r == 0)
		r = set_rates(l, &q, &err);
	if (r < 0)
		log_debug(l->s->p.log, "the limit of fleecing images: %s", error_message(err));
}

/* ---- the log ---- */

static void say_slow(const struct limiter *l)
{
	const struct source_slowdown *s = &l->limit.slowdown;
	_cleanup_free_ char *limit = units_bytes(s->limit, 1), *used = NULL;
	struct usage_value now;

	usage_get_total(l->s->usage, &now);
	used = units_bytes(now.now, 1);
	log_info(
		l->s->p.log,
		"fleecing images take %s of at most %s (%s): writes of the guest to data that is not saved yet "
		"are slowed to what the archive takes",
		used, limit, s->why);
}

static char *average(uint64_t bytes, uint64_t ns)
{
	return units_bytes(ns ? (uint64_t)((double)bytes * 1e9 / (double)ns) : 0, 1);
}

static void say_end(const struct limiter *l)
{
	const struct source_slowdown *s = &l->limit.slowdown, *from = &l->told.from;
	_cleanup_free_ char *time = units_duration((s->ns - from->ns + 500000000) / 1000000000);
	_cleanup_free_ char *rate = average(s->copied - from->copied, s->ns - from->ns);

	log_info(l->s->p.log,
		 "writes of the guest are not slowed any more: for %s they were, to %s/s on average", time,
		 rate);
}

static void say(struct limiter *l, const struct source_slowdown *before)
{
	const struct source_slowdown *s = &l->limit.slowdown;

	if (s->now && !l->told.said && units_now_ns() >= l->told.next_ns) {
		say_slow(l);
		l->told.from = *before;
		l->told.said = true;
	} else if (!s->now && l->told.said) {
		say_end(l);
		l->told.said = false;
		l->told.next_ns = units_now_ns() + l->told.quiet_ns;
		l->told.quiet_ns *= 2;
	}
}

static void say_sum(const struct limiter *l)
{
	const struct source_slowdown *s = &l->limit.slowdown;
	_cleanup_free_ char *time = units_duration((s->ns + 500000000) / 1000000000);
	_cleanup_free_ char *rate = average(s->copied, s->ns), *lowest = units_bytes(s->lowest_rate, 1);

	if (s->times)
		log_info(
			l->s->p.log,
			"fleecing images had reached their limit (%s): writes of the guest to data that was not "
			"saved yet were slowed for %s in all, to %s/s on average and %s/s at least",
			s->why, time, rate, lowest);
}

/* ---- the thread ---- */

/* Returns false when it is over. */
static bool wait_for_look(struct limiter *l)
{
	const uint64_t at = units_now_ns() + (limit_is_near(&l->limit) ? LIMIT_HURRY_NS : LIMIT_LOOK_NS);
	const struct timespec until = { .tv_sec = (time_t)(at / 1000000000u),
					.tv_nsec = (long)(at % 1000000000u) };
	bool stop;

	pthread_mutex_lock(&l->lock);
	while (!l->stop && pthread_cond_timedwait(&l->wake, &l->lock, &until) == 0)
		;
	stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return !stop;
}

static void *limiter_thread(void *opaque)
{
	struct limiter *l = opaque;

	pthread_setname_np(pthread_self(), "limiter");
	while (wait_for_look(l)) {
		const struct source_slowdown before = l->limit.slowdown;

		look(l);
		talk(l);
		say(l, &before);
		usage_hurry(l->s->usage, limit_is_near(&l->limit));
	}
	return NULL;
}

int limiter_start(struct limiter *l, struct error **err)
{
	int r = l ? thread_start(&l->thread, limiter_thread, l, err) : 0;

	if (l)
		l->running = r == 0;
	return r;
}

void limiter_note_copied(struct limiter *l, size_t image, uint64_t bytes)
{
	if (!l || l->pool_of[image] == SIZE_MAX)
		return;
	pthread_mutex_lock(&l->lock);
	if (bytes > l->copied[image]) {
		l->pools[l->pool_of[image]].copied += bytes - l->copied[image];
		l->copied[image] = bytes;
	}
	pthread_mutex_unlock(&l->lock);
}

static void end_thread(struct limiter *l)
{
	if (!l->running)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	cancel_request(&l->cancel);
	pthread_join(l->thread, NULL);
	l->running = false;
}

/* What waits goes on when the filter is removed, but what comes until then need not wait either. */
static void lift(const struct limiter *l)
{
	_cleanup_qmp_ struct qmp *q = NULL;

	if (!l->limit.slowdown.now || live_monitor(l->s, &q, NULL) < 0)
		return;
	for (size_t i = 0; i < l->limit.n; i++) {
		if (graph_set_group(q, l->pools[i].group, &(struct graph_rate){ 0 }, NULL) < 0)
			return;
	}
}

void limiter_stop(struct limiter *l)
{
	if (!l || !l->running)
		return;
	end_thread(l);
	lift(l);
	say_sum(l);
}

void limiter_free(struct limiter *l)
{
	if (!l)
		return;
	end_thread(l);
	for (size_t i = 0; i < l->limit.n; i++)
		free(l->pools[i].group);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	cancel_clear(&l->cancel);
	free(l->limit.pools);
	free(l->pools);
	free(l->pool_of);
	free(l->copied);
	strv_free(l->devices);
	free(l);
}

bool limiter_get(struct limiter *l, struct source_slowdown *ret)
{
	if (!l)
		return false;
	pthread_mutex_lock(&l->lock);
	*ret = l->slowdown;
	pthread_mutex_unlock(&l->lock);
	return true;
}
