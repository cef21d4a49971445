#include "source/source.h"

#include <errno.h>

#include "base/mem.h"
#include "qemu/storage-daemon.h"
#include "source/choose.h"
#include "source/limiter.h"
#include "source/live.h"

struct sources *sources_new(const struct source_params *p)
{
	struct sources *s = xcalloc(1, sizeof(*s));

	s->p = *p;
	return s;
}

struct source *sources_add(struct sources *s, const struct guest_disk *conf, const char *device,
			   const struct volume *volume)
{
	struct source *d = xcalloc(1, sizeof(*d));

	*d = (struct source){
		.ops = &source_offline, .number = s->n, .conf = conf, .device = device, .volume = volume
	};
	s->list = xreallocarray(s->list, s->n + 1, sizeof(*s->list));
	s->list[s->n++] = d;
	return d;
}

void sources_get_times(const struct sources *s, struct sources_times *ret)
{
	*ret = s->times;
}

void sources_end(struct sources *s)
{
	if (!s)
		return;
	limiter_free(TAKE_PTR(s->limiter));
	usage_stop(TAKE_PTR(s->usage));
	if (s->daemon)
		storage_daemon_stop(s->daemon);
}

static void source_free(struct source *d)
{
	if (d->ops->close)
		d->ops->close(d);
	live_disk_free(d->live);
	free(d);
}

void sources_free(struct sources *s)
{
	if (!s)
		return;
	sources_end(s);
	for (size_t i = 0; i < s->n; i++)
		source_free(s->list[i]);
	live_free(s->live);
	free(s->daemon);
	free(s->list);
	free(s);
}

/* ---- a step of all disks ---- */

typedef int (*source_step)(struct sources *s, struct source *const *disks, size_t n, struct error **err);

enum step {
	STEP_FIND, /* `open` of those that are in the guest's QEMU */
	STEP_OPEN, /* `open` of the others */
	STEP_PREPARE,
	STEP_BEGIN,
	STEP_LOOK,
	STEP_CHECK,
};

static source_step step_function(const struct source *d, enum step step)
{
	const struct source_ops *o = d->ops;
	const bool in_qemu = o->open == live_open;

	switch (step) {
	case STEP_FIND:
		return in_qemu ? o->open : NULL;
	case STEP_OPEN:
		return in_qemu ? NULL : o->open;
	case STEP_PREPARE:
		return o->prepare;
	case STEP_BEGIN:
		return o->begin;
	case STEP_LOOK:
		return o->look;
	default:
		return o->check;
	}
}

/* The disks that have this function for the step.  Caller frees. */
static struct source **disks_with(const struct sources *s, enum step step, source_step function,
				  size_t *ret_n)
{
	struct source **disks = xcalloc(s->n, sizeof(struct source *));

	*ret_n = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (step_function(s->list[i], step) == function)
			disks[(*ret_n)++] = s->list[i];
	}
	return disks;
}

/* Calls a function for the step with all disks that have it, also if there are none. */
static int run_function(struct sources *s, enum step step, source_step function, struct error **err)
{
	size_t n;
	_cleanup_free_ struct source **disks = disks_with(s, step, function, &n);

	return function(s, disks, n, err);
}

/* Whether the disk has a function for the step that no earlier disk has. */
static bool is_first(const struct sources *s, size_t i, enum step step)
{
	for (size_t k = 0; k < i; k++) {
		if (step_function(s->list[k], step) == step_function(s->list[i], step))
			return false;
	}
	return step_function(s->list[i], step) != NULL;
}

static int run_step(struct sources *s, enum step step, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++) {
		if (is_first(s, i, step))
			r = run_function(s, step, step_function(s->list[i], step), err);
	}
	return r;
}

/* ---- the steps ---- */

static void choose_all(struct sources *s, enum source_fleecing fleecing)
{
	for (size_t i = 0; i < s->n; i++)
		s->list[i]->ops = source_choose(s->list[i]->conf->key, fleecing);
}

void sources_choose(struct sources *s)
{
	choose_all(s, s->p.fleecing->enabled ? SOURCE_FLEECING : SOURCE_NO_FLEECING);
}

int sources_clean(struct sources *s, struct error **err)
{
	return live_clean(s, err);
}

int sources_find(struct sources *s, struct error **err)
{
	int r;

	s->live = live_new();
	sources_choose(s);
	/* a running guest's QEMU is examined even if it has none of the disks */
	r = run_function(s, STEP_FIND, live_open, err);
	if (r < 0 || !s->p.fleecing->enabled)
		return r;
	if (live_can_fleece(s->live))
		return limiter_check(s, err);
	log_warn(s->p.log, "running QEMU version does not support backup fleecing - continuing without");
	choose_all(s, SOURCE_NO_FLEECING);
	return 0;
}

bool sources_vcpus_ran(const struct sources *s)
{
	return s->live && s->live->vcpus_ran;
}

void sources_write_out(const struct sources *s)
{
	live_write_out(s);
}

int sources_open(struct sources *s, const char *run_dir, struct error **err)
{
	s->run_dir = run_dir;
	return run_step(s, STEP_OPEN, err);
}

int sources_begin(struct sources *s, enum sources_freeze freeze, struct error **err)
{
	int r;

	s->freeze = freeze;
	r = run_step(s, STEP_PREPARE, err);
	if (r == 0)
		r = run_step(s, STEP_BEGIN, err);
	return r == 0 ? limiter_start(s->limiter, err) : r;
}

int sources_look(struct sources *s, struct error **err)
{
	return run_step(s, STEP_LOOK, err);
}

int sources_check(struct sources *s, struct error **err)
{
	return run_step(s, STEP_CHECK, err);
}

void sources_endpoint(const struct sources *s, const struct source *d, struct source_endpoint *ret)
{
	*ret = (struct source_endpoint){ 0 };
	d->ops->endpoint(s, d, ret);
}

int sources_barrier(struct sources *s, struct error **err)
{
	return live_barrier(s, err);
}

/*
 * QEMU gives up a snapshot if that lets the guest continue; then reads of it end with EINVAL and no cause.
 * The storage may show the cause, or else the kind of source can explain it.
 */
int sources_explain(struct sources *s, const struct source *d, int code, struct error **err)
{
	int r = s->usage ? usage_explain(s->usage, err) : 0;

	if (r < 0 || code != -EINVAL || !d || !d->ops->explain)
		return r;
	return d->ops->explain(d, code, err);
}

/* ---- space ---- */

bool source_get_space(const struct sources *s, const struct source *d, struct source_space *ret)
{
	if (!s->usage || !d->ops->space)
		return false;
	d->ops->space(s, d, ret);
	return true;
}

bool sources_get_space(const struct sources *s, struct usage_value *ret)
{
	if (s->usage)
		usage_get_total(s->usage, ret);
	return s->usage != NULL;
}

void sources_sample_space(struct sources *s)
{
	if (s->usage)
		usage_sample(s->usage);
}

bool sources_get_slowdown(const struct sources *s, struct source_slowdown *ret)
{
	return limiter_get(s->limiter, ret);
}

void sources_note_copied(const struct sources *s, const struct source *d, uint64_t bytes)
{
	if (d->ops->note_copied)
		d->ops->note_copied(s, d, bytes);
}

void sources_lift(const struct sources *s)
{
	limiter_stop(s->limiter);
}
