/* What the steps of sources would do: the half of them that only looks. */
#include "base/mem.h"
#include "source/live.h"

/* If QEMU has leftovers, its disks are found only after a cleanup. */
static int look_into_qemu(struct sources *s, struct error **err)
{
	bool leftovers = false;
	int r = live_has_leftovers(s, &leftovers, err);

	if (r < 0)
		return r;
	if (!leftovers)
		return sources_find(s, err);
	log_info(s->p.log,
		 "QEMU has nodes of another backup, which are gone before this one begins: what else it has "
		 "cannot be seen now");
	sources_choose(s);
	return 0;
}

/* A volume that is not active has a size only if its storage tells it. */
static int find_size(struct source *d, struct source_plan *ret, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	bool active = true;
	int r = 0;

	ret->has_size = d->live || volume_size(d->volume, &d->size, &mine) == 0;
	ret->size = d->size;
	if (ret->has_size)
		return 0;
	if (d->volume->storage)
		r = storage_is_active(d->volume->storage, &active, err);
	if (r < 0 || !active || !volume_is_active(d->volume))
		return r;
	r = mine->code;
	error_keep_first(err, &mine);
	return error_wrap(err, r, "disk '%s'", d->conf->key);
}

static int plan_disk(struct sources *s, struct source *d, struct source_plan *plans, struct error **err)
{
	struct source_plan *p = &plans[d->number];
	int r;

	p->way = d->ops->name;
	p->file = d->live ? d->live->graph.filename : NULL;
	r = find_size(d, p, err);
	return r == 0 && d->ops->plan ? d->ops->plan(s, d, plans, p, err) : r;
}

int sources_plan(struct sources *s, enum sources_where where, struct source_plan *ret, struct error **err)
{
	int r = where == SOURCES_IN_QEMU ? look_into_qemu(s, err) : 0;

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = plan_disk(s, s->list[i], ret, err);
	return r;
}
