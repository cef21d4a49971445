/* The jobs of jobs.cfg: whether somebody runs them, when, and how their last runs ended. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/open-files.h"
#include "base/strv.h"
#include "check/rows.h"
#include "report/record.h"
#include "schedule/job-state.h"
#include "schedule/last-pass.h"
#include "schedule/scheduler.h"

static char *time_text(int64_t when)
{
	const time_t t = (time_t)when;
	char text[64];
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		return xasprintf("%" PRId64, when);
	return xstrdup(text);
}

/* ---- who runs them ---- */

static bool is_pvescheduler(const char *command, const void *opaque)
{
	(void)opaque;
	return str_prefix(command, "pvescheduler", NULL) || strstr(command, "/usr/bin/pvescheduler");
}

static void look_for_pvescheduler(struct check *c)
{
	const pid_t pid = open_files_command(is_pvescheduler, NULL);

	if (pid)
		row_add(c, FINDING_OK, 0, xstrdup("jobs"),
			xasprintf("Proxmox VE's pvescheduler runs (pid %d), and starts the jobs", (int)pid),
			NULL);
	else
		row_add(c, FINDING_WARNING, 0, xstrdup("jobs"),
			xstrdup("no job is started: Proxmox VE's pvescheduler, which does it on this host, does "
				"not run"),
			xstrdup("systemctl start pvescheduler"));
}

/* The scheduler looks once a minute, as a service or by a timer. */
static void look_for_ours(struct check *c)
{
	static const char start[] = "systemctl enable --now vzdump-scheduler, or see "
				    "examples/vzdump-scheduler.cron";
	_cleanup_last_pass_ struct last_pass last = { 0 };
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	if (!last_pass_load(c->host->paths, &last)) {
		row_add(c, FINDING_WARNING, 0, xstrdup("jobs"),
			xstrdup("no job is started: vzdump-scheduler has not run since the host was started"),
			xstrdup(start));
		return;
	}
	if ((uint64_t)up.tv_sec > last.uptime + SCHEDULER_GAP_S) {
		_cleanup_free_ char *when = time_text(c->q->now - (up.tv_sec - (int64_t)last.uptime));

		row_add(c, FINDING_WARNING, 0, xstrdup("jobs"),
			xasprintf("no job is started: vzdump-scheduler has looked for due jobs last at %s",
				  when),
			xstrdup(start));
		return;
	}
	row_add(c, FINDING_OK, 0, xstrdup("jobs"), xstrdup("vzdump-scheduler looks for due jobs"), NULL);
}

static void look_for_scheduler(struct check *c)
{
	_cleanup_free_ char *program = paths_get(c->host->paths, "/usr/bin/pvescheduler");

	if (access(program, F_OK) == 0)
		look_for_pvescheduler(c);
	else
		look_for_ours(c);
}

/* ---- each job ---- */

static void look_at_last_run(struct check *c, const struct job_entry *e)
{
	_cleanup_job_state_ struct job_state state = { 0 };
	_cleanup_free_ char *when = NULL;
	struct row_log l;

	row_log_init(&l, c, "jobs", FINDING_WARNING);
	if (job_state_load(c->host->paths, e->id, &l.log, &state, NULL) <= 0 || !state.msg ||
	    !strcmp(state.msg, "OK"))
		return;
	when = time_text(job_state_last_run(&state));
	row_add(c, FINDING_WARNING, 0, xasprintf("job '%s'", e->id),
		xasprintf("its last run (%s) ended with: %s", when, state.msg),
		xasprintf("run it again with 'vzdump --job %s' when the cause is gone", e->id));
}

static const struct planned_job *find_planned(const struct check *c, const char *id)
{
	for (size_t i = 0; i < c->planned.n; i++)
		if (!strcmp(c->planned.list[i].id, id))
			return &c->planned.list[i];
	return NULL;
}

/* Ids that no guest has: the run will fail for them. */
static void look_for_missing(struct check *c, const struct planned_job *j)
{
	for (size_t i = 0; i < j->selection.n; i++)
		if (!j->selection.guests[i].path)
			row_add(c, FINDING_FAULT, 0, xasprintf("job '%s'", j->id),
				xasprintf("it names guest %u, which there is not",
					  j->selection.guests[i].vmid),
				xstrdup("take the id out of the job in jobs.cfg"));
}

static void look_at_planned(struct check *c, const struct job_entry *e, const struct planned_job *j)
{
	_cleanup_free_ char *next = j->next ? time_text(j->next) : NULL;

	look_for_missing(c, j);
	if (!next)
		row_add(c, FINDING_WARNING, 0, xasprintf("job '%s'", e->id),
			xasprintf("its schedule '%s' never comes again, so it never runs", e->schedule),
			xstrdup("correct it in jobs.cfg; 'vzdump-scheduler --next' shows when an event comes"));
	else
		row_add(c, FINDING_OK, 0, xasprintf("job '%s'", e->id),
			xasprintf("it runs next at %s ('%s'), for %zu guest%s", next, e->schedule,
				  j->selection.n, j->selection.n == 1 ? "" : "s"),
			NULL);
	look_at_last_run(c, e);
}

static void look_at_job(struct check *c, const struct job_entry *e)
{
	const struct planned_job *j = find_planned(c, e->id);

	if (!e->enabled)
		row_add(c, FINDING_REMARK, 0, xasprintf("job '%s'", e->id),
			xstrdup("it is not enabled, so it does not run"),
			xstrdup("write 'enabled 1' into its section of jobs.cfg"));
	else if (j)
		look_at_planned(c, e, j);
}

/* ---- guests and jobs ---- */

/* Of an incremental backup with a base. */
static void say_sharing(struct check *c, uint32_t vmid, const struct run_record *last)
{
	if (last->incremental && last->generation && !last->shared)
		row_add(c, FINDING_REMARK, vmid, xasprintf("VM %u", vmid),
			xstrdup("its last incremental backup shares nothing with the one before: what had not "
				"changed was copied"),
			xstrdup("a storage whose files can share blocks saves that: XFS, btrfs, or ZFS with block "
				"cloning"));
}

static void look_at_guest(struct check *c, const struct checked_guest *g)
{
	_cleanup_record_ struct guest_record record = { 0 };
	_cleanup_free_ char *when = NULL;
	struct row_log l;

	row_log_init(&l, c, "jobs", FINDING_WARNING);
	if (c->jobs.n && !g->job)
		row_add(c, FINDING_WARNING, g->entry->vmid, xasprintf("VM %u", g->entry->vmid),
			xstrdup("no job saves it"),
			xstrdup("add it to a job in jobs.cfg, or make one for it"));
	if (!record_load(c->host->paths, g->entry->vmid, &record, &l.log))
		return;
	say_sharing(c, g->entry->vmid, &record.last);
	if (record.last.outcome == TASK_SAVED || record.last.outcome == TASK_RUNS)
		return;
	when = time_text(record.last.start);
	row_add(c, FINDING_WARNING, g->entry->vmid, xasprintf("VM %u", g->entry->vmid),
		xasprintf("its last backup (%s) was not made: %s", when,
			  record.last.error ? record.last.error : task_outcome_name(record.last.outcome)),
		xasprintf("vzdump %u, when the cause is gone", g->entry->vmid));
}

int check_jobs(struct check *c, struct error **err)
{
	(void)err;
	if (c->planned.n)
		look_for_scheduler(c);
	for (size_t i = 0; i < c->jobs.n; i++)
		look_at_job(c, &c->jobs.entries[i]);
	for (size_t i = 0; i < c->n_guests; i++)
		if (c->guests[i].entry->kind != GUEST_CONTAINER)
			look_at_guest(c, &c->guests[i]);
	return 0;
}
