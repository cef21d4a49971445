/* What the steps of sources would do: the half of them that only looks. */
#include "base/mem.h"
#include "source/live.h"
#include "source/room.h"

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

/* Whether its size must be known: its storage tells it in any case, or its path is there. */
static int must_have_size(const struct volume *v, bool *ret, struct error **err)
{
	int r = 0;

	*ret = true;
	if (v->storage)
		r = storage_is_active(v->storage, ret, err);
	if (r < 0 || !*ret || (v->storage && v->storage->ops->size))
		return r;
	return volume_look(v, ret, err);
}

static int find_size(struct source *d, struct source_plan *ret, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	bool must;
	int r;

	ret->has_size = d->live || volume_size(d->volume, &d->size, &mine) == 0;
	ret->size = d->size;
	if (ret->has_size)
		return 0;
	r = must_have_size(d->volume, &must, err);
	if (r == 0 && must) {
		r = mine->code;
		error_keep_first(err, &mine);
	}
	return r < 0 ? error_wrap(err, r, "disk '%s'", d->conf->key) : 0;
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
	int r = 0;

	s->looks = true;
	if (where == SOURCES_IN_QEMU)
		r = look_into_qemu(s, err);
	if (where == SOURCES_IN_LATER_QEMU)
		sources_choose(s);
	for (size_t i = 0; i < s->n && r == 0; i++)
		r = plan_disk(s, s->list[i], ret, err);
	return r;
}

static bool is_limited(const struct source_plan *p)
{
	return p->image_storage && !p->image_reserved;
}

/* Another disk before it has an image on the same storage. */
static bool is_counted(const struct source_plan *plans, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (is_limited(&plans[k]) && plans[k].image_storage == plans[i].image_storage)
			return true;
	return false;
}

static uint64_t room_on(const struct source_plan *p)
{
	if (!p->has_avail)
		return UINT64_MAX;
	if (p->avail > p->reserve && p->avail - p->reserve > ROOM_MIN)
		return p->avail - p->reserve;
	return p->avail < ROOM_MIN ? p->avail : ROOM_MIN;
}

static uint64_t add_up(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

bool sources_plan_limit(const struct sources *s, const struct source_plan *plans,
			struct source_limit_plan *ret)
{
	uint64_t disks = 0;
	size_t n = 0;

	*ret = (struct source_limit_plan){ 0 };
	for (size_t i = 0; i < s->n; i++) {
		if (!is_limited(&plans[i]))
			continue;
		n++;
		disks += plans[i].size;
		if (!is_counted(plans, i))
			ret->room = add_up(ret->room, room_on(&plans[i]));
	}
	ret->asked = room_limit(s->p.fleecing, s->p.fleecing_limit, disks, &ret->why);
	if (ret->room < ret->asked)
		ret->why = "reserve";
	return n > 0;
}
