#include "backup/task-plan.h"

#include <errno.h>

#include "backup/plan-say.h"
#include "backup/task-internal.h"
#include "base/lock-holder.h"
#include "base/mem.h"
#include "base/strv.h"
#include "place/retention.h"

/* ---- phases of the hook script ---- */

/* Of a backup that succeeds; task-guest.c and task.c call it in this order. */
static const char *const live_phases[] = { "backup-start", "pre-stop", "pre-restart", "post-restart",
					   "backup-end",   "log-end",  NULL };
static const char *const down_phases[] = { "backup-start", "pre-stop", "backup-end", "pre-restart",
					   "post-restart", "log-end",  NULL };
static const char *const off_phases[] = { "backup-start", "backup-end", "log-end", NULL };

static const char *const *phases_of(const struct task *t)
{
	if (!t->o->settings->hook.script)
		return NULL;
	if (!t->guest.power.running)
		return off_phases;
	return t->guest.mode == MODE_SNAPSHOT ? live_phases : down_phases;
}

/* ---- the lock ---- */

static pid_t journal_holder(const struct task *t)
{
	_cleanup_free_ char *path = paths_get(t->host->paths, "/var/lib/vzdump/%u.journal", t->vmid);

	return lock_holder(path);
}

/*
 * What a killed run has left, its lock included, is undone before the guest's turn.  So is what the backup
 * does that runs now, if this one waits for it: *ret_busy.
 */
static int look_at_lock(const struct task *t, pid_t awaited, bool *ret_busy, struct guest_plan *plan,
			struct error **err)
{
	_cleanup_(journal_freep) struct journal *left = NULL;
	_cleanup_error_ struct error *busy = NULL;
	const int peek = journal_peek(t->host->paths, t->host->kinds, t->vmid, &left, &busy);
	int r;

	*ret_busy = peek == -EBUSY && awaited && journal_holder(t) == awaited;
	if (*ret_busy) {
		log_info(t->log, "VM %u is backed up right now; that is over before its turn in this run",
			 t->vmid);
		return 0;
	}
	plan->cleanup = left != NULL;
	r = left && journal_has(left, JOURNAL_LOCK) ? 0 : task_guest_check_lock(t, err);
	if (r < 0)
		return r;
	error_keep_first(err, &busy);
	return peek;
}

/* ---- the base of an incremental backup ---- */

/* In the folder of a storage that is not mounted there is nothing, or what is hidden by the mount. */
static bool is_place_there(const struct task *t)
{
	bool active = true;

	return !t->o->storage || (storage_is_active(t->o->storage, &active, NULL) == 0 && active);
}

static int plan_base(struct task *t, struct error **err)
{
	int r = is_place_there(t) ? task_incremental_choose(t, err) : 0;

	if (r == 0 && t->incremental.base_name)
		log_info(t->log, "incremental to %s, if files can be shared or copied there",
			 t->incremental.base_name);
	return r;
}

/* ---- disks ---- */

/* For all the configuration names; plans: in the order of t->disks.list, NULL: not made. */
static void fill_disk(struct disk_plan *d, const struct task *t, const struct guest_disk *conf,
		      const struct source_plan *plans)
{
	*d = (struct disk_plan){ .key = xstrdup(conf->key),
				 .volid = xstrdup(conf->volid),
				 .included = conf->included,
				 .reason = xstrdup(conf->reason) };
	for (size_t i = 0; i < t->disks.n; i++) {
		const struct source_plan *p = &plans[i];

		if (t->disks.list[i].conf != conf)
			continue;
		d->name = xstrdup(t->disks.list[i].device);
		d->way = p->way;
		d->size = (struct plan_bytes){ p->has_size, p->size };
		d->file = xstrdup_null(p->file);
		d->image_storage = p->image_storage ? xstrdup(p->image_storage->id) : NULL;
		d->image_reserved = p->image_reserved;
		d->image_free = (struct plan_bytes){ p->has_avail, p->avail };
		d->image_reserve = (struct plan_bytes){ p->has_avail, p->reserve };
	}
}

static void fill_disks(struct guest_plan *plan, const struct task *t, const struct source_plan *plans)
{
	plan->n_disks = t->disks.conf.n;
	plan->disks = xcalloc(plan->n_disks + 1, sizeof(*plan->disks));
	for (size_t i = 0; i < plan->n_disks; i++)
		fill_disk(&plan->disks[i], t, &t->disks.conf.disks[i], plans);
}

static struct plan_bytes known_bytes(uint64_t bytes)
{
	const bool known = bytes != UINT64_MAX;

	return (struct plan_bytes){ .known = known, .bytes = known ? bytes : 0 };
}

static void fill_limit(struct guest_plan *plan, const struct task *t, const struct source_plan *plans)
{
	struct source_limit_plan l;

	plan->fleeces = sources_plan_limit(t->sources, plans, &l);
	if (plan->fleeces)
		plan->limit = (struct limit_plan){ known_bytes(l.asked), known_bytes(l.room), l.why };
}

/* busy: another backup saves the guest now, and is not disturbed. */
static enum sources_where where_are_disks(const struct task *t, bool busy)
{
	if (!t->guest.power.running)
		return SOURCES_OFFLINE;
	if (t->guest.mode == MODE_STOP)
		return guest_starts_paused(&t->guest.access) ? SOURCES_IN_LATER_QEMU : SOURCES_OFFLINE;
	return busy ? SOURCES_IN_LATER_QEMU : SOURCES_IN_QEMU;
}

/* What the archive's header would refuse; without the size of each disk it cannot be made. */
static int try_header(struct task *t, const struct source_plan *plans, struct error **err)
{
	_cleanup_vma_header_ struct vma_header hdr = { 0 };

	for (size_t i = 0; i < t->disks.n; i++)
		if (!plans[i].has_size)
			return 0;
	return task_archive_header(t, &hdr, err);
}

static int plan_disks(struct task *t, enum sources_where where, struct guest_plan *plan, struct error **err)
{
	_cleanup_free_ struct source_plan *plans = xcalloc(t->disks.n + 1, sizeof(*plans));
	int r = sources_plan(t->sources, where, plans, err);

	fill_disks(plan, t, plans);
	if (r == 0)
		fill_limit(plan, t, plans);
	if (r == 0 && !t->disks.n)
		log_info(t->log, "backup contains no disks");
	plan_say_disks(t->log, plan);
	plan_say_limit(t->log, plan);
	return r == 0 ? try_header(t, plans, err) : r;
}

/* ---- the place ---- */

/* The archive as it would be there, so that retention counts it. */
static void add_new(const struct task *t, struct backups *b)
{
	struct backup *new;

	b->list = xreallocarray(b->list, b->n + 1, sizeof(*b->list));
	new = &b->list[b->n];
	*new = (struct backup){ .path = xstrdup(t->archive.path),
				.is_protected = t->o->storage && t->o->settings->protect };
	if (archive_name_parse(t->archive.name, &new->name, NULL) < 0) {
		free(new->path);
		return;
	}
	new->ctime = new->name.ctime;
	b->n++;
}

static void fill_prune(const struct task *t, struct backups *b, struct guest_plan *plan,
		       struct plan_bytes *target_free)
{
	add_new(t, b);
	task_say_retention(t);
	task_mark_backups(t, b);
	for (size_t i = 0; i < b->n; i++) {
		if (b->list[i].mark != PRUNE_REMOVE)
			continue;
		strv_add(&plan->prune, b->list[i].path);
		target_free->bytes += b->list[i].size;
	}
	plan_say_prune(t->log, plan);
}

static int plan_place(const struct task *t, struct guest_plan *plan, struct plan_bytes *target_free,
		      struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	int r;

	if (!place_keeps(t->o->place) || !is_place_there(t))
		return 0;
	r = place_list(t->o->place, "qemu", t->vmid, &b, err);
	if (r < 0)
		return r;
	plan->target_free = *target_free;
	if (b.n) {
		plan->newest = xstrdup(b.list[b.n - 1].path);
		plan->newest_size = b.list[b.n - 1].size;
	}
	plan_say_room(t->log, plan);
	target_free->bytes -= plan->newest_size < target_free->bytes ? plan->newest_size : target_free->bytes;
	if (t->o->remove)
		fill_prune(t, &b, plan, target_free);
	return 0;
}

/* ---- the guest ---- */

/* A guest that is paused already stays so. */
static void say_mode(const struct task *t)
{
	const bool is_paused = t->sources->live && !sources_vcpus_ran(t->sources);

	if (!t->guest.power.running)
		return;
	if (t->guest.mode == MODE_SUSPEND && !is_paused)
		log_info(t->log, "VM %u is paused until its backup has begun", t->vmid);
	else if (t->guest.mode == MODE_STOP)
		log_info(t->log, "VM %u is shut down (%lu minutes at most), and started again %s", t->vmid,
			 (unsigned long)t->o->settings->stopwait_minutes,
			 guest_starts_paused(&t->guest.access) ? "as soon as its backup has begun"
							       : "after its backup");
}

static int plan_task(struct task *t, pid_t awaited, struct guest_plan *plan, struct plan_bytes *target_free,
		     struct error **err)
{
	bool busy;
	int r = task_look(t, err);

	if (r < 0)
		return r;
	plan->power = t->guest.power.running ? GUEST_RUNS : GUEST_IS_OFF;
	plan->phases = phases_of(t);
	r = look_at_lock(t, awaited, &busy, plan, err);
	if (r == 0)
		r = plan_base(t, err);
	if (r == 0)
		r = task_guest_find_disks(t, task_disks_look, err);
	if (r < 0)
		return r;
	r = plan_disks(t, where_are_disks(t, busy), plan, err);
	if (r == 0) {
		say_mode(t);
		r = plan_place(t, plan, target_free, err);
	}
	plan_say_phases(t->log, plan);
	return r;
}

void task_plan(const struct host *host, const struct task_options *o, struct task_report *row, pid_t awaited,
	       struct plan_bytes *target_free, struct guest_plan *ret)
{
	_cleanup_error_ struct error *err = NULL, *away = NULL;
	struct task t;
	const int reach = task_init(&t, host, o, row, &away);
	int r;

	task_log_none(&t.tlog, host->log);
	t.log = &t.tlog.log;
	log_info(t.log, "---- VM %u (qemu) ----", t.vmid);
	r = task_load(&t, &err);
	if (r == 0)
		r = reach;
	error_keep_first(&err, &away);
	if (r == 0)
		r = plan_task(&t, awaited, ret, target_free, &err);
	task_report_guest(&t);
	row->outcome = r == 0 ? TASK_TODO : r == ERR_CANCELED ? TASK_CANCELED : TASK_FAILED;
	row->error = r < 0 ? xstrdup(error_message(err)) : NULL;
	task_clear(&t);
}
