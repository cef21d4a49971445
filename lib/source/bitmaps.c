#include "source/bitmaps.h"

#include "base/mem.h"
#include "qemu/base-bitmap.h"
#include "qemu/pause.h"
#include "source/live.h"

#define WITHOUT_THEM "the next incremental backup reads more"

/* ---- before the instant ---- */

/*
 * Of this chain all but those of the base and of the new generation: what a killed or failed backup has left.
 * Of other chains those of archives that are long gone.
 */
static void remove_needless(const struct sources *s, struct qmp *q, const struct base_bitmaps *l)
{
	const struct source_chain *c = s->p.chain;
	const struct base_bitmap_choice own = { .chain = c->uuid, .but = c->base, .but_too = c->gen };
	_cleanup_error_ struct error *err = NULL, *other = NULL;

	if (base_bitmaps_remove(q, l, &own, NULL, &err) < 0 ||
	    base_bitmaps_remove_old(q, l, c->uuid, &other) < 0)
		log_warn(s->p.log, "removing old dirty bitmaps from QEMU: %s",
			 error_message(err ? err : other));
}

static void find_base(const struct sources *s, struct source *d, const struct base_bitmaps *l)
{
	const struct source_chain *c = s->p.chain;
	struct live_disk *live = d->live;

	if (!c->base)
		return;
	live->no_base = base_bitmaps_reject(l, &live->graph, c->uuid, c->base, d->conf->key);
	if (!live->no_base)
		live->base = base_bitmap_name(c->uuid, c->base, d->conf->key);
}

static int look(struct sources *s, struct source *const *disks, size_t n, struct qmp *q, struct error **err)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	int r = base_bitmaps_load(q, &l, err);

	if (r < 0)
		return r;
	remove_needless(s, q, &l);
	for (size_t i = 0; i < n; i++)
		find_base(s, disks[i], &l);
	return 0;
}

static void add_one(const struct sources *s, const struct source *d, struct qmp *q)
{
	const struct source_chain *c = s->p.chain;
	_cleanup_free_ char *name = base_bitmap_name(c->uuid, c->gen, d->conf->key);
	_cleanup_error_ struct error *err = NULL;

	if (base_bitmap_add(q, &d->live->graph, &d->live->names, name, &err) < 0)
		log_warn(s->p.log, "%s: QEMU takes no dirty bitmap, " WITHOUT_THEM ": %s", d->device,
			 error_message(err));
}

static int add_all(struct sources *s, struct source *const *disks, size_t n, struct qmp *q,
		   struct error **err)
{
	const struct source_chain *c = s->p.chain;
	_cleanup_error_ struct error *mine = NULL;
	struct graph_pause pause;
	int r;

	s->live->bitmaps = xasprintf("%s-%s %s", c->uuid, c->gen, c->archive);
	if (journal_add(s->p.journal, JOURNAL_BITMAP, s->live->bitmaps, &mine) < 0) {
		log_warn(s->p.log, "no dirty bitmaps are made, " WITHOUT_THEM ": %s", error_message(mine));
		return 0;
	}
	r = graph_pause_if_needed(q, &pause, err);
	for (size_t i = 0; i < n && r == 0; i++)
		add_one(s, disks[i], q);
	return graph_pause_end_after(q, &pause, r, err);
}

int bitmaps_begin(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = live_monitor(s, &q, err);

	if (r < 0)
		return r;
	if (look(s, disks, n, q, &mine) < 0)
		log_warn(s->p.log, "looking for dirty bitmaps in QEMU: %s", error_message(mine));
	return add_all(s, disks, n, q, err);
}

/* ---- when the archive is published ---- */

static int remove_base(const struct sources *s, struct qmp *q, struct error **err)
{
	const struct source_chain *c = s->p.chain;
	const struct base_bitmap_choice own = { .chain = c->uuid, .but = c->gen };
	const struct base_bitmap_choice other = { .chain = c->superseded };
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	int r = base_bitmaps_load(q, &l, err);

	if (r == 0)
		r = base_bitmaps_remove(q, &l, &own, NULL, err);
	if (r == 0 && c->superseded)
		r = base_bitmaps_remove(q, &l, &other, NULL, err);
	return r;
}

void sources_published(struct sources *s)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_qmp_ struct qmp *q = NULL;

	if (!s->live || !s->live->bitmaps)
		return;
	journal_strike(s->p.journal, JOURNAL_BITMAP, s->live->bitmaps);
	if (live_monitor(s, &q, &err) < 0 || remove_base(s, q, &err) < 0)
		log_warn(s->p.log, "removing the dirty bitmaps of the backup before from QEMU: %s",
			 error_message(err));
}
