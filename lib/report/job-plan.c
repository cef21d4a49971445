#include "report/job-plan.h"

#include <stdlib.h>

#include "base/strv.h"

struct plan_bytes limit_plan_bytes(const struct limit_plan *l)
{
	if (l->asked.known && l->room.known)
		return l->asked.bytes < l->room.bytes ? l->asked : l->room;
	return l->asked.known ? l->asked : l->room;
}

bool guest_plan_is_good(const struct guest_plan *g, const struct task_report *row)
{
	return g->power != GUEST_POWER_UNKNOWN && !row->error;
}

bool job_plan_is_good(const struct job_report *r)
{
	bool good = !r->error;

	for (size_t i = 0; i < r->n; i++)
		good = good && !r->tasks[i].error;
	return good;
}

static void disk_plan_clear(struct disk_plan *d)
{
	free(d->key);
	free(d->volid);
	free(d->reason);
	free(d->name);
	free(d->file);
	free(d->image_storage);
}

static void guest_plan_clear(struct guest_plan *g)
{
	for (size_t i = 0; i < g->n_disks; i++)
		disk_plan_clear(&g->disks[i]);
	free(g->disks);
	free(g->newest);
	strv_free(g->prune);
}

void job_plan_clear(struct job_plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		guest_plan_clear(&p->guests[i]);
	free(p->guests);
	free(p->running);
	free(p->retention);
	free(p->script);
	strv_free(p->notify.if_good);
	strv_free(p->notify.if_bad);
	strv_free(p->external);
	*p = (struct job_plan){ 0 };
}
