#include "source/usage.h"

#include <errno.h>
#include <pthread.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"

/*
 * A sample every 200 ms, or less often if sampling is slow: it may take a tenth of the time, but a tool that
 * takes half a second (rbd du on a busy host) still runs every few seconds.
 */
#define SAMPLE_NS     (200 * UINT64_C(1000000))
#define SAMPLE_MAX_NS (2000 * UINT64_C(1000000))
/* If somebody is in a hurry. */
#define SAMPLE_HURRY_NS (50 * UINT64_C(1000000))
/*
 * A storage with less than this free is full: QEMU's filter copies up to 1 MiB at once, and some file systems
 * (xfs) refuse before the last block is taken.
 */
#define FULL_BYTES (2 * MIB)

/* A storage that does not answer for this long hangs. It is asked again later, then after twice that time. */
#define REACH_MS 5000
#define AGAIN_NS (10 * UINT64_C(1000000000))

struct watched_storage {
	const struct storage *storage;
	unsigned warned_below;  /* percent; 100 = not yet */
	bool thin;              /* images there can run out of space; else it is reserved */
	bool hangs;             /* its file system does not answer */
	uint64_t again_ns;      /* when to ask it again all the same */
	uint64_t pause_ns;      /* the time until then */
	uint64_t due_ns;        /* when to ask again, if asking means running a tool */
	uint64_t used;          /* bytes of its images, within a sample */
	struct usage_seen seen; /* under the lock */
};

struct usage {
	const struct volume **images;
	struct usage_value *values;
	size_t n;
	struct watched_storage *storages;
	size_t n_storages;
	struct usage_value total;
	const struct log *log;
	pthread_t thread;
	pthread_mutex_t lock;     /* of the values, of what was seen, of stop and of hurry */
	pthread_mutex_t sampling; /* one sample at a time */
	pthread_cond_t wake;
	bool stop;
	bool hurry;
};

static struct watched_storage *storage_of(struct usage *u, const struct volume *image)
{
	size_t i = 0;

	while (u->storages[i].storage != image->storage)
		i++;
	return &u->storages[i];
}

static uint64_t sample_image(struct usage *u, size_t i)
{
	uint64_t used;
	bool good = volume_used(u->images[i], &used, NULL) == 0;

	pthread_mutex_lock(&u->lock);
	if (good)
		u->values[i].now = used;
	used = u->values[i].now;
	if (used > u->values[i].peak)
		u->values[i].peak = used;
	pthread_mutex_unlock(&u->lock);
	return used;
}

/* Checks that the storage answers, as a thread that touches a hanging mount would never return. */
static int reach_storage(const struct storage *s, struct error **err)
{
	return s->path ? bounded_reach(s->path, REACH_MS, NULL, err) : 0;
}

/* Each try that hangs leaves a thread behind, see bounded.h. */
static void note_hanging(const struct usage *u, struct watched_storage *w, const struct error *err)
{
	if (!w->hangs)
		log_warn(u->log, "fleecing storage '%s' does not answer: %s", w->storage->id,
			 error_message(err));
	w->hangs = true;
	w->pause_ns = w->pause_ns ? 2 * w->pause_ns : AGAIN_NS;
	w->again_ns = units_now_ns() + w->pause_ns;
}

static bool is_due(struct usage *u, struct watched_storage *w, uint64_t now_ns)
{
	_cleanup_error_ struct error *err = NULL;

	if (w->due_ns > now_ns || (w->hangs && w->again_ns > units_now_ns()))
		return false;
	if (reach_storage(w->storage, &err) < 0) {
		note_hanging(u, w, err);
		return false;
	}
	if (w->hangs)
		log_info(u->log, "fleecing storage '%s' answers again", w->storage->id);
	w->hangs = false;
	return true;
}

/* Samples images whose storage is due; the others count with their last value. */
static void sample_images(struct usage *u, uint64_t now_ns)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < u->n_storages; i++)
		u->storages[i].used = 0;
	for (size_t i = 0; i < u->n; i++) {
		struct watched_storage *w = storage_of(u, u->images[i]);
		const uint64_t used = is_due(u, w, now_ns) ? sample_image(u, i) : u->values[i].now;

		w->used += used;
		sum += used;
	}
	pthread_mutex_lock(&u->lock);
	u->total.now = sum;
	if (sum > u->total.peak)
		u->total.peak = sum;
	pthread_mutex_unlock(&u->lock);
}

static void warn_of_little(const struct usage *u, struct watched_storage *w, const struct storage_status *st)
{
	unsigned limit;

	if (st->avail >= st->total / 10)
		return;
	limit = st->avail < st->total / 20 ? 5 : 10;
	if (limit < w->warned_below) {
		_cleanup_free_ char *left = units_bytes(st->avail, 1);

		log_warn(u->log, "fleecing storage '%s' has less than %u%% of its space free (%s)",
			 w->storage->id, limit, left);
		w->warned_below = limit;
	}
}

/* since_ns: when the sample of its images began. */
static void check_room(struct usage *u, struct watched_storage *w, uint64_t since_ns)
{
	struct storage_status st = { 0 };
	struct usage_seen seen = { .used = w->used, .at_ns = since_ns };

	seen.has_avail = w->thin && storage_status(w->storage, &st, NULL) == 0 && st.total;
	seen.avail = st.avail;
	if (seen.has_avail)
		warn_of_little(u, w, &st);
	pthread_mutex_lock(&u->lock);
	w->seen = seen;
	pthread_mutex_unlock(&u->lock);
}

/* Takes one sample of all storages that are due: with UINT64_MAX, of all. */
static void sample_storages(struct usage *u, uint64_t now_ns)
{
	uint64_t since_ns;

	pthread_mutex_lock(&u->sampling);
	since_ns = units_now_ns();
	sample_images(u, now_ns);
	for (size_t i = 0; i < u->n_storages; i++) {
		struct watched_storage *w = &u->storages[i];

		if (w->hangs || w->due_ns > now_ns)
			continue;
		check_room(u, w, since_ns);
		w->due_ns = units_now_ns() + storage_ask_interval_ms(w->storage) * UINT64_C(1000000);
	}
	pthread_mutex_unlock(&u->sampling);
}

void usage_sample(struct usage *u)
{
	sample_storages(u, UINT64_MAX);
}

static uint64_t pause_after(const struct usage *u, uint64_t took)
{
	const uint64_t most = took > SAMPLE_MAX_NS ? took : SAMPLE_MAX_NS;
	const uint64_t least = u->hurry ? SAMPLE_HURRY_NS : SAMPLE_NS;

	if (took * 9 < least)
		return least;
	return took * 9 < most ? took * 9 : most;
}

static void *usage_thread(void *opaque)
{
	struct usage *u = opaque;
	bool stop = false;

	pthread_setname_np(pthread_self(), "usage");
	while (!stop) {
		uint64_t begin = units_now_ns(), took, at;
		struct timespec until;

		sample_storages(u, begin);
		took = units_now_ns() - begin;
		pthread_mutex_lock(&u->lock);
		at = begin + took + pause_after(u, took);
		until = (struct timespec){ .tv_sec = (time_t)(at / 1000000000u),
					   .tv_nsec = (long)(at % 1000000000u) };
		while (!u->stop && pthread_cond_timedwait(&u->wake, &u->lock, &until) == 0)
			;
		stop = u->stop;
		pthread_mutex_unlock(&u->lock);
	}
	return NULL;
}

static void watch_storage(struct usage *u, const struct volume *image)
{
	const struct storage *s = image->storage;
	struct image_traits traits;

	for (size_t i = 0; i < u->n_storages; i++) {
		if (u->storages[i].storage == s)
			return;
	}
	storage_traits(s, image->format, &traits);
	u->storages[u->n_storages++] =
		(struct watched_storage){ .storage = s, .warned_below = 100, .thin = traits.thin };
}

static void usage_free(struct usage *u)
{
	pthread_cond_destroy(&u->wake);
	pthread_mutex_destroy(&u->lock);
	pthread_mutex_destroy(&u->sampling);
	free(u->images);
	free(u->values);
	free(u->storages);
	free(u);
}

int usage_start(const struct volume *const images[], size_t n, const struct log *log, struct usage **ret,
		struct error **err)
{
	struct usage *u = xcalloc(1, sizeof(*u));
	pthread_condattr_t monotonic;
	int r;

	u->n = n;
	u->log = log;
	u->images = xcalloc(n, sizeof(*u->images));
	u->values = xcalloc(n, sizeof(*u->values));
	u->storages = xcalloc(n, sizeof(*u->storages));
	for (size_t i = 0; i < n; i++) {
		u->images[i] = images[i];
		watch_storage(u, images[i]);
	}
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->sampling, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&u->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = thread_start(&u->thread, usage_thread, u, err);
	if (r < 0) {
		usage_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

void usage_get(struct usage *u, size_t image, struct usage_value *ret)
{
	pthread_mutex_lock(&u->lock);
	*ret = u->values[image];
	pthread_mutex_unlock(&u->lock);
}

void usage_get_total(struct usage *u, struct usage_value *ret)
{
	pthread_mutex_lock(&u->lock);
	*ret = u->total;
	pthread_mutex_unlock(&u->lock);
}

void usage_get_storage(struct usage *u, size_t image, struct usage_seen *ret)
{
	const struct watched_storage *w = storage_of(u, u->images[image]);

	pthread_mutex_lock(&u->lock);
	*ret = w->seen;
	pthread_mutex_unlock(&u->lock);
}

void usage_hurry(struct usage *u, bool hurry)
{
	pthread_mutex_lock(&u->lock);
	u->hurry = hurry;
	pthread_mutex_unlock(&u->lock);
}

void usage_stop(struct usage *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	u->stop = true;
	pthread_cond_signal(&u->wake);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	usage_free(u);
}

int usage_explain(struct usage *u, struct error **err)
{
	for (size_t i = 0; i < u->n_storages; i++) {
		const struct storage *s = u->storages[i].storage;
		struct storage_status st = { 0 };
		_cleanup_error_ struct error *mine = NULL;
		int r = reach_storage(s, &mine);

		r = r < 0 ? r : storage_status(s, &st, &mine);
		/* a Ceph cluster without a manager reports no usage, but that does not make a read fail */
		if (r == ERR_NOT_FOUND && !s->path)
			continue;
		if (r < 0) {
			error_prefix(&mine, "fleecing storage '%s' does not answer", s->id);
			error_keep_first(err, &mine);
			return r;
		}
		if (u->storages[i].thin && st.avail < FULL_BYTES)
			return error_set(err, -ENOSPC,
					 "fleecing storage '%s' is full: free space on it, or name a "
					 "larger one with --fleecing enabled=1,storage=<storage>",
					 s->id);
	}
	return 0;
}
