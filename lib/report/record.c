#include "report/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/unfinished.h"

#define RECORD_VERSION 1
#define RECORD_MAX     (256 * 1024)
#define TEXT_MAX       4096 /* bytes kept of a name or an error, so that a record never exceeds RECORD_MAX */
#define RECORD_MEMORY  ((size_t)1024 * 1024)

char *record_folder(const struct paths *p)
{
	return paths_get(p, "/var/log/vzdump/guests");
}

/* The folder above it has logs, which others may read. */
static int make_folder(const char *folder, struct error **err)
{
	_cleanup_free_ char *logs = io_parent(folder);
	int r = io_mkdir_p(logs, 0755, err);

	return r == 0 ? io_mkdir_p(folder, 0700, err) : r;
}

void record_clean(const struct paths *p)
{
	_cleanup_free_ char *folder = record_folder(p);

	unfinished_remove(folder, "");
}

int record_lock(const struct paths *p, struct error **err)
{
	_cleanup_free_ char *folder = record_folder(p);
	_cleanup_close_ int fd = -1;
	int r = make_folder(folder, err);

	if (r < 0)
		return r;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return error_errno(err, errno, "cannot lock folder '%s'", folder);
	return TAKE_FD(fd);
}

static char *record_path(const struct paths *p, uint32_t vmid)
{
	return paths_get(p, "/var/log/vzdump/guests/%u.json", vmid);
}

void record_clear(struct guest_record *r)
{
	free(r->name);
	free(r->last.error);
	free(r->last.mode);
	free(r->last.job_id);
	free(r->last.node);
	free(r->last.boot_archive);
	free(r->success.archive);
	free(r->success.volid);
	free(r->success.job_id);
	*r = (struct guest_record){ 0 };
}

/* ---- reading ---- */

static char *get_text(struct json_object *o, const char *key)
{
	return xstrdup_null(json_get_str(o, key));
}

static uint64_t get_number(struct json_object *o, const char *key)
{
	uint64_t n = 0;

	json_get_u64(o, key, &n);
	return n;
}

/* A time that no clock shows is damage, too. */
static bool get_time(struct json_object *o, const char *key, time_t *ret)
{
	uint64_t n;

	if (!json_get_u64(o, key, &n) || !n || n > INT64_C(253402300799))
		return false;
	*ret = (time_t)n;
	return true;
}

static bool get_outcome(struct json_object *o, enum task_outcome *ret)
{
	const char *name = json_get_str(o, "state");

	for (int i = TASK_RUNS; name && i <= TASK_UNSUPPORTED; i++) {
		*ret = (enum task_outcome)i;
		if (!strcmp(name, task_outcome_name(*ret)))
			return true;
	}
	return false;
}

static const char *slowdown_reason(const char *text)
{
	static const char *const reasons[] = { "limit", "fleecing-limit", "reserve" };

	for (size_t i = 0; text && i < ARRAY_SIZE(reasons); i++)
		if (!strcmp(text, reasons[i]))
			return reasons[i];
	return NULL;
}

static void read_slowdown(struct json_object *o, struct slowdown_report *ret)
{
	if (!o)
		return;
	ret->limited = true;
	if (!json_get_u64(o, "limit", &ret->limit))
		ret->limit = UINT64_MAX;
	ret->reason = slowdown_reason(json_get_str(o, "reason"));
	ret->times = (unsigned)get_number(o, "times");
	ret->ns = get_number(o, "ns");
	ret->rate = get_number(o, "rate");
	ret->lowest_rate = get_number(o, "lowest-rate");
}

static void read_incremental(struct json_object *o, struct run_record *ret)
{
	if (!o)
		return;
	ret->incremental = true;
	ret->generation = get_number(o, "generation");
	ret->changed = get_number(o, "changed");
	ret->fresh = get_number(o, "new");
	ret->shared = get_number(o, "shared");
}

static void read_boot(struct json_object *o, struct run_record *ret)
{
	ret->boot = boot_state_parse(json_get_str(o, "state"));
	ret->boot_ns = get_number(o, "ns");
	ret->boot_archive = get_text(o, "archive");
}

static bool read_last(struct json_object *o, struct run_record *ret)
{
	if (!get_outcome(o, &ret->outcome) || !get_time(o, "start", &ret->start))
		return false;
	ret->ns = get_number(o, "ns");
	ret->error = get_text(o, "error");
	ret->mode = get_text(o, "mode");
	ret->job_id = get_text(o, "job-id");
	ret->node = get_text(o, "node");
	ret->size = get_number(o, "size");
	ret->read = get_number(o, "read");
	ret->zero = get_number(o, "zero");
	ret->archive_size = get_number(o, "archive-size");
	ret->fleecing = json_get_u64(o, "fleecing-peak", &ret->peak);
	read_slowdown(json_get_obj(o, "slowdown"), &ret->slowdown);
	read_incremental(json_get_obj(o, "incremental"), ret);
	read_boot(json_get_obj(o, "boot"), ret);
	ret->n_warnings = get_number(o, "warnings");
	return true;
}

static bool read_success(struct json_object *o, struct success_record *ret)
{
	if (!o)
		return true;
	ret->archive = get_text(o, "archive");
	if (!ret->archive || !get_time(o, "start", &ret->start))
		return false;
	ret->ns = get_number(o, "ns");
	ret->volid = get_text(o, "volid");
	ret->job_id = get_text(o, "job-id");
	ret->archive_size = get_number(o, "archive-size");
	return true;
}

static bool read_record(struct json_object *o, struct guest_record *ret)
{
	if (get_number(o, "version") != RECORD_VERSION)
		return false;
	ret->name = get_text(o, "name");
	return read_last(json_get_obj(o, "last-run"), &ret->last) &&
	       read_success(json_get_obj(o, "last-success"), &ret->success);
}

static int parse_file(const char *path, struct guest_record *ret, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;
	int r = io_read_file(path, RECORD_MAX, &text, err);

	if (r >= 0)
		r = json_parse(buf_str(&text), text.len, RECORD_MEMORY, &o, err);
	if (r < 0)
		return r;
	return read_record(o, ret) ? 0 : error_set(err, ERR_CORRUPT, "it is not a record of this version");
}

bool record_load(const struct paths *p, uint32_t vmid, struct guest_record *ret, const struct log *log)
{
	_cleanup_free_ char *path = record_path(p, vmid);
	_cleanup_error_ struct error *err = NULL;
	int r;

	*ret = (struct guest_record){ 0 };
	r = parse_file(path, ret, &err);
	if (r >= 0)
		return true;
	record_clear(ret);
	if (r == ERR_CORRUPT)
		log_warn(log, "the record '%s' is damaged and counts as missing until the next backup", path);
	else if (r != -ENOENT)
		log_warn(log, "%s", error_message(err));
	return false;
}

/* ---- writing ---- */

/* A guest's name has any length, and so has an error with it. */
static void put_cut(struct json_object *o, const char *key, const char *text)
{
	size_t len = text ? strnlen(text, TEXT_MAX) : 0;
	_cleanup_free_ char *head = NULL;

	/* not amid a character */
	while (len > 0 && (text[len] & 0xc0) == 0x80)
		len--;
	if (text)
		head = xstrndup(text, len);
	json_put_text(o, key, head);
}

/* Strings are borrowed. */
static struct run_record run_of(const struct job_report *job, const struct task_report *t)
{
	struct disk_report sum;
	const bool fleecing = task_report_fleecing(t, &sum);

	return (struct run_record){
		.outcome = t->outcome,
		.start = t->start ? t->start : job->start,
		.ns = t->ns,
		.error = t->error,
		.mode = (char *)t->mode,
		.job_id = job->job_id,
		.node = job->node,
		.size = t->size,
		.read = t->read,
		.zero = t->zero,
		.archive_size = t->archive_size,
		.fleecing = fleecing,
		.peak = sum.peak,
		.slowdown = t->slowdown,
		.incremental = t->incremental.chained && t->archive,
		.generation = t->incremental.generation,
		.changed = t->incremental.changed,
		.fresh = task_report_new(t),
		.shared = t->incremental.shared,
		.boot = t->boot.state,
		.boot_ns = t->boot.ns,
		.boot_archive = t->archive,
		.n_warnings = t->n_warnings,
	};
}

static struct json_object *slowdown_json(const struct slowdown_report *s)
{
	struct json_object *o = json_new_obj();

	if (s->limit != UINT64_MAX)
		json_put_u64(o, "limit", s->limit);
	json_put_text(o, "reason", s->reason);
	json_put_u64(o, "times", s->times);
	json_put_u64(o, "ns", s->ns);
	json_put_u64(o, "rate", s->rate);
	return json_put_u64(o, "lowest-rate", s->lowest_rate);
}

static struct json_object *incremental_json(const struct run_record *r)
{
	struct json_object *o = json_put_u64(json_new_obj(), "generation", r->generation);

	json_put_u64(o, "changed", r->changed);
	json_put_u64(o, "new", r->fresh);
	return json_put_u64(o, "shared", r->shared);
}

static struct json_object *boot_json(const struct run_record *r)
{
	struct json_object *o = json_new_str("state", boot_state_name(r->boot));

	json_put_u64(o, "ns", r->boot_ns);
	return json_put_text(o, "archive", r->boot_archive);
}

static struct json_object *last_json(const struct run_record *r)
{
	struct json_object *o = json_new_str("state", task_outcome_name(r->outcome));

	json_put_u64(o, "start", (uint64_t)r->start);
	json_put_u64(o, "ns", r->ns);
	put_cut(o, "error", r->error);
	json_put_text(o, "mode", r->mode);
	json_put_text(o, "job-id", r->job_id);
	json_put_text(o, "node", r->node);
	json_put_u64(o, "size", r->size);
	json_put_u64(o, "read", r->read);
	json_put_u64(o, "zero", r->zero);
	json_put_u64(o, "archive-size", r->archive_size);
	if (r->fleecing)
		json_put_u64(o, "fleecing-peak", r->peak);
	if (r->slowdown.limited)
		json_put_obj(o, "slowdown", slowdown_json(&r->slowdown));
	if (r->incremental)
		json_put_obj(o, "incremental", incremental_json(r));
	if (r->boot != BOOT_NOT_ASKED)
		json_put_obj(o, "boot", boot_json(r));
	return json_put_u64(o, "warnings", r->n_warnings);
}

static struct json_object *success_json(const struct success_record *s)
{
	struct json_object *o = json_new_obj();

	json_put_u64(o, "start", (uint64_t)s->start);
	json_put_u64(o, "ns", s->ns);
	json_put_text(o, "archive", s->archive);
	json_put_text(o, "volid", s->volid);
	json_put_text(o, "job-id", s->job_id);
	return json_put_u64(o, "archive-size", s->archive_size);
}

/*
 * What is on record is of a later run, which took the lock after this one and wrote its records first.  A
 * time that is still to come is from a clock that was wrong.
 */
static bool is_later(time_t on_record, time_t start)
{
	return on_record > start && on_record <= time(NULL);
}

/* The success that the new record has; its strings are borrowed. */
static struct success_record last_success(const struct guest_record *old, const struct job_report *job,
					  const struct task_report *t)
{
	if (t->outcome != TASK_SAVED || is_later(old->success.start, t->start))
		return old->success;
	return (struct success_record){
		.start = t->start,
		.ns = t->ns,
		/* only one that went to standard output has no archive */
		.archive = t->archive ? t->archive : (char *)"-",
		.volid = t->volid,
		.job_id = job->job_id,
		.archive_size = t->archive_size,
	};
}

/* An old record survives a power cut that the new one does not, so the folder's sync may fail. */
static int write_record(const struct paths *p, uint32_t vmid, struct json_object *o, struct error **err)
{
	_cleanup_free_ char *path = record_path(p, vmid), *folder = record_folder(p);
	_cleanup_free_ char *text = xasprintf("%s\n", json_text(o));
	_cleanup_error_ struct error *not_synced = NULL;
	int r = make_folder(folder, err);

	return r < 0 ? r : io_write_file_atomic(path, text, strlen(text), 0600, &not_synced, err);
}

int record_save(const struct paths *p, const struct job_report *job, const struct task_report *task,
		const struct log *log, struct error **err)
{
	_cleanup_json_ struct json_object *o = json_new_obj();
	_cleanup_record_ struct guest_record old = { 0 };
	const struct run_record run = run_of(job, task);
	struct success_record success;
	bool later;
	int r;

	record_load(p, task->vmid, &old, log);
	success = last_success(&old, job, task);
	later = is_later(old.last.start, run.start);
	json_put_u64(o, "version", RECORD_VERSION);
	put_cut(o, "name", task->name ? task->name : old.name);
	json_put_obj(o, "last-run", last_json(later ? &old.last : &run));
	if (success.start)
		json_put_obj(o, "last-success", success_json(&success));
	r = write_record(p, task->vmid, o, err);
	return r < 0 ? error_wrap(err, r, "the record of guest %u", task->vmid) : 0;
}
