#include "backup/job.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/hook.h"
#include "backup/job-lock.h"
#include "backup/recover.h"
#include "backup/task.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "config/guest.h"
#include "config/pool.h"

struct job {
	const struct backup_env *env;
	const struct job_params *p;
	struct task_options task;
	char *dumpdir;
	uint32_t *vmids;
	size_t n;
};

/* ---- which guests ---- */

static int compare_vmids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void add_list(const char *list, uint32_t **v, size_t *n)
{
	_cleanup_strv_ char **ids = strv_split_list(list ? list : "");

	for (char **id = ids; *id; id++) {
		*v = xreallocarray(*v, *n + 1, sizeof(**v));
		(*v)[(*n)++] = vmid_parse(*id); /* checked when the options were read */
	}
}

static size_t without_doubles(uint32_t *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), compare_vmids);
	for (size_t i = 0; i < n; i++) {
		if (!kept || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	return kept;
}

static size_t without_excluded(const struct options *o, uint32_t *v, size_t n)
{
	_cleanup_free_ uint32_t *excluded = NULL;
	size_t n_excluded = 0, kept = 0;

	add_list(options_get(o, "exclude"), &excluded, &n_excluded);
	for (size_t i = 0; i < n; i++) {
		bool out = false;

		for (size_t k = 0; k < n_excluded; k++)
			out |= excluded[k] == v[i];
		if (!out)
			v[kept++] = v[i];
	}
	return kept;
}

/* A pool's guests may be on other hosts of the cluster, and may be containers. */
static int choose_pool(struct job *j, const char *name, struct error **err)
{
	_cleanup_free_ uint32_t *here = NULL, *members = NULL;
	size_t n_here, n_members;
	int r = pool_guests(j->env->paths, name, &members, &n_members, err);

	if (r == 0)
		r = guest_config_list(j->env->paths, &here, &n_here, err);
	for (size_t i = 0; r == 0 && i < n_here; i++)
		for (size_t k = 0; k < n_members; k++)
			if (members[k] == here[i]) {
				j->vmids = xreallocarray(j->vmids, j->n + 1, sizeof(*j->vmids));
				j->vmids[j->n++] = here[i];
				break;
			}
	if (j->n)
		j->n = without_excluded(j->env->options, j->vmids, j->n);
	return r;
}

static int choose_guests(struct job *j, struct error **err)
{
	const struct options *o = j->env->options;
	int r = 0;

	if (options_given(o, "vmid")) {
		add_list(options_get(o, "vmid"), &j->vmids, &j->n);
	} else if (options_get(o, "pool") && *options_get(o, "pool")) {
		r = choose_pool(j, options_get(o, "pool"), err);
	} else if (options_bool(o, "all")) {
		r = guest_config_list(j->env->paths, &j->vmids, &j->n, err);
		if (r == 0)
			j->n = without_excluded(o, j->vmids, j->n);
	}
	if (r == 0 && j->n)
		j->n = without_doubles(j->vmids, j->n);
	return r;
}

/* ---- where to, and how ---- */

static int choose_dumpdir(struct job *j, const char *dumpdir, struct error **err)
{
	struct stat st;

	if (stat(dumpdir, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERR_NOT_FOUND,
				 "dumpdir '%s' does not exist: create it or name another folder",
				 dumpdir);
	j->dumpdir = realpath(dumpdir, NULL);
	return j->dumpdir ? 0 : error_errno(err, errno, "dumpdir '%s'", dumpdir);
}

static int choose_storage(struct job *j, const char *id, struct error **err)
{
	const struct storage *s = NULL;
	int r = storage_get(j->env->storages, id, 0, &s, err);

	if (r == 0 && !(s->content & STORAGE_BACKUP))
		r = error_set(err, ERR_INVALID,
			      "can't use storage '%s' for backups - wrong content type: add 'backup' to "
			      "its content in storage.cfg or name another storage",
			      id);
	if (r == 0)
		r = storage_activate(s, j->env->log, err);
	if (r == 0)
		r = storage_dir(s, STORAGE_BACKUP, &j->dumpdir, err);
	if (r < 0) {
		error_prefix(err, "could not activate storage '%s'", id);
		return r;
	}
	j->task.storage = s;
	return 0;
}

static int choose_target(struct job *j, struct error **err)
{
	const struct options *o = j->env->options;
	const char *storage = options_get(o, "storage"), *dumpdir = options_get(o, "dumpdir");
	int r;

	if (options_bool(o, "stdout")) {
		if (storage && j->p->target_from_cli)
			return error_set(err, ERR_INVALID, "cannot use options 'storage' and 'stdout' "
							   "at the same time");
		return 0;
	}
	if (storage && dumpdir)
		return error_set(err, ERR_INVALID,
				 "cannot use options 'storage' and 'dumpdir' at the same time");
	r = dumpdir ? choose_dumpdir(j, dumpdir, err)
		    : choose_storage(j, storage ? storage : "local", err);
	j->task.dumpdir = j->dumpdir;
	return r;
}

static int choose_retention(struct job *j, struct error **err)
{
	const struct options *o = j->env->options;
	const char *text = j->p->conf_prune_backups;
	int r;

	/* command line, then the storage's, then vzdump.conf's, then keep-all: PVE's order */
	if (options_given(o, "prune-backups"))
		text = options_get(o, "prune-backups");
	else if (j->task.storage && j->task.storage->prune_backups)
		text = j->task.storage->prune_backups;
	r = prune_keep_parse(text, &j->task.keep, err);
	j->task.remove = options_bool(o, "remove") && !j->task.keep.all;
	return r;
}

static int check_tmpdir(const struct options *o, struct error **err)
{
	const char *tmpdir = options_get(o, "tmpdir");
	struct stat st;

	if (tmpdir && (stat(tmpdir, &st) < 0 || !S_ISDIR(st.st_mode)))
		return error_set(err, ERR_NOT_FOUND, "tmpdir '%s' does not exist", tmpdir);
	return 0;
}

static int configure(struct job *j, struct error **err)
{
	const struct options *o = j->env->options;
	struct performance_config performance;
	int r;

	j->task.mode = options_get(o, "mode");
	j->task.stdout_fd = j->p->stdout_fd;
	j->task.progress = j->p->progress;
	j->task.opaque = j->p->opaque;
	r = fleecing_config_parse(options_get(o, "fleecing"), &j->task.fleecing, err);
	if (r == 0)
		r = performance_config_parse(options_get(o, "performance"), &performance, err);
	if (r < 0)
		return r;
	j->task.max_workers = performance.max_workers;
	if (options_bool(o, "stdout") && j->n != 1)
		return error_set(err, ERR_INVALID,
				 "you can only backup a single VM with option --stdout");
	r = hook_run(j->env, "job-init", NULL, NULL, j->env->log, err);
	if (r == 0)
		r = choose_target(j, err);
	if (r == 0)
		r = choose_retention(j, err);
	if (r == 0)
		r = check_tmpdir(o, err);
	return r;
}

/* ---- the guests ---- */

static int run_tasks(struct job *j, unsigned *ret_failed, struct error **err)
{
	int r = hook_run(j->env, "job-start", NULL, j->dumpdir, j->env->log, err);

	for (size_t i = 0; i < j->n && r == 0; i++) {
		struct task_result result;
		_cleanup_error_ struct error *mine = NULL;

		if (task_run(j->env, &j->task, j->vmids[i], &result, &mine) < 0)
			(*ret_failed)++;
		free(result.target);
		r = cancel_check(j->env->cancel, err);
	}
	if (r == 0)
		r = hook_run(j->env, "job-end", NULL, j->dumpdir, j->env->log, err);
	return r;
}

static int run_locked(struct job *j, struct error **err)
{
	const struct log *log = j->env->log;
	_cleanup_error_ struct error *leftovers = NULL;
	unsigned failed = 0;
	int r;

	log_info(log, "starting new backup job: %s", j->p->command_line);
	if (recover_all(j->env, 0, NULL, &leftovers) < 0)
		log_warn(log, "%s", error_message(leftovers));
	r = run_tasks(j, &failed, err);
	if (r < 0) {
		_cleanup_error_ struct error *mine = NULL;

		if (hook_run(j->env, "job-abort", NULL, j->dumpdir, log, &mine) < 0)
			log_warn(log, "%s", error_message(mine));
		log_error(log, "Backup job failed - %s",
			  err && *err ? error_message(*err) : "unknown error");
		return r;
	}
	if (failed) {
		log_info(log, "Backup job finished with errors");
		return error_set(err, ERR_PEER, "job errors");
	}
	log_info(log, "Backup job finished successfully");
	return 0;
}

static bool is_for_other_node(const struct backup_env *env)
{
	const char *node = options_get(env->options, "node");
	_cleanup_free_ char *here = paths_nodename(env->paths);

	return node && strcmp(node, here) != 0;
}

int job_run(const struct backup_env *env, const struct job_params *p, struct error **err)
{
	struct job j = { .env = env, .p = p };
	struct job_lock lock = JOB_LOCK_INIT;
	int r = 0;

	if (is_for_other_node(env))
		return 0;
	if (options_bool(env->options, "stop"))
		r = job_stop_running(env, err);
	if (r == 0)
		r = choose_guests(&j, err);
	if (r == 0 && (j.n || options_bool(env->options, "all") || options_given(env->options, "pool"))) {
		r = configure(&j, err);
		if (r == 0)
			r = job_lock_take(&lock, env, err);
		if (r == 0)
			r = run_locked(&j, err);
	}
	job_lock_release(&lock);
	fleecing_config_clear(&j.task.fleecing);
	free(j.dumpdir);
	free(j.vmids);
	return r;
}

int job_cleanup(const struct backup_env *env, struct error **err)
{
	struct job j = { .env = env };
	struct job_lock lock = JOB_LOCK_INIT;
	unsigned n = 0, total = 0;
	int r = choose_guests(&j, err);

	if (r == 0)
		r = job_lock_take(&lock, env, err);
	for (size_t i = 0; i < (j.n ? j.n : 1) && r == 0; i++) {
		r = recover_all(env, j.n ? j.vmids[i] : 0, &n, err);
		total += n;
	}
	if (r == 0)
		log_info(env->log, total ? "cleaned up after %u interrupted backup(s)"
					 : "nothing to clean up",
			 total);
	job_lock_release(&lock);
	free(j.vmids);
	return r;
}
