/* What of the base goes into the new archive: random schedules against a model, and single rules. */
#include <sched.h>

#include "reuse-base.h"
#include "reuse-steps.h"

#define SEEDS   60u
#define THREADS 4u

/* ---- schedules ---- */

static void *take_steps(void *opaque)
{
	struct stepper *s = opaque;
	bool done, end = false;

	pthread_mutex_lock(&s->m->lock);
	while (!end) {
		s->m->busy++;
		done = step(s);
		s->m->busy--;
		end = s->m->wrong || (!done && !s->m->busy);
		if (!done && !end) {
			pthread_mutex_unlock(&s->m->lock);
			sched_yield();
			pthread_mutex_lock(&s->m->lock);
		}
	}
	pthread_mutex_unlock(&s->m->lock);
	return NULL;
}

static void run_steps(struct model *m, const struct vma_secret *secret, uint32_t seed, unsigned push,
		      unsigned n_threads)
{
	struct stepper *steppers = xcalloc(n_threads, sizeof(*steppers));
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < n_threads; i++) {
		steppers[i].m = m;
		steppers[i].secret = secret;
		steppers[i].seed = seed * 31 + i;
		steppers[i].push = push;
		if (vma_base_unpacked_init(&steppers[i].unpacked, NULL) < 0)
			abort();
	}
	for (unsigned i = 1; i < n_threads; i++)
		pthread_create(&threads[i], NULL, take_steps, &steppers[i]);
	take_steps(&steppers[0]);
	for (unsigned i = 1; i < n_threads; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < n_threads; i++)
		vma_base_unpacked_clear(&steppers[i].unpacked);
	free(steppers);
}

/* Whether all is right with this seed, in so many threads. */
static bool schedule(uint32_t seed, unsigned n_threads)
{
	static const unsigned pushes[] = { 0, 1, 5, 40 };
	const struct vma_reuse_options options = { .scrub = seed % 3 ? 0 : 3, .generation = seed };
	struct model m = { 0 };
	struct vma_secret secret;
	uint32_t state = seed;
	bool right;

	fill_disks(&m, &state);
	model_start(&m, &state, &options, &secret);
	if (seed % 2)
		damage_frames(&m, &state, seed % 4 == 1 ? 2 : 10);
	run_steps(&m, &secret, seed, pushes[model_random(&state) % 4], n_threads);
	if (!m.wrong)
		model_check(&m);
	right = !m.wrong;
	if (!right)
		diag("seed %u: %s", seed, m.wrong);
	model_clear(&m);
	return right;
}

static void random_schedules(void)
{
	unsigned wrong = 0;

	for (uint32_t seed = 1; seed <= SEEDS; seed++)
		wrong += !schedule(seed, 1);
	ok(!wrong, "whatever comes in which order, each cluster comes once, from where it should");
	wrong = 0;
	for (uint32_t seed = 1; seed <= SEEDS / 3; seed++)
		wrong += !schedule(1000 + seed, THREADS);
	ok(!wrong, "so it does with several threads");
}

/* ---- single rules ---- */

/* Bytes of so many full frames. */
static uint64_t frames(unsigned n)
{
	return (uint64_t)n * VMA_CLUSTERS_PER_EXTENT * VMA_CLUSTER_SIZE;
}

/* One disk, which had and has these sizes, and of which nothing else has changed, with a bitmap. */
static void begin_sizes(struct model *m, uint64_t old_size, uint64_t size, const struct vma_reuse_options *o)
{
	struct vma_secret secret;

	*m = (struct model){ 0 };
	disk_sizes(m, 0, old_size, size);
	for (uint32_t i = 0; i < m->disks[0].old_clusters; i++)
		m->disks[0].was[i] = m->disks[0].now[i] = i + 1;
	m->disks[0].bitmap = true;
	model_start(m, NULL, o, &secret);
	m->idle = true;
}

static void begin_rule(struct model *m, unsigned n_frames, const struct vma_reuse_options *o)
{
	begin_sizes(m, frames(n_frames), frames(n_frames), o);
}

static void damage_all(struct model *m, enum damage how)
{
	for (uint32_t i = 0; i < vma_base_frames(m->base); i++)
		if (vma_base_frame_dev(m->base, i))
			damage_frame(m, i, how);
}

/* A cluster is read as it was in the base. */
static enum vma_reuse_verdict compare_old(struct model *m, uint32_t cluster)
{
	const struct model_disk *d = &m->disks[0];
	uint8_t content[VMA_CLUSTER_SIZE], hash[VMA_HASH_SIZE];
	const uint16_t mask = model_content(content, 1, d->old_size, cluster, d->was[cluster]);
	enum vma_reuse_verdict verdict;

	vma_hash_cluster(&vma_base_chain(m->base)->secret, content, hash);
	model_call = CALL_COMPARE;
	verdict = vma_reuse_compare(m->reuse, 1, cluster, mask, hash);
	model_call = CALL_OTHER;
	return verdict;
}

static void begin_disk(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	begin(m, &m->disks[0]);
	pthread_mutex_unlock(&m->lock);
}

/* Settles all that is ready; returns how many leftovers there are. */
static unsigned settle_all(struct model *m)
{
	uint8_t leftovers[VMA_CLUSTERS_PER_EXTENT];
	struct vma_base_unpacked u;
	unsigned sum = 0, n;
	uint32_t frame;

	if (vma_base_unpacked_init(&u, NULL) < 0)
		abort();
	while (vma_reuse_next(m->reuse, &frame)) {
		model_call = CALL_SETTLE;
		vma_reuse_settle(m->reuse, frame, &u, leftovers, &n);
		model_call = CALL_OTHER;
		sum += n;
	}
	vma_base_unpacked_clear(&u);
	return sum;
}

static struct vma_reuse_stats stats_of(const struct model *m)
{
	struct vma_reuse_stats s;

	vma_reuse_get_stats(m->reuse, &s);
	return s;
}

static void kept_at_once(void)
{
	struct model m;

	begin_rule(&m, 3, &(struct vma_reuse_options){ 0 });
	begin_disk(&m);
	ok(stats_of(&m).kept == 3 && m.disks[0].released[0] == 1 && !model_incomplete(&m) && m.idle,
	   "frames without candidates are kept when the disk begins");
	model_clear(&m);
}

static void push_under_way(void)
{
	struct model m;

	begin_rule(&m, 3, &(struct vma_reuse_options){ 0 });
	cover_take(&m.disks[0], 60, HOW_PUSHED);
	begin_disk(&m);
	ok(stats_of(&m).kept == 2 && !m.idle, "a frame of which a cluster was just pushed is not kept");
	vma_reuse_pushed(m.reuse, 1, 60);
	ok(settle_all(&m) == VMA_CLUSTERS_PER_EXTENT - 1 && stats_of(&m).rewritten == 1 && !m.wrong,
	   "the others of it are leftovers");
	model_clear(&m);
}

/* In each generation all frames that are unpacked turn out to be bad. */
static void scrubbed_once(void)
{
	bool *seen = NULL;
	unsigned n = 0;

	for (uint32_t generation = 7; generation < 12; generation++) {
		struct model m;

		begin_rule(&m, 10, &(struct vma_reuse_options){ .scrub = 5, .generation = generation });
		seen = seen ? seen : xcalloc(m.disks[0].clusters, sizeof(*seen));
		damage_all(&m, DAMAGE_CONTENT);
		begin_disk(&m);
		settle_all(&m);
		for (uint32_t i = 0; i < m.disks[0].clusters; i++) {
			const bool again = !m.disks[0].claimed[i];

			n += again && !seen[i];
			seen[i] |= again;
		}
		ok(stats_of(&m).kept + stats_of(&m).bad == 10, "generation %u: %u frames are found damaged",
		   generation, stats_of(&m).bad);
		model_clear(&m);
	}
	ok(n == 10 * VMA_CLUSTERS_PER_EXTENT, "in `scrub` generations each frame is unpacked once");
	free(seen);
}

static void changed_wholly(void)
{
	struct model m;

	begin_rule(&m, 2, &(struct vma_reuse_options){ 0 });
	damage_all(&m, DAMAGE_CONTENT);
	for (uint32_t i = 0; i < 50; i++) {
		cover_take(&m.disks[0], i, HOW_ZERO);
		map_set(&m.disks[0].candidates, i);
	}
	for (uint32_t i = 50; i < VMA_CLUSTERS_PER_EXTENT; i++) {
		cover_take(&m.disks[0], i, HOW_PUSHED);
		vma_reuse_pushed(m.reuse, 1, i);
	}
	begin_disk(&m);
	vma_reuse_zero(m.reuse, 1, 0, 50);
	ok(m.idle && !settle_all(&m) && stats_of(&m).rewritten == 1 && stats_of(&m).bad == 0,
	   "a frame of which nothing is left is not unpacked");
	model_clear(&m);
}

/* Damage would show. */
static void kept_unseen(void)
{
	struct model m;

	begin_rule(&m, 2, &(struct vma_reuse_options){ 0 });
	damage_all(&m, DAMAGE_CONTENT);
	map_set(&m.disks[0].candidates, 7);
	begin_disk(&m);
	ok(compare_old(&m, 7) == VMA_REUSE_SAME && m.idle && stats_of(&m).kept == 2 && !m.wrong,
	   "a frame whose candidates turn out to be the same is kept at once, without being unpacked");
	model_clear(&m);
}

static void bad_at_once(void)
{
	struct model m;

	begin_rule(&m, 1, &(struct vma_reuse_options){ 0 });
	damage_all(&m, DAMAGE_TRAILER);
	for (uint32_t i = 10; i < 13; i++)
		map_set(&m.disks[0].candidates, i);
	begin_disk(&m);
	for (uint32_t i = 10; i < 13; i++)
		m.disks[0].claimed[i] = true;
	ok(compare_old(&m, 11) == VMA_REUSE_CHANGED && stats_of(&m).bad == 1 && !m.disks[0].claimed[9],
	   "a trailer that cannot be read makes the frame bad at once: what was not a candidate is read");
	ok(m.disks[0].claimed[10] && m.disks[0].claimed[12],
	   "candidates come anyway, and are not read twice");
	ok(compare_old(&m, 10) == VMA_REUSE_CHANGED && compare_old(&m, 9) == VMA_REUSE_CHANGED &&
		   compare_old(&m, 9) == VMA_REUSE_GONE && stats_of(&m).changed_bytes == 0 && !m.wrong,
	   "each is taken once, and not counted as changed");
	model_clear(&m);
}

/* The disk ended within cluster 60, of which nothing is stored behind its old end. */
static void grown(void)
{
	struct model m;

	begin_sizes(&m, frames(1) + VMA_CLUSTER_SIZE + 4096, frames(2), &(struct vma_reuse_options){ 0 });
	begin_disk(&m);
	ok(stats_of(&m).kept == 1 && stats_of(&m).candidate_bytes == frames(1) - VMA_CLUSTER_SIZE &&
		   compare_old(&m, VMA_CLUSTERS_PER_EXTENT + 1) == VMA_REUSE_CHANGED,
	   "the cluster in which the disk ended counts as changed, all behind it is read");
	ok(settle_all(&m) == 1 && !m.wrong, "the others of its frame are leftovers");
	model_clear(&m);
}

static void zeroes_in_frames(void)
{
	struct model m;

	begin_rule(&m, 2, &(struct vma_reuse_options){ 0 });
	for (uint32_t i = 50; i < 70; i++) {
		map_set(&m.disks[0].candidates, i);
		cover_take(&m.disks[0], i, HOW_ZERO);
	}
	begin_disk(&m);
	vma_reuse_zero(m.reuse, 1, 50, 20);
	ok(!m.idle && settle_all(&m) == 2 * VMA_CLUSTERS_PER_EXTENT - 20 &&
		   stats_of(&m).changed_bytes == 20 * VMA_CLUSTER_SIZE && !m.wrong,
	   "a row that has become zero leaves leftovers of all frames that it touches");
	model_clear(&m);
}

static void count_line(const struct log *log, enum log_level level, const char *line)
{
	unsigned *n = log->opaque;

	*n += level == LOG_LEVEL_WARN && strstr(line, "base.vma.zst") != NULL;
}

static void warnings(void)
{
	unsigned n = 0;
	const struct log log = { .line = count_line, .opaque = &n };
	struct model m;

	begin_rule(&m, 12, &(struct vma_reuse_options){ .scrub = 1, .log = &log });
	for (uint32_t i = 0; i < vma_base_frames(m.base); i++)
		if (vma_base_frame_dev(m.base, i))
			damage_frame(&m, i, i % 4 ? DAMAGE_TRAILER : DAMAGE_CONTENT);
	begin_disk(&m);
	settle_all(&m);
	ok(stats_of(&m).bad == 12 && n == 9, "of many damaged frames the first are warned of");
	model_clear(&m);
}

static void stopped(void)
{
	const uint8_t hash[VMA_HASH_SIZE] = { 0 };
	uint8_t leftovers[VMA_CLUSTERS_PER_EXTENT];
	struct vma_base_unpacked u;
	struct model m;
	uint32_t frame;
	unsigned n = 1;

	begin_rule(&m, 3, &(struct vma_reuse_options){ .scrub = 1 });
	map_set(&m.disks[0].candidates, 2 * VMA_CLUSTERS_PER_EXTENT);
	begin_disk(&m);
	ok(vma_reuse_next(m.reuse, &frame) && !m.idle, "a frame is ready, and the workers were woken");
	if (vma_base_unpacked_init(&u, NULL) < 0)
		abort();
	m.idle = true;
	vma_reuse_stop(m.reuse);
	ok(vma_reuse_compare(m.reuse, 1, 0, VMA_MASK_ALL, hash) == VMA_REUSE_GONE,
	   "once it is stopped, all clusters are gone");
	damage_all(&m, DAMAGE_TRAILER);
	ok(compare_old(&m, 2 * VMA_CLUSTERS_PER_EXTENT) == VMA_REUSE_GONE && stats_of(&m).bad == 0 &&
		   m.disks[0].claimed[2 * VMA_CLUSTERS_PER_EXTENT + 1],
	   "nothing is read again");
	vma_reuse_settle(m.reuse, frame, &u, leftovers, &n);
	vma_reuse_pushed(m.reuse, 1, 2 * VMA_CLUSTERS_PER_EXTENT);
	ok(n == 0 && !vma_reuse_next(m.reuse, &frame) && m.idle && !m.disks[0].how[VMA_CLUSTERS_PER_EXTENT],
	   "nothing is taken any more, and nobody woken");
	vma_base_unpacked_clear(&u);
	model_clear(&m);
}

int main(void)
{
	kept_at_once();
	push_under_way();
	scrubbed_once();
	changed_wholly();
	kept_unseen();
	bad_at_once();
	grown();
	zeroes_in_frames();
	warnings();
	stopped();
	random_schedules();
	return done_testing();
}
