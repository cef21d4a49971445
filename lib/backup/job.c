#include "backup/job.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/event.h"
#include "backup/job-lock.h"
#include "journal/recover.h"
#include "backup/task.h"
#include "base/bounded.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"

struct job {
	struct host host; /* the caller's, with the storages as they are after job-init */
	const struct job_params *p;
	struct storage_config storages;
	struct task_options task;
	char *dumpdir;
	struct budget budget;
	struct job_report *report;
};

/* ---- the place of the archives, and retention ---- */

/*
 * The folder as it was given, without slashes at the end.  A relative path is made absolute, because it is
 * written to the journal, and the process that reads the journal may have another working directory.
 */
static char *absolute_folder(const char *dir)
{
	_cleanup_free_ char *here = *dir == '/' ? NULL : getcwd(NULL, 0);
	char *path = here ? xasprintf("%s/%s", here, dir) : xstrdup(dir);
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	return path;
}

static int choose_dumpdir(struct job *j, const char *dumpdir, struct error **err)
{
	struct stat st;
	int r = bounded_reach(dumpdir, BOUNDED_REACH_MS, j->host.cancel, err);

	if (r < 0)
		return r;
	if (stat(dumpdir, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERR_NOT_FOUND,
				 "dumpdir '%s' does not exist: create it or name another folder", dumpdir);
	j->dumpdir = absolute_folder(dumpdir);
	j->task.place = place_dir_new(j->dumpdir, NULL);
	return 0;
}

static int use_storage(struct job *j, const struct storage *s, struct error **err)
{
	int r = 0;

	if (!(s->content & STORAGE_BACKUP))
		r = error_set(err, ERR_INVALID,
			      "can't use storage '%s' for backups - wrong content type: add 'backup' to "
			      "its content in storage.cfg or name another storage",
			      s->id);
	if (r == 0)
		r = storage_dir(s, STORAGE_BACKUP, &j->dumpdir, err);
	if (r == 0)
		r = place_of_storage(s, &j->task.place, err);
	if (r < 0)
		return error_wrap(err, r, "could not get storage information for '%s'", s->id);
	return r;
}

static int choose_storage(struct job *j, const char *id, struct error **err)
{
	const struct storage *s = NULL;
	int r = storage_get(j->host.storages, id, 0, &s, err);

	if (r == 0)
		r = storage_activate(s, j->host.log, err);
	if (r < 0) {
		error_prefix(err, "could not activate storage '%s'", id);
		return r;
	}
	j->task.storage = s;
	return use_storage(j, s, err);
}

static int choose_place(struct job *j, struct error **err)
{
	const struct settings_place *place = &j->p->settings->place;
	int r;

	if (j->p->settings->request.to_stdout) {
		j->task.place = place_stdout_new(j->p->stdout_fd);
		return 0;
	}
	r = place->dumpdir ? choose_dumpdir(j, place->dumpdir, err) : choose_storage(j, place->storage, err);
	j->task.dumpdir = j->dumpdir;
	return r;
}

static int choose_retention(struct job *j, struct error **err)
{
	const struct settings_retention *retention = &j->p->settings->retention;
	int r = settings_keep(retention, j->task.storage ? j->task.storage->prune_backups : NULL,
			      &j->task.keep, err);

	j->task.remove = retention->remove && !j->task.keep.all;
	return r;
}

static int check_tmpdir(const char *tmpdir, struct error **err)
{
	struct stat st;

	if (tmpdir && (stat(tmpdir, &st) < 0 || !S_ISDIR(st.st_mode)))
		return error_set(err, ERR_NOT_FOUND, "tmpdir '%s' does not exist", tmpdir);
	return 0;
}

/*
 * Appends the message of *mine to *all and to the report; *ret_code becomes the code of the first error.
 */
static void collect_error(struct job *j, struct error **all, int *ret_code, int r, struct error **mine)
{
	const char *before = error_message(*all);
	const size_t len = strlen(before);

	if (r >= 0)
		return;
	report_add_error(j->report, error_message(*mine));
	if (*all)
		error_set(mine, r, "%.*s; %s", (int)(len - (before[len - 1] == '.')), before,
			  error_message(*mine));
	else
		*ret_code = r;
	error_free(*all);
	*all = TAKE_PTR(*mine);
}

/* A log that also keeps the lines, for the report. */
struct keeping_log {
	struct log log;
	const struct log *outer;
	struct buf text;
};

static void keep_line(const struct log *log, enum log_level level, const char *line)
{
	struct keeping_log *k = log->opaque;

	buf_addf(&k->text, "%s\n", line);
	k->outer->line(k->outer, level, line);
}

/* j->dumpdir is not known yet in job-init.  The output of hook scripts goes to *kept, too. */
static int reach_phase(struct job *j, const char *name, enum phase_rule rule, struct buf *kept,
		       struct error **err)
{
	struct keeping_log k = { .log = { .line = keep_line, .opaque = &k }, .outer = j->host.log };
	const struct log *log = j->host.log && j->host.log->line ? &k.log : NULL;
	int r = observers_phase(
		j->p->observers,
		&(struct phase){ .name = name, .rule = rule, .dumpdir = j->dumpdir, .log = log }, err);

	report_keep_log(j->report, kept, buf_str(&k.text), k.text.len);
	buf_clear(&k.text);
	return r;
}

/*
 * The hook script runs first, because it may mount a file system that the other steps check, or change
 * storage.cfg.  All errors are reported at once, as in PVE.
 */
static int prepare_job(struct job *j, struct error **err)
{
	_cleanup_error_ struct error *all = NULL;
	struct error *mine = NULL;
	int code = 0;
	int r = reach_phase(j, "job-init", PHASE_MAY_FAIL, &j->report->log_before, &mine);

	collect_error(j, &all, &code, r, &mine);
	if (r != ERR_CANCELED) {
		r = storage_config_load(j->host.paths, j->host.log, &j->storages, &mine);
		storage_config_set_cancel(&j->storages, j->host.cancel);
		if (r == 0)
			r = choose_place(j, &mine);
		collect_error(j, &all, &code, r, &mine);
		collect_error(j, &all, &code, choose_retention(j, &mine), &mine);
		collect_error(j, &all, &code, check_tmpdir(j->p->settings->tmpdir, &mine), &mine);
	}
	if (code < 0)
		error_keep_first(err, &all);
	return code;
}

/* ---- the guests ---- */

static void say_container(struct job *j, const struct selected_guest *g, const struct log *log,
			  struct task_report *row)
{
	row->outcome = TASK_UNSUPPORTED;
	row->name = xasprintf("CT %u", g->vmid);
	row->error = xasprintf("it is a container (%s): only VMs can be saved so far", g->path);
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

static int run_tasks(struct job *j, struct error **err)
{
	const struct selection *s = j->p->selection;
	int r = reach_phase(j, "job-start", PHASE_MAY_FAIL, &j->report->log_before, err);

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = run_guest(j, i, err);
	if (r == 0)
		r = reach_phase(j, "job-end", PHASE_MAY_FAIL, &j->report->log_after, err);
	return r;
}

static void say_beginning(struct job *j)
{
	_cleanup_free_ char *external = selection_external_text(j->p->selection);

	event_info(j->p->observers, j->host.log, "starting new backup job: %s", j->p->command_line);
	if (*external)
		log_info(j->host.log, "skip external VMs: %s", external);
}

static void say_not_saved(struct job *j)
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
	say_not_saved(j);
	return r;
}

static void say_aborted(struct job *j, const struct error *err)
{
	_cleanup_error_ struct error *mine = NULL;

	if (reach_phase(j, "job-abort", PHASE_ALWAYS, &j->report->log_after, &mine) < 0)
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

static void init_budget(struct budget *b, const struct settings *s)
{
	budget_init(b, &(struct budget_limits){ .bytes_per_s = s->bwlimit_kib * KIB,
						.workers = s->max_workers,
						.threads = s->archive.threads });
}

static void begin_report(struct job_report *r, const struct host *host, const struct job_params *p)
{
	const struct selection *s = p->selection;
	_cleanup_free_ uint32_t *vmids = xcalloc(s->n + 1, sizeof(*vmids));

	for (size_t i = 0; i < s->n; i++)
		vmids[i] = s->guests[i].vmid;
	report_begin(r, vmids, s->n);
	r->command_line = xstrdup(p->command_line);
	r->job_id = xstrdup_null(p->settings->request.job_id);
	r->node = paths_nodename(host->paths);
	r->start = time(NULL);
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
	j->report->storage = j->task.storage ? xstrdup(j->task.storage->id) : NULL;
	j->report->dumpdir = xstrdup_null(j->dumpdir);
}

int job_run(const struct host *host, const struct job_params *p, struct error **err)
{
	struct job j = {
		.host = *host,
		.p = p,
		.task = { .settings = p->settings, .observers = p->observers, .report = p->report },
		.report = p->report,
	};
	struct job_lock lock = JOB_LOCK_INIT;
	const uint64_t start_ns = units_now_ns();
	int r;

	begin_report(p->report, host, p);
	j.host.storages = &j.storages;
	init_budget(&j.budget, p->settings);
	j.task.budget = &j.budget;
	r = prepare_job(&j, err);
	if (r == 0)
		r = take_lock(&j, &lock, err);
	if (r == 0)
		r = run_locked(&j, err);
	job_lock_release(&lock);
	end_report(&j, r, start_ns);
	place_free(j.task.place);
	storage_config_clear(&j.storages);
	free(j.dumpdir);
	return r;
}

/* ---- choosing the guests, and --cleanup ---- */

static bool is_for_other_node(const struct host *host, const char *node)
{
	_cleanup_free_ char *here = paths_nodename(host->paths);

	return node && strcmp(node, here) != 0;
}

int job_choose(const struct host *host, const struct settings_request *q, struct selection *ret,
	       struct error **err)
{
	int r;

	*ret = (struct selection){ 0 };
	if (is_for_other_node(host, q->node))
		return 0;
	r = selection_make(host, q, ret, err);
	if (r == 0 && q->stop)
		r = job_stop_running(host, err);
	if (r < 0)
		return r;
	if (!ret->n && (q->stop || !q->all))
		return 0;
	if (q->to_stdout && ret->n != 1)
		return error_set(err, ERR_INVALID, "you can only backup a single VM with option --stdout");
	return 1;
}

int job_cleanup(const struct host *host, const struct settings *s, const struct observers *observers,
		struct error **err)
{
	struct job_lock lock = JOB_LOCK_INIT;
	_cleanup_free_ uint32_t *vmids = NULL;
	unsigned n = 0, total = 0;
	size_t n_vmids = 0;
	bool all = false;
	int r = selection_for_cleanup(host, &s->request, &vmids, &n_vmids, &all, err);

	if (r == 0)
		r = job_lock_take(&lock, host, s->lockwait_minutes, observers, err);
	for (size_t i = 0; i < (all ? 1 : n_vmids) && r == 0; i++) {
		r = recover_all(host, all ? 0 : vmids[i], &n, err);
		total += n;
	}
	if (r == 0)
		log_info(host->log,
			 total ? "cleaned up after %u interrupted backup(s)" : "nothing to clean up", total);
	job_lock_release(&lock);
	return r;
}
