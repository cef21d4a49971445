/* The incremental part of a guest's backup: its chain and base, and what the log says of them. */
#include <string.h>

#include "backup/task-internal.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/settings.h"
#include "vma/reuse.h"

/* ---- the choice ---- */

/* settings.c has warned if the option has no effect with these. */
static bool is_wanted(const struct task *t)
{
	return t->o->incremental.enabled && place_keeps(t->o->place) &&
	       t->o->settings->archive.compression == SETTINGS_COMPRESS_ZSTD;
}

static void set_names(struct task_incremental *inc, const char *archive)
{
	const struct base_choice *c = &inc->choice;

	uuid_text(inc->uuid, c->uuid);
	vma_gen_text(inc->gen, c->chain.gen);
	inc->names = (struct source_chain){ .uuid = inc->uuid, .gen = inc->gen, .archive = archive };
	if (c->supersedes) {
		uuid_text(inc->superseded, c->superseded);
		inc->names.superseded = inc->superseded;
	}
	if (!c->base)
		return;
	vma_gen_text(inc->base_gen, c->chain.base_gen);
	inc->names.base = inc->base_gen;
	inc->base_name = xstrdup(vma_base_name(c->base));
}

static void report_choice(const struct task *t)
{
	const struct task_incremental *inc = &t->incremental;
	struct incremental_report *r = &t->row->incremental;

	r->asked = true;
	r->chained = inc->choice.chained;
	r->base = xstrdup_null(inc->base_name);
	r->reason = xstrdup_null(inc->choice.reason);
	r->generation = inc->choice.chain.generation;
}

/* A new chain has no base; else what became of it is known when the disks are opened. */
static void say_full(const struct task *t)
{
	const struct base_choice *c = &t->incremental.choice;

	if (c->reason)
		log_info(t->log, "full backup%s: %s", c->chained ? ", a new chain begins" : "", c->reason);
}

int task_incremental_choose(struct task *t, struct error **err)
{
	const struct base_choice_params p = { .place = t->o->place,
					      .vmid = t->vmid,
					      .config = &t->o->incremental,
					      .journal = t->guest.journal,
					      .cancel = t->host->cancel,
					      .now = time(NULL) };
	struct task_incremental *inc = &t->incremental;
	int r;

	if (!is_wanted(t))
		return 0;
	r = base_choose(&p, &inc->choice, err);
	if (r < 0)
		return error_wrap(err, r, "choosing the base of the incremental backup");
	if (inc->choice.chained)
		set_names(inc, t->archive.path);
	report_choice(t);
	say_full(t);
	return 0;
}

/* ---- the archive ---- */

void task_incremental_header(const struct task *t, struct vma_header *hdr)
{
	const struct base_choice *c = &t->incremental.choice;

	if (!c->chained)
		return;
	memcpy(hdr->uuid, c->uuid, VMA_UUID_SIZE);
	/* rises along a chain, even if the clock was set back */
	if (c->base && hdr->ctime <= vma_base_header(c->base)->ctime &&
	    vma_base_header(c->base)->ctime < INT64_MAX)
		hdr->ctime = vma_base_header(c->base)->ctime + 1;
}

const struct vma_header *task_incremental_base(const struct task *t)
{
	const struct base_choice *c = &t->incremental.choice;

	return c->base ? vma_base_header(c->base) : NULL;
}

void task_incremental_writer(struct task *t, struct vma_writer_options *o)
{
	struct base_choice *c = &t->incremental.choice;
	const struct vma_reuse_options reuse = { .base = c->base,
						 .scrub = t->o->incremental.max_generations,
						 .generation = c->chain.generation,
						 .log = t->log };

	if (!c->chained)
		return;
	o->chain = &c->chain;
	if (c->base)
		t->incremental.reuse = vma_reuse_new(&reuse);
	c->base = NULL; /* it is the reuse's */
	o->reuse = t->incremental.reuse;
}

/* ---- what the log says ---- */

/*
 * Why all of a disk is read: of the largest one without its bitmap, by its name if others have theirs.  NULL:
 * all have.  Caller frees.
 */
static char *why_compared(const struct task *t, uint64_t *ret_looked_at, uint64_t *ret_size)
{
	const struct task_disk *largest = NULL;
	const char *why = NULL;
	bool all = true;

	*ret_looked_at = *ret_size = 0;
	for (size_t i = 0; i < t->disks.n; i++) {
		const struct task_disk *d = &t->disks.list[i];
		struct copy_base_state state;

		copy_get_base_state(t->copy, (unsigned)i, &state);
		*ret_looked_at += state.candidate_bytes;
		*ret_size += d->source->size;
		all = all && state.why;
		if (!state.why || (largest && largest->source->size >= d->source->size))
			continue;
		largest = d;
		why = state.why;
	}
	return !why ? NULL : all ? xstrdup(why) : xasprintf("%s: %s", largest->device, why);
}

static bool is_known(const struct task *t)
{
	for (size_t i = 0; i < t->disks.n; i++) {
		struct copy_base_state state;

		copy_get_base_state(t->copy, (unsigned)i, &state);
		if (!state.known)
			return false;
	}
	return true;
}

void task_incremental_tick(struct task *t)
{
	struct task_incremental *inc = &t->incremental;
	struct incremental_report *r = &t->row->incremental;
	_cleanup_free_ char *why = NULL, *some = NULL, *all = NULL;
	uint64_t size;

	if (!inc->reuse || inc->said || !is_known(t))
		return;
	inc->said = true;
	why = why_compared(t, &r->looked_at, &size);
	some = units_bytes(r->looked_at, 1);
	all = units_bytes(size, 1);
	if (!why)
		log_info(t->log, "incremental to %s: %s of %s changed", inc->base_name, some, all);
	else if (r->looked_at == size)
		log_info(t->log, "full backup: %s, comparing with %s", why, inc->base_name);
	else
		log_info(t->log, "incremental to %s: comparing %s of %s (%s)", inc->base_name, some, all,
			 why);
	if (why) {
		free(r->reason);
		r->reason = TAKE_PTR(why);
	}
}

static const char *how_taken(const struct output_copied *c)
{
	if (!c->copied && !c->written)
		return "shared blocks";
	if (!c->shared && !c->written)
		return "copied by the file system";
	return c->shared || c->copied ? "in part copied" : "copied";
}

/* Also before a failed finish: the reuse is the writer's. */
void task_incremental_end(struct task *t, const struct vma_writer_stats *stats)
{
	struct task_incremental *inc = &t->incremental;
	struct incremental_report *r = &t->row->incremental;
	const struct output_copied *c = &stats->copied;
	_cleanup_free_ char *taken = NULL, *new = NULL;
	const uint64_t all = c->shared + c->copied + c->written;
	struct vma_reuse_stats s;

	if (!inc->reuse)
		return;
	vma_reuse_get_stats(inc->reuse, &s);
	r->changed = s.changed_bytes;
	r->bad = s.bad;
	r->shared = c->shared;
	r->taken = c->copied + c->written;
	taken = units_bytes(all, 1);
	new = units_bytes(stats->file_bytes - all, 1);
	if (all)
		log_info(t->log, "taken over from %s: %s (%s), new: %s", inc->base_name, taken, how_taken(c),
			 new);
	else
		log_info(t->log, "taken over from %s: nothing, new: %s", inc->base_name, new);
}

void task_incremental_published(struct task *t)
{
	if (t->incremental.choice.chained)
		sources_published(t->sources);
}

void task_incremental_clear(struct task *t)
{
	base_choice_clear(&t->incremental.choice);
	free(t->incremental.base_name);
}
