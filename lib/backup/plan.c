#include "backup/plan.h"

#include <sys/statvfs.h>

#include "backup/hook.h"
#include "backup/job-internal.h"
#include "backup/job-lock.h"
#include "backup/plan-say.h"
#include "backup/task-plan.h"
#include "base/mem.h"
#include "base/strv.h"
#include "journal/journal.h"
#include "report/report-notify.h"

static const char *const job_phases[] = { "job-init", "job-start", "job-end", NULL };

int plan_stop(const struct host *host, struct error **err)
{
	pid_t pid;
	_cleanup_free_ char *holder = job_lock_holder(host, &pid);

	(void)err;
	if (holder)
		log_info(host->log,
			 "--stop: the backup that runs now is stopped first: the global lock is %s", holder);
	return 0;
}

/* ---- before the guests ---- */

/* In place of the hook script: a run fails at once if that cannot be called. */
static int on_phase(void *opaque, const struct phase *p, struct error **err)
{
	const struct job_params *const *params = opaque;

	(void)p;
	return hook_check((*params)->settings->hook.script, err);
}

static void fill_job(struct job_plan *plan, const struct job_params *p)
{
	const struct selection *s = p->selection;

	plan->guests = xcalloc(s->n + 1, sizeof(*plan->guests));
	plan->n = s->n;
	plan->stop = p->settings->request.stop;
	plan->script = xstrdup_null(p->settings->hook.script);
	plan->phases = job_phases;
	for (size_t i = 0; i < s->n_external; i++)
		strv_addf(&plan->external, "%u", s->external[i]);
}

/* What goes, and what is tried before. */
static void fill_retention(const struct job *j, struct job_plan *plan)
{
	plan->retention = prune_keep_describe(&j->task.keep);
	plan->prunes = j->task.remove && !j->p->settings->request.to_stdout;
	if (j->p->settings->verify_boot.enabled)
		plan->verify_boot_s = j->p->settings->verify_boot.timeout_s;
}

/* Bytes that are free in a folder, for archives of a user that is not root, too. */
static void find_free(const char *dir, struct plan_bytes *ret)
{
	struct statvfs fs;

	ret->known = dir && statvfs(dir, &fs) == 0;
	if (ret->known)
		ret->bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}

static void fill_target(const struct job *j, struct job_plan *plan)
{
	const struct storage *s = j->task.storage;
	struct storage_status st;

	plan->target_active =
		!s || (storage_is_active(s, &plan->target_active, NULL) == 0 && plan->target_active);
	if (!s) {
		find_free(j->dumpdir, &plan->target_free);
		return;
	}
	plan->target_free.known = plan->target_active && storage_status(s, &st, NULL) == 0;
	if (plan->target_free.known)
		plan->target_free.bytes = st.avail;
}

/*
 * Returns the process that a run waits for, or ends; 0: none.  A run that may not wait fails, but the rest of
 * its plan is of use.
 */
static pid_t look_at_lock(struct job *j, struct job_plan *plan)
{
	_cleanup_error_ struct error *mine = NULL;
	pid_t pid;

	plan->running = job_lock_holder(&j->host, &pid);
	if (!plan->running || plan->stop || j->p->settings->lockwait_minutes)
		return pid;
	job_lock_refuse(&j->host, plan->running, &mine);
	report_add_error(j->report, error_message(mine));
	return 0;
}

/* What killed runs left behind is undone first. */
static void look_for_leftovers(const struct job *j)
{
	_cleanup_free_ uint32_t *vmids = NULL;
	size_t n = 0;

	journal_list(j->host.paths, &vmids, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		_cleanup_(journal_freep) struct journal *left = NULL;

		if (journal_peek(j->host.paths, j->host.kinds, vmids[i], &left, NULL) == 0 && left)
			log_info(
				j->host.log,
				"an earlier run was killed amid VM %u: what it left behind is cleaned up first",
				vmids[i]);
	}
}

/* ---- the guests ---- */

static void plan_guest(struct job *j, size_t i, pid_t awaited, struct plan_bytes *target_free,
		       struct guest_plan *plan)
{
	const struct selected_guest *g = &j->p->selection->guests[i];
	const struct log log = log_for_guest(j->host.log, g->vmid);
	struct task_report *row = &j->report->tasks[i];
	struct host host = j->host;

	host.log = &log;
	if (g->container)
		job_report_container(g, row);
	else
		task_plan(&host, &j->task, row, awaited, target_free, plan);
	if (row->error && g->container && !j->p->selection->by_id)
		log_warn(&log, "%u is left out: %s", g->vmid, row->error);
	else if (row->error && row->outcome != TASK_CANCELED)
		log_error(&log, "Backup of VM %u would fail - %s", g->vmid, row->error);
}

static int plan_guests(struct job *j, struct job_plan *plan, pid_t awaited, struct error **err)
{
	struct plan_bytes target_free = plan->target_free;
	char *const *why = j->p->settings->request.unresolved;
	int r = 0;

	for (; why && *why; why++) {
		log_error(j->host.log, "Backup would fail - %s", *why);
		report_add_error(j->report, *why);
	}
	for (size_t i = 0; i < plan->n && r == 0; i++) {
		plan_guest(j, i, awaited, &target_free, &plan->guests[i]);
		r = cancel_check(j->host.cancel, err);
	}
	return r;
}

static int plan_run(struct job *j, struct job_plan *plan, struct error **err)
{
	pid_t awaited;
	int r;

	fill_retention(j, plan);
	fill_target(j, plan);
	report_plan_notify(j->report, &j->p->settings->notify, j->host.paths, j->host.log, &plan->notify);
	awaited = look_at_lock(j, plan);
	plan_say_job(j->host.log, j->p->settings, plan, j->task.storage ? j->task.storage->id : NULL,
		     j->dumpdir);
	look_for_leftovers(j);
	r = plan_guests(j, plan, awaited, err);
	job_say_not_saved(j);
	plan_say_end(j->host.log, plan, j->report);
	if (r < 0)
		report_add_error(j->report, error_message(err ? *err : NULL));
	else if (!job_plan_is_good(j->report))
		r = error_set(err, ERR_PEER, "%s", j->report->error ? j->report->error : "job errors");
	return r;
}

int plan_job(const struct host *host, const struct job_params *p, struct job_plan *ret, struct error **err)
{
	const struct observer observer = { .phase = on_phase, .opaque = &p };
	const struct observers observers = { .list = &observer, .n = 1 };
	struct job_params params = *p;
	struct job j;
	int r;

	params.observers = &observers;
	fill_job(ret, &params);
	job_init(&j, host, &params);
	log_info(host->log, "dry run, nothing is changed: %s", p->command_line);
	r = job_prepare(&j, storage_look, err);
	if (r == 0)
		r = plan_run(&j, ret, err);
	job_report_place(&j);
	job_clear(&j);
	return r;
}
