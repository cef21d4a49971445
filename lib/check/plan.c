/*
 * What a backup of the guests would do now: the plan of one (backup/plan.h) for each job, and one for the
 * guests that no job saves.
 */
#include <stdlib.h>
#include <string.h>

#include "backup/plan.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "check/rows.h"

/* A plan that is made here. */
struct
try {
	struct check *c;
	char *subject; /* "job 'nightly'", "backup by hand" */
	struct settings settings;
	struct selection selection;
	struct job_plan plan;
	struct job_report report;
};

/* ---- what it has come to ---- */

static void say_disk(struct check *c, uint32_t vmid, const struct disk_plan *d)
{
	_cleanup_free_ char *size = d->size.known ? units_bytes(d->size.bytes, 1) : xstrdup("size not known");
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (!d->included) {
		row_add(c, FINDING_REMARK, vmid, xasprintf("VM %u %s", vmid, d->key),
			xasprintf("'%s' is left out of backups (%s)", d->volid, d->reason), NULL);
		return;
	}
	if (!d->way)
		return;
	buf_addf(&text, "'%s', %s, is saved by way %s", d->volid, size, d->way);
	if (d->image_storage)
		buf_addf(&text, "; its fleecing image goes to storage '%s'", d->image_storage);
	if (d->image_storage && d->image_free.known) {
		_cleanup_free_ char *avail = units_bytes(d->image_free.bytes, 1);

		buf_addf(&text, ", %s free%s", avail,
			 d->image_reserved ? ", and takes its whole size there at once" : "");
	}
	row_add(c, FINDING_OK, vmid, xasprintf("VM %u %s", vmid, d->key), buf_steal(&text), NULL);
}

static void say_limit(struct check *c, uint32_t vmid, const struct limit_plan *l)
{
	_cleanup_free_ char *asked = units_bytes(l->asked.bytes, 1), *room = units_bytes(l->room.bytes, 1);

	if (!l->asked.known || !l->room.known || l->asked.bytes <= l->room.bytes)
		return;
	row_add(c, FINDING_WARNING, vmid, xasprintf("VM %u", vmid),
		xasprintf(
			"its fleecing images may take %s, but their storages have only %s for them now, less what "
			"stays free there: a guest that writes much is slowed sooner",
			asked, room),
		xstrdup("free space there, name another storage=, or a smaller reserve="));
}

/* Images on it grow with all that the guest writes, since what is read is not given back. */
static void say_fleecing_storage(const struct try *t, const char *id)
{
	const bool limit = t->settings.fleecing.limit.set || t->settings.fleecing_limit;
	struct check *c = t->c;
	const struct storage *s = storage_find(&c->storages, id);
	struct image_traits traits;

	if (!s || !s->ops)
		return;
	storage_traits(s, storage_fleecing_format(s), &traits);
	if (!traits.thin)
		row_add(c, FINDING_REMARK, 0, xasprintf("storage '%s'", id),
			xasprintf(
				"a fleecing image there takes the size of its disk from the start, and stays "
				"that large%s",
				limit ? ", whatever the limit is" : ""),
			xstrdup("a storage that is thin (dir, lvmthin, zfspool with sparse, rbd) is better for "
				"--fleecing"));
	else if (!traits.punches_holes)
		row_add(c, FINDING_REMARK, 0, xasprintf("storage '%s'", id),
			xstrdup("a fleecing image there does not shrink while its disk is read"),
			xstrdup("a storage that gives discarded space back is better for --fleecing"));
}

static void say_guest(struct try *t, size_t i)
{
	const struct guest_plan *g = &t->plan.guests[i];
	const struct task_report *row = &t->report.tasks[i];
	const uint32_t vmid = row->vmid;

	for (size_t k = 0; k < g->n_disks; k++) {
		say_disk(t->c, vmid, &g->disks[k]);
		if (g->disks[k].image_storage)
			say_fleecing_storage(t, g->disks[k].image_storage);
	}
	say_limit(t->c, vmid, &g->limit);
	if (row->error) {
		row_add(t->c, FINDING_FAULT, vmid, xasprintf("VM %u", vmid), xstrdup(row->error), NULL);
		return;
	}
	if (row->outcome == TASK_TODO && g->power != GUEST_POWER_UNKNOWN)
		row_add(t->c, FINDING_OK, vmid, xasprintf("VM %u", vmid),
			xasprintf("nothing is seen that would keep it from being saved (%s, mode %s)",
				  t->subject, row->mode ? row->mode : "?"),
			NULL);
}

/* A guest's writes wait for its archive then. */
static void say_fleecing(struct try *t)
{
	if (t->settings.fleecing.enabled || t->settings.mode != MODE_SNAPSHOT)
		return;
	for (size_t i = 0; i < t->plan.n; i++) {
		if (t->plan.guests[i].power != GUEST_RUNS)
			continue;
		row_add(t->c, FINDING_REMARK, 0, xstrdup(t->subject),
			xstrdup("fleecing is off: a guest that writes during its backup waits for the archive"),
			xstrdup("give it --fleecing enabled=1, or write 'fleecing: enabled=1' into "
				"vzdump.conf"));
		return;
	}
}

/* ---- making it ---- */

/* A run that may not wait for the one of now would fail, which is nothing that is wrong with the host. */
static void try_plan(struct try *t)
{
	struct check *c = t->c;
	_cleanup_error_ struct error *err = NULL;
	struct host host = *c->host;
	struct row_log l;
	const struct job_params p = { .settings = &t->settings,
				      .selection = &t->selection,
				      .command_line = "vzdump",
				      .stdout_fd = -1,
				      .report = &t->report };

	row_log_init(&l, c, t->subject, FINDING_WARNING);
	l.skip_errors = true;
	host.log = &l.log;
	if (!t->settings.lockwait_minutes)
		t->settings.lockwait_minutes = 1;
	/* its own errors; those of guests are in their rows */
	if (plan_job(&host, &p, &t->plan, &err) < 0 && (t->report.error || !t->report.n))
		row_add(c, FINDING_FAULT, 0, xstrdup(t->subject), xstrdup(error_message(err)), NULL);
	for (size_t i = 0; i < t->plan.n && i < t->report.n; i++)
		say_guest(t, i);
	say_fleecing(t);
}

static void try_clear(struct try *t)
{
	/* the guests' paths belong to others */
	free(t->selection.guests);
	job_plan_clear(&t->plan);
	report_clear(&t->report);
	free(t->subject);
}

/* Guests whose next backup is this job's (NULL: one by hand), and that can be asked. */
static void plan_of(struct check *c, const struct planned_job *job)
{
	struct try t = { .c = c, .settings = job && !c->q->storage ? job->settings : c->settings };

	t.subject = job && !c->q->storage      ? xasprintf("job '%s'", job->id)
		    : t.settings.place.storage ? xasprintf("backup to storage '%s'", t.settings.place.storage)
					       : xasprintf("backup to '%s'", t.settings.place.dumpdir);
	t.selection.by_id = true;
	t.selection.guests = xcalloc(c->n_guests + 1, sizeof(*t.selection.guests));
	for (size_t i = 0; i < c->n_guests; i++) {
		const struct checked_guest *g = &c->guests[i];

		if (g->is_mute || g->entry->kind == GUEST_CONTAINER || (c->q->storage ? NULL : g->job) != job)
			continue;
		t.selection.guests[t.selection.n++] =
			(struct selected_guest){ .vmid = g->entry->vmid, .path = g->entry->path };
	}
	if (t.selection.n)
		try_plan(&t);
	try_clear(&t);
}

int check_plan(struct check *c, struct error **err)
{
	(void)err;
	if (c->has_settings)
		plan_of(c, NULL);
	for (size_t i = 0; i < c->planned.n && !c->q->storage; i++)
		plan_of(c, &c->planned.list[i]);
	return 0;
}
