/* A job before its guests: where its archives go, retention, and what is checked at once. */
#include "backup/job-internal.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"
#include "storage/own-config.h"

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

static int choose_storage(struct job *j, const char *id, job_storage_fn *use, struct error **err)
{
	const struct storage *s = NULL;
	int r = storage_get(j->host.storages, id, 0, &s, err);

	if (r == 0)
		r = use(s, j->host.log, err);
	if (r < 0) {
		error_prefix(err, "could not activate storage '%s'", id);
		return r;
	}
	j->task.storage = s;
	return use_storage(j, s, err);
}

static int choose_place(struct job *j, job_storage_fn *use, struct error **err)
{
	const struct settings_place *place = &j->p->settings->place;
	int r;

	if (j->p->settings->request.to_stdout) {
		j->task.place = place_stdout_new(j->p->stdout_fd);
		return 0;
	}
	r = place->dumpdir ? choose_dumpdir(j, place->dumpdir, err)
			   : choose_storage(j, place->storage, use, err);
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

static int choose_incremental(struct job *j, struct error **err)
{
	_cleanup_free_ char *of_storage =
		j->task.storage
			? storage_incremental(j->host.paths, &j->storages, j->task.storage->id, j->host.log)
			: NULL;

	return settings_incremental(j->p->settings, of_storage, j->host.log, &j->task.incremental, err);
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

int job_reach(struct job *j, const char *name, enum phase_rule rule, struct buf *kept, struct error **err)
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

int job_prepare(struct job *j, job_storage_fn *use, struct error **err)
{
	_cleanup_error_ struct error *all = NULL;
	struct error *mine = NULL;
	int code = 0;
	int r = job_reach(j, "job-init", PHASE_MAY_FAIL, &j->report->log_before, &mine);

	collect_error(j, &all, &code, r, &mine);
	if (r != ERR_CANCELED) {
		r = storage_config_load(j->host.paths, j->host.log, &j->storages, &mine);
		storage_config_set_cancel(&j->storages, j->host.cancel);
		if (r == 0)
			r = choose_place(j, use, &mine);
		collect_error(j, &all, &code, r, &mine);
		collect_error(j, &all, &code, choose_retention(j, &mine), &mine);
		collect_error(j, &all, &code, choose_incremental(j, &mine), &mine);
		collect_error(j, &all, &code, check_tmpdir(j->p->settings->tmpdir, &mine), &mine);
	}
	if (code < 0)
		error_keep_first(err, &all);
	return code;
}

/* ---- the job ---- */

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

void job_init(struct job *j, const struct host *host, const struct job_params *p)
{
	*j = (struct job){
		.host = *host,
		.p = p,
		.task = { .settings = p->settings,
			  .observers = p->observers,
			  .boot = p->boot,
			  .report = p->report },
		.report = p->report,
	};
	begin_report(p->report, host, p);
	j->host.storages = &j->storages;
	init_budget(&j->budget, p->settings);
	j->task.budget = &j->budget;
}

void job_report_place(struct job *j)
{
	j->report->storage = j->task.storage ? xstrdup(j->task.storage->id) : NULL;
	j->report->dumpdir = xstrdup_null(j->dumpdir);
}

void job_clear(struct job *j)
{
	place_free(j->task.place);
	storage_config_clear(&j->storages);
	free(j->dumpdir);
}
