#include "backup/job-internal.h"

#include <string.h>

#include "backup/event.h"
#include "backup/job-lock.h"
#include "journal/recover.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"
#include "source/bitmaps.h"

/* ---- the guests ---- */

void job_report_container(const struct selected_guest *g, struct task_report *row)
{
	row->outcome = TASK_UNSUPPORTED;
	row->name = xasprintf("CT %u", g->vmid);
	row->error = xasprintf("it is a container (%s): only VMs can be saved so far", g->path);
}

static void say_container(struct job *j, const struct selected_guest *g, const struct log *log,
			  struct task_report *row)
{
	job_report_container(g, row);
	if (j->p->selection->by_id)
		event_error(j->p->observers, log,
			    "Backup of VM %u failed - it is a container (%s): only VMs can be saved so far",
			    g->vmid, g->path);
	else
		log_warn(j->host.log, "%u is a container (%s): only VMs can be saved so far, it is left out",
			 g->vmid, g->path);
}

static int run_guest(struct job *j, size_t i, struct error **err)
{
	const struct selected_guest *g = &j->p->selection->guests[i];
	const struct log log = log_for_guest(j->host.log, g->vmid);
	struct task_report *row = &j->report->tasks[i];
	struct host host = j->host;

	if (g->container) {
		say_container(j, g, &log, row);
		return 0;
	}
	host.log = &log;
	task_run(&host, &j->task, row);
	return cancel_check(j->host.cancel, err);
}

static void say_unresolved(struct job *j)
{
	char *const *why = j->p->settings->request.unresolved;

	for (; why && *why; why++) {
		event_error(j->p->observers, j->host.log, "Backup failed - %s", *why);
		report_add_error(j->report, *why);
	}
}

static int run_tasks(struct job *j, struct error **err)
{
	const struct selection *s = j->p->selection;
	int r = job_reach(j, "job-start", PHASE_MAY_FAIL, &j->report->log_before, err);

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = run_guest(j, i, err);
	if (r == 0)
		say_unresolved(j);
	if (r == 0)
		r = job_reach(j, "job-end", PHASE_MAY_FAIL, &j->report->log_after, err);
	return r;
}

static void say_beginning(struct job *j)
{
	_cleanup_free_ char *external = selection_external_text(j->p->selection);

	event_info(j->p->observers, j->host.log, "starting new backup job: %s", j->p->command_line);
	if (*external)
		log_info(j->host.log, "skip external VMs: %s", external);
}

void job_say_not_saved(const struct job *j)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const struct selection *s = j->p->selection;

	for (size_t i = 0; i < s->n; i++)
		if (s->guests[i].container)
			buf_addf(&text, "%s%u (container)", text.len ? ", " : "", s->guests[i].vmid);
	if (text.len)
		log_error(j->host.log, "not saved: %s", buf_str(&text));
}

static int run_guests(struct job *j, struct error **err)
{
	_cleanup_error_ struct error *leftovers = NULL;
	int r;

	say_beginning(j);
	if (recover_all(&j->host, 0, NULL, &leftovers) < 0)
		log_warn(j->host.log, "%s", error_message(leftovers));
	r = run_tasks(j, err);
	job_say_not_saved(j);
	return r;
}

static void say_aborted(struct job *j, const struct error *err)
{
	_cleanup_error_ struct error *mine = NULL;

	if (job_reach(j, "job-abort", PHASE_ALWAYS, &j->report->log_after, &mine) < 0)
		log_warn(j->host.log, "%s", error_message(mine));
	event_error(j->p->observers, j->host.log, "Backup job failed - %s", error_message(err));
}

static int run_locked(struct job *j, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r;

	j->report->begun = true;
	r = run_guests(j, &mine);
	if (r < 0) {
		report_add_error(j->report, error_message(mine));
		say_aborted(j, mine);
	} else if (!report_is_good(j->report)) {
		event_info(j->p->observers, j->host.log, "Backup job finished with errors");
		r = error_set(&mine, ERR_PEER, "job errors");
	} else {
		event_info(j->p->observers, j->host.log, "Backup job finished successfully");
	}
	error_keep_first(err, &mine);
	return r;
}

static int take_lock(struct job *j, struct job_lock *lock, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = job_lock_take(lock, &j->host, j->p->settings->lockwait_minutes, j->p->observers, &mine);

	if (r < 0)
		report_add_error(j->report, error_message(mine));
	error_keep_first(err, &mine);
	return r;
}

static void end_report(struct job *j, int r, uint64_t start_ns)
{
	j->report->ns = units_now_ns() - start_ns;
	j->report->canceled = r == ERR_CANCELED;
	job_report_place(j);
}

int job_run(const struct host *host, const struct job_params *p, struct error **err)
{
	struct job_lock lock = JOB_LOCK_INIT;
	const uint64_t start_ns = units_now_ns();
	struct job j;
	int r;

	job_init(&j, host, p);
	r = job_prepare(&j, storage_activate, err);
	if (r == 0)
		r = take_lock(&j, &lock, err);
	if (r == 0)
		r = run_locked(&j, err);
	job_lock_release(&lock);
	end_report(&j, r, start_ns);
	job_clear(&j);
	return r;
}

/* ---- choosing the guests, and --cleanup ---- */

static bool is_for_other_node(const struct host *host, const char *node)
{
	_cleanup_free_ char *here = paths_nodename(host->paths);

	return node && strcmp(node, here) != 0;
}

int job_choose(const struct host *host, const struct settings_request *q, job_stop_fn *stop,
	       struct selection *ret, struct error **err)
{
	int r;

	*ret = (struct selection){ 0 };
	if (is_for_other_node(host, q->node))
		return 0;
	r = selection_make(host, q, ret, err);
	if (r == 0 && q->stop)
		r = stop(host, err);
	if (r < 0)
		return r;
	if (!ret->n && !q->unresolved && (q->stop || !q->all))
		return 0;
	if (q->to_stdout && ret->n != 1)
		return error_set(err, ERR_INVALID, "you can only backup a single VM with option --stdout");
	return 1;
}

static int clean_guests(const struct host *host, const uint32_t *vmids, size_t n_vmids, bool all,
			struct error **err)
{
	unsigned n = 0, total = 0;
	int r = 0;

	for (size_t i = 0; i < (all ? 1 : n_vmids) && r == 0; i++) {
		r = recover_all(host, all ? 0 : vmids[i], &n, err);
		total += n;
	}
	if (r == 0)
		log_info(host->log,
			 total ? "cleaned up after %u interrupted backup(s)" : "nothing to clean up", total);
	return r;
}

int job_cleanup(const struct host *host, const struct settings *s, const struct observers *observers,
		struct error **err)
{
	struct job_lock lock = JOB_LOCK_INIT;
	_cleanup_free_ uint32_t *vmids = NULL;
	size_t n = 0;
	bool all = false;
	int r = selection_for_cleanup(host, &s->request, &vmids, &n, &all, err);

	if (r == 0)
		r = job_lock_take(&lock, host, s->lockwait_minutes, observers, err);
	if (r == 0)
		r = clean_guests(host, vmids, n, all, err);
	if (r == 0 && s->request.forget)
		r = bitmaps_forget(host, vmids, n, all, err);
	job_lock_release(&lock);
	return r;
}
