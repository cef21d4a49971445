#include "schedule/scheduler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/lock-holder.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/upid.h"
#include "schedule/job-files.h"
#include "schedule/job-leftovers.h"
#include "schedule/job-run.h"
#include "schedule/job-state.h"
#include "schedule/last-pass.h"

#define LOCK_TRIES  100
#define LOCK_NAP_US 100000

/* One pass. */
struct pass {
	const struct scheduler *s;
	int64_t now;
	bool after_gap; /* nobody was there for a while */
};

static int save(const struct pass *pass, const struct job_entry *e, const struct job_state *st,
		struct error **err)
{
	return job_state_save(pass->s->paths, e->id, st, err);
}

/* ---- the state before anything is started ---- */

static void take_config(struct job_state *st, const struct job_entry *e)
{
	st->enabled = e->enabled;
	free(st->schedule);
	st->schedule = xstrdup(e->schedule);
}

/* A job that is new, or whose state was lost: nothing is due before its next time. */
static void make_new(const struct pass *pass, struct job_state *st)
{
	*st = (struct job_state){ .phase = JOB_CREATED, .time = pass->now };
}

/*
 * A time in the future is one of a clock that was wrong.  If it was hours or years ahead, the job would wait
 * for as long; a small step is waited for, so that no time comes twice.
 */
static bool is_far_ahead(const struct pass *pass, const struct job_entry *e, const struct job_state *st)
{
	const int64_t last = job_state_last(st);

	if (last - SCHEDULER_BACK_S <= pass->now)
		return false;
	log_warn(pass->s->log,
		 "the clock was set back by %" PRId64
		 " s since job '%s' was started or changed: its times count "
		 "from now on",
		 last - pass->now, e->id);
	return true;
}

/* Loads the state, or makes one, and notes what has changed in jobs.cfg. */
static int look_up(const struct pass *pass, const struct job_entry *e, struct job_state *st,
		   struct error **err)
{
	int r = job_state_load(pass->s->paths, e->id, pass->s->log, st, err);
	bool changed;

	if (r < 0)
		return r;
	if (r == 0)
		make_new(pass, st);
	changed = r > 0 && (st->enabled != e->enabled || strcmp(st->schedule, e->schedule) != 0);
	if (changed || is_far_ahead(pass, e, st))
		st->updated = pass->now;
	else if (r > 0)
		return 0;
	take_config(st, e);
	return save(pass, e, st, err);
}

/* ---- the last run ---- */

static void set_upid(const struct pass *pass, struct job_state *st, pid_t pid)
{
	free(st->upid);
	st->upid = upid_new(pass->s->node, pid, st->time, "vzdump");
}

/* A run is on that the state does not tell of, as after a kill between its start and the state's change. */
static int note_started(const struct pass *pass, const struct job_entry *e, struct job_state *st,
			struct error **err)
{
	_cleanup_job_run_ struct job_run run = { 0 };

	if (job_run_load(pass->s->paths, e->id, &run))
		set_upid(pass, st, run.pid);
	st->phase = JOB_STARTED;
	return save(pass, e, st, err);
}

static void say_ended(const struct pass *pass, const struct job_entry *e, const char *msg)
{
	_cleanup_free_ char *log = job_log_file(pass->s->paths, e->id);

	if (!strcmp(msg, "OK"))
		log_info(pass->s->log, "job '%s' has ended", e->id);
	else if (str_prefix(msg, "WARNINGS: ", NULL))
		log_warn(pass->s->log, "job '%s' has ended with warnings (see '%s')", e->id, log);
	else
		log_error(pass->s->log, "job '%s' has failed: %s (see '%s')", e->id, msg, log);
}

static int note_stopped(const struct pass *pass, const struct job_entry *e, struct job_state *st,
			const char *msg, struct error **err)
{
	free(st->msg);
	st->msg = xstrdup(msg);
	st->phase = JOB_STOPPED;
	return save(pass, e, st, err);
}

/* Its supervisor was killed while it started vzdump: rather twice, one behind the other, than not at all. */
static bool may_not_have_begun(const struct job_run *run)
{
	return run->pid && !run->vzdump && !run->ended;
}

/* What has become of the run that the state tells of: 1 if it never began, and has to be started again. */
static int look_at_run(const struct pass *pass, const struct job_entry *e, struct job_state *st,
		       struct error **err)
{
	_cleanup_job_run_ struct job_run run = { 0 };
	const char *msg;
	int r;

	if (!job_run_load(pass->s->paths, e->id, &run) || may_not_have_begun(&run)) {
		if (e->enabled)
			return 1;
		msg = "the scheduler was ended before the run began";
	} else {
		msg = run.msg ? run.msg : "the run was killed, or the host went down";
	}
	r = note_stopped(pass, e, st, msg, err);
	if (r == 0)
		say_ended(pass, e, msg);
	return r;
}

/* ---- starting ---- */

/* The start is decided: from here on a kill does not lose it. */
static int note_starting(const struct pass *pass, const struct job_entry *e, struct job_state *st,
			 struct error **err)
{
	int r = job_run_forget(pass->s->paths, e->id, err);

	if (r < 0)
		return r;
	job_state_clear(st);
	*st = (struct job_state){ .phase = JOB_STARTING, .time = pass->now };
	take_config(st, e);
	return save(pass, e, st, err);
}

static int start_run(const struct pass *pass, const struct job_entry *e, struct job_state *st, int lock,
		     struct error **err)
{
	const struct scheduler *s = pass->s;
	_cleanup_error_ struct error *why = NULL;
	pid_t pid;
	int r = note_starting(pass, e, st, err);

	if (r < 0)
		return error_wrap(err, r, "it is not started, because that could not be noted");
	if (s->start(s->opaque, e, lock, &pid, &why) < 0) {
		log_error(s->log, "job '%s' could not be started: %s", e->id, error_message(why));
		return note_stopped(pass, e, st, error_message(why), err);
	}
	log_info(s->log, "job '%s' is started", e->id);
	set_upid(pass, st, pid);
	st->phase = JOB_STARTED;
	return save(pass, e, st, err);
}

static int start(const struct pass *pass, const struct job_entry *e, struct job_state *st, struct error **err)
{
	_cleanup_close_ int lock = job_run_lock(pass->s->paths, e->id, err);

	return lock < 0 ? lock : start_run(pass, e, st, lock, err);
}

static bool is_due(const struct pass *pass, const struct job_entry *e, const struct job_state *st)
{
	time_t next;

	return calendar_next(&e->event, (time_t)job_state_last(st), &next) && next <= pass->now;
}

/* Whatever passed while nobody was there is dropped.  Most jobs have missed nothing: they are not written. */
static int drop_missed(const struct pass *pass, const struct job_entry *e, struct job_state *st,
		       struct error **err)
{
	if (!pass->after_gap || e->repeat_missed || !is_due(pass, e, st))
		return 0;
	st->updated = pass->now;
	return save(pass, e, st, err);
}

static bool is_on_this_node(const struct pass *pass, const struct job_entry *e)
{
	const char *node = job_entry_node(e);

	return !node || !strcmp(node, pass->s->node);
}

static int run_if_due(const struct pass *pass, const struct job_entry *e, struct job_state *st,
		      struct error **err)
{
	bool again = false;
	int r;

	if (!is_on_this_node(pass, e))
		return 0;
	r = job_run_is_on(pass->s->paths, e->id, err);
	if (r < 0)
		return r;
	if (r > 0)
		return st->phase == JOB_STARTED ? 0 : note_started(pass, e, st, err);
	if (st->phase == JOB_STARTING || st->phase == JOB_STARTED)
		r = look_at_run(pass, e, st, err);
	again = r > 0;
	if (r == 0)
		r = drop_missed(pass, e, st, err);
	if (r < 0 || !e->enabled || (!again && !is_due(pass, e, st)))
		return r;
	return start(pass, e, st, err);
}

/* ---- the pass ---- */

static int look_after(const struct pass *pass, const struct job_entry *e, struct job_state *st)
{
	_cleanup_error_ struct error *err = NULL;
	int r = st->schedule ? run_if_due(pass, e, st, &err) : 0;

	if (r < 0)
		log_error(pass->s->log, "job '%s': %s", e->id, error_message(err));
	return r;
}

/* First all states, then all starts: a job that hangs does not hide that another one has changed. */
static size_t look_after_all(const struct pass *pass, const struct jobs *jobs)
{
	struct job_state *states = xcalloc(jobs->n + 1, sizeof(*states));
	size_t failed = 0;

	for (size_t i = 0; i < jobs->n; i++) {
		_cleanup_error_ struct error *err = NULL;

		if (look_up(pass, &jobs->entries[i], &states[i], &err) < 0) {
			log_error(pass->s->log, "job '%s': %s", jobs->entries[i].id, error_message(err));
			job_state_clear(&states[i]);
			failed++;
		}
	}
	for (size_t i = 0; i < jobs->n; i++) {
		failed += look_after(pass, &jobs->entries[i], &states[i]) < 0;
		job_state_clear(&states[i]);
	}
	free(states);
	return failed;
}

/* Collects warnings about jobs.cfg. */
static void collect_line(const struct log *log, enum log_level level, const char *line)
{
	struct buf *b = log->opaque;

	if (level >= LOG_LEVEL_WARN)
		buf_addf(b, "%s%s", b->len ? "\n" : "", line);
}

/* Warnings that the pass before has told already are not repeated. */
static int load_jobs(const struct scheduler *s, struct last_pass *last, struct jobs *ret, struct error **err)
{
	_cleanup_buf_ struct buf warnings = BUF_INIT;
	const struct log collect = { .line = collect_line, .opaque = &warnings };
	int r = jobs_load(s->paths, NULL, &collect, ret, err);

	if (r < 0)
		return r;
	if (warnings.len && !str_equal_null(last->warnings, buf_str(&warnings)))
		log_warn(s->log, "%s", buf_str(&warnings));
	free(last->warnings);
	last->warnings = warnings.len ? buf_steal(&warnings) : NULL;
	return 0;
}

/* Then nobody knows what was told before.  The caller clears *ret. */
static bool is_after_gap(const struct scheduler *s, uint64_t uptime, struct last_pass *ret)
{
	if (last_pass_load(s->paths, ret) && uptime >= ret->uptime && uptime - ret->uptime <= SCHEDULER_GAP_S)
		return false;
	last_pass_clear(ret);
	return true;
}

/* If it cannot be noted, every pass sees a gap, and would drop what is due: then no job would ever run. */
static int note_pass(struct pass *pass, const struct last_pass *last)
{
	_cleanup_error_ struct error *err = NULL;
	int r = last_pass_save(pass->s->paths, last, &err);

	if (r < 0) {
		log_error(pass->s->log, "%s", error_message(err));
		pass->after_gap = false;
	}
	return r;
}

static int run_pass(const struct scheduler *s, time_t now, uint64_t uptime, struct error **err)
{
	_cleanup_last_pass_ struct last_pass last = { 0 };
	struct pass pass = { .s = s, .now = now, .after_gap = is_after_gap(s, uptime, &last) };
	_cleanup_jobs_ struct jobs jobs = { 0 };
	size_t failed;
	int r = load_jobs(s, &last, &jobs, err);

	last.uptime = uptime;
	/* a time that comes meanwhile is not missed: its job runs when the file can be read again */
	if (r < 0 && !pass.after_gap)
		note_pass(&pass, &last);
	/* perhaps the file system is not mounted yet: jobs keep their states, and this does not end a gap */
	if (r < 0 || !jobs.has_file)
		return r;
	failed = note_pass(&pass, &last) < 0;
	job_files_remove_others(s->paths, &jobs, s->log);
	failed += look_after_all(&pass, &jobs);
	if (!failed)
		return 0;
	return error_set(err, ERR_INVALID, "%zu error%s, see above", failed, failed == 1 ? "" : "s");
}

/* Passes of two schedulers go one after the other; one takes moments. */
static int lock_passes(const char *path, struct error **err)
{
	int fd = io_open_own_lock(path);

	if (fd < 0)
		return error_errno(err, -fd, "cannot open lock '%s'", path);
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			const int e = errno;

			close(fd);
			return error_errno(err, e, "cannot lock '%s'", path);
		}
		if (i == LOCK_TRIES) {
			_cleanup_free_ char *holder = lock_holder_text(path);

			close(fd);
			return error_set(err, ERR_TIMEOUT, "'%s' is %s: if that hangs, end it", path, holder);
		}
		usleep(LOCK_NAP_US);
	}
	return fd;
}

int scheduler_pass(const struct scheduler *s, time_t now, uint64_t uptime, struct error **err)
{
	_cleanup_free_ char *dir = job_files_dir(s->paths), *path = xasprintf("%s/lock", dir);
	_cleanup_close_ int lock = -1;
	int r = io_mkdir_p(dir, 0755, err);

	if (r < 0)
		return r;
	lock = lock_passes(path, err);
	return lock < 0 ? lock : run_pass(s, now, uptime, err);
}
