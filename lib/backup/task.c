#include "backup/task.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/event.h"
#include "backup/hook.h"
#include "backup/recover.h"
#include "backup/task-internal.h"
#include "base/bounded.h"
#include "base/mem.h"
#include "base/units.h"
#include "guest/ha.h"
#include "storage/archive-name.h"

static struct hook_guest hook_guest(const struct task *t)
{
	return (struct hook_guest){ .mode = t->mode,
				    .vmid = t->vmid,
				    .known = t->known,
				    .hostname = guest_config_get(&t->conf, "name"),
				    .target = t->target,
				    .logfile = t->logfile };
}

static int hook(struct task *t, const char *phase, struct error **err)
{
	const struct hook_guest g = hook_guest(t);

	return hook_run(t->host, t->o->settings, phase, &g, t->o->dumpdir, t->log, err);
}

/* A phase that comes whatever happened, where a failure is said and nothing else. */
static int last_hook(struct task *t, const char *phase)
{
	const struct hook_guest g = hook_guest(t);
	_cleanup_error_ struct error *err = NULL;
	int r = hook_run_after(t->host, t->o->settings, phase, &g, t->o->dumpdir, t->log, &err);

	if (r < 0)
		log_warn(t->log, "%s", error_message(err));
	return r;
}

/* Asked again for each guest, before anything is done in the folder or to the guest. */
static int reach_dumpdir(const struct task *t, struct error **err)
{
	return t->o->dumpdir ? bounded_reach(t->o->dumpdir, BOUNDED_REACH_MS, t->host->cancel, err) : 0;
}

/* An archive of this very second exists: the next second's name is free. */
static void name_archive(struct task *t, bool is_there)
{
	for (;;) {
		_cleanup_free_ char *stem = archive_stem("qemu", t->vmid, t->start);

		archive_init(&t->archive, t->o->dumpdir, stem, &t->o->settings->archive);
		if (t->archive.is_stdout || !is_there || access(t->archive.target, F_OK) < 0 ||
		    cancel_sleep(t->host->cancel, 100, NULL) < 0)
			return;
		archive_clear(&t->archive);
		t->start = time(NULL);
	}
}

/* What hooks and the caller are told of, until the end. */
static void name_files(struct task *t, bool is_there)
{
	name_archive(t, is_there);
	t->target = xstrdup(t->archive.target);
	if (t->o->dumpdir) {
		_cleanup_free_ char *stem = archive_stem("qemu", t->vmid, t->start);

		t->logfile = xasprintf("%s/%s.log", t->o->dumpdir, stem);
	}
}

/* Tries again to remove what an earlier run left in QEMU: that may be possible by now. */
static int clean_before(struct task *t, struct error **err)
{
	static const enum journal_kind in_the_way[] = { JOURNAL_GRAPH, JOURNAL_SERVER, JOURNAL_STOPPED };
	bool found = false;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(in_the_way); i++)
		found = found || journal_has(t->journal, in_the_way[i]);
	if (!found)
		return 0;
	/* its lines were logged when the job began */
	r = recover_guest(t->host, t->journal, NULL, err);
	for (size_t i = 0; i < ARRAY_SIZE(in_the_way) && r < 0; i++) {
		if (journal_has(t->journal, in_the_way[i])) {
			error_prefix(err,
				     "an earlier backup could not be cleaned up "
				     "('vzdump --cleanup %u' tries again)",
				     t->vmid);
			return r;
		}
	}
	/* what is left, such as a frozen file system, does not keep the guest from being saved */
	if (r < 0 && err)
		error_free(TAKE_PTR(*err));
	return 0;
}

/*
 * Files of a killed run whose storage is away just now do not keep the guest from being saved: they
 * stay in the journal, and this run tries again.  What is still in QEMU does.  File systems that may be
 * frozen do not either: whether they are is the guest's say, and its agent may say no for ever.
 */
static int open_journal(struct task *t, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = journal_create(t->host->paths, t->vmid, &t->journal, &mine);

	if (r != -EEXIST) {
		error_keep_first(err, &mine);
		return r;
	}
	r = journal_load(t->host->paths, t->vmid, &t->journal, err);
	if (r < 0)
		return r;
	r = journal_add_pid(t->journal, err);
	if (r == 0)
		r = clean_before(t, err);
	if (r < 0) {
		journal_finish(t->journal);
		journal_free(TAKE_PTR(t->journal));
	}
	return r;
}

static int set_lock(struct task *t, struct error **err)
{
	_cleanup_error_ struct error *not_synced = NULL;
	int r = journal_add(t->journal, JOURNAL_LOCK, NULL, err);

	if (r < 0)
		return r;
	r = guest_config_set_lock(t->host->paths, t->vmid, "backup", t->host->cancel, &not_synced, err);
	/* a lock that was there is somebody else's */
	if (r < 0)
		journal_strike(t->journal, JOURNAL_LOCK, NULL);
	/* the lock is for the time that we live */
	if (not_synced)
		log_warn(t->log, "VM %u is locked, but its configuration's storage has trouble: %s", t->vmid,
			 error_message(not_synced));
	return r;
}

static int lock_guest(struct task *t, struct error **err)
{
	int r;

	/* asked before the journal says that the lock is ours */
	if (guest_config_lock(&t->conf))
		return guest_config_locked(t->host->paths, t->vmid, guest_config_lock(&t->conf), err);
	r = open_journal(t, err);
	return r == 0 ? set_lock(t, err) : r;
}

/* ---- the three modes ---- */

static int begin_snapshot(struct task *t, struct error **err)
{
	int r = hook(t, "backup-start", err);

	t->live = true;
	if (r == 0)
		r = hook(t, "pre-stop", err);
	if (r == 0)
		r = task_live_prepare(t, err);
	if (r == 0)
		r = hook(t, "pre-restart", err);
	if (r == 0)
		r = hook(t, "post-restart", err);
	return r;
}

static int suspend(struct task *t, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	if (!t->vcpus_ran)
		return 0;
	r = journal_add(t->journal, JOURNAL_STOPPED, NULL, err);
	if (r == 0)
		r = power_open_qmp(t->host->paths, t->vmid, t->host->cancel, &q, err);
	if (r == 0)
		r = qmp_execute(q, "stop", NULL, NULL, err);
	return r;
}

static int begin_suspend(struct task *t, struct error **err)
{
	int r = hook(t, "backup-start", err);

	t->live = true;
	if (r == 0)
		r = task_live_prepare(t, err);
	if (r < 0)
		return r;
	task_write_out(t);
	log_info(t->log, "suspending guest");
	r = hook(t, "pre-stop", err);
	if (r == 0) {
		t->suspended = true;
		t->down_since_ns = units_now_ns();
		r = suspend(t, err);
	}
	return r;
}

/* The guest is down; start it paused where the administrator says how, and save it while it runs. */
static int start_paused(struct task *t, struct error **err)
{
	int r = power_start_paused(&t->o->settings->commands, t->vmid, t->host->cancel, t->log, err);

	if (r == 0)
		r = journal_add(t->journal, JOURNAL_STOPPED, NULL, err);
	if (r == 0)
		r = power_get(t->host->paths, t->vmid, &t->power, err);
	if (r == 0 && !t->power.running)
		r = error_set(err, ERR_PEER, "start-paused-command ran, but VM %u does not run", t->vmid);
	if (r < 0)
		return r;
	t->live = true;
	return task_live_prepare(t, err);
}

static int begin_stop(struct task *t, struct error **err)
{
	int r = hook(t, "backup-start", err);

	if (r < 0 || !t->power.running)
		return r;
	log_info(t->log, "stopping virtual guest");
	t->down_since_ns = units_now_ns();
	r = hook(t, "pre-stop", err);
	if (r == 0)
		r = journal_add(t->journal, JOURNAL_DOWN, NULL, err);
	if (r == 0)
		r = power_shutdown(t->host, &t->conf, t->o->settings->stopwait_minutes, t->log, err);
	if (r == 0 && t->o->settings->commands.start_paused)
		r = start_paused(t, err);
	return r;
}

static void log_settings(struct task *t)
{
	const uint64_t limit = t->o->settings->bwlimit_kib;

	log_info(t->log, "backup mode: %s", t->mode);
	if (limit)
		log_info(t->log, "bandwidth limit: %lu KiB/s", (unsigned long)limit);
	log_info(t->log, "ionice priority: %d", t->o->settings->archive.ionice);
}

static int begin(struct task *t, struct error **err)
{
	bool snapshot = !strcmp(t->mode, "snapshot");
	int r = 0;

	/* the order of these lines is PVE's */
	if (!snapshot)
		log_settings(t);
	r = task_load_disks(t, err);
	if (r < 0)
		return r;
	if (snapshot)
		log_settings(t);
	if (snapshot)
		return begin_snapshot(t, err);
	return strcmp(t->mode, "suspend") == 0 ? begin_suspend(t, err) : begin_stop(t, err);
}

/* The HA manager would start a guest again that is shut down for its backup. */
static int check_ha(struct task *t, struct error **err)
{
	int r = strcmp(t->o->settings->mode, "stop") ? 0 : ha_keeps_running(t->host->paths, t->vmid, err);

	if (r > 0)
		r = error_set(
			err, ERR_INVALID,
			"cannot execute a backup with stop mode of a HA managed and enabled service "
			"(vm:%u in /etc/pve/ha/resources.cfg): use mode snapshot or suspend, or disable "
			"the service",
			t->vmid);
	return r;
}

/* ---- all of it ---- */

/* A connection has ended, to the monitor or to an export: has QEMU? */
static void explain_lost(const struct task *t, int r, struct error **err)
{
	const struct power_process *p = &t->power.process;

	if (!t->live || !p->pid || r == ERR_CANCELED)
		return;
	if (r == ERR_GONE ? power_process_ends(p) : !power_process_lives(p))
		error_prefix(err, "QEMU (pid %d) was stopped or crashed", (int)p->pid);
	else if (r == ERR_GONE)
		error_prefix(err, "QEMU (pid %d) runs on, but a connection to it has ended", (int)p->pid);
}

static int save(struct task *t, struct task_result *ret, struct error **err)
{
	struct vma_writer_stats stats;
	int r;

	r = check_ha(t, err);
	if (r == 0)
		r = task_check_limits(t, err);
	if (r < 0)
		return r;
	r = power_get(t->host->paths, t->vmid, &t->power, err);
	if (r < 0)
		return r;
	log_info(t->log, "status = %s", t->power.running ? "running" : "stopped");
	t->mode = t->power.running ? t->o->settings->mode : "stop";
	r = lock_guest(t, err);
	if (r == 0)
		r = begin(t, err);
	if (r == 0)
		r = task_copy(t, &stats, err);
	if (r < 0) {
		explain_lost(t, r, err);
		return r;
	}
	if (!t->archive.is_stdout) {
		_cleanup_free_ char *size = NULL;

		ret->size = stats.file_bytes;
		size = units_archive_size(ret->size);
		log_info(t->log, "archive file size: %s", size);
	}
	r = task_after(t, err);
	if (r == 0)
		r = hook(t, "backup-end", err);
	return r;
}

static void log_online_again(struct task *t)
{
	uint64_t seconds;

	if (!t->down_since_ns)
		return;
	seconds = (units_now_ns() - t->down_since_ns) / 1000000000u;
	if (seconds)
		log_info(t->log, "guest is online again after %lu seconds", (unsigned long)seconds);
	else
		log_info(t->log, "guest is online again after <1 seconds");
	t->down_since_ns = 0;
}

/* Whatever happened: nothing stays. */
static void clean_up(struct task *t)
{
	bool told = true;
	/* milliseconds of stopped vCPUs in snapshot mode do not count; of a suspended guest the hook
	 * script hears here, as in PVE, although it may run again for long */
	bool restart = t->journal && (t->suspended || journal_has(t->journal, JOURNAL_DOWN) ||
				      (t->down_since_ns && journal_has(t->journal, JOURNAL_STOPPED)));

	copy_free(TAKE_PTR(t->copy));
	qmp_close(TAKE_PTR(t->qmp));
	archive_clear(&t->archive);
	storage_daemon_stop(&t->offline);
	if (!t->journal)
		return;
	/* PVE leaves the guest alone where this fails; here one that we stopped goes on in any case */
	if (restart && last_hook(t, "pre-restart") < 0)
		told = false;
	else if (t->suspended)
		log_info(t->log, "resume vm");
	recover_guest(t->host, t->journal, t->log, NULL);
	usage_stop(TAKE_PTR(t->usage));
	if (recover_rest(t->host, &t->o->settings->commands, t->journal, t->log, NULL) == 0 && restart) {
		if (told)
			last_hook(t, "post-restart");
		log_online_again(t);
	}
	if (!journal_finish(t->journal))
		log_warn(t->log, "something was left behind: 'vzdump --cleanup %u' tries again", t->vmid);
	journal_free(TAKE_PTR(t->journal));
}

static void say_failed(struct task *t, const struct error *err)
{
	_cleanup_free_ char *now = task_log_time();

	event_error(t->host, t->log, "Backup of VM %u failed - %s", t->vmid, error_message(err));
	log_info(t->host->log, "Failed at %s", now);
	last_hook(t, "backup-abort");
}

static void say_finished(struct task *t, uint64_t seconds)
{
	_cleanup_free_ char *now = task_log_time();
	_cleanup_free_ char *took = units_hms(seconds);

	event_info(t->host, t->log, "Finished Backup of VM %u (%s)", t->vmid, took);
	log_info(t->host->log, "Backup finished at %s", now);
}

/* What comes from here on is not in the copy. */
static void copy_log(struct task *t)
{
	_cleanup_error_ struct error *err = NULL;

	if (t->known && t->logfile && task_log_copy(&t->tlog, t->logfile, &err) < 0)
		log_warn(t->host->log, "%s", error_message(err));
	last_hook(t, "log-end");
}

static void task_clear(struct task *t)
{
	task_clear_disks(t);
	guest_config_clear(&t->conf);
	qemu_features_clear(&t->features);
	task_log_clear(&t->tlog);
	free(t->logfile);
	free(t->progress_disks);
	free(t->run_dir);
}

/* A guest that does not exist has no log of its own: who misspells a number leaves nothing behind. */
static int open_log(struct task *t, struct error **err)
{
	_cleanup_error_ struct error *no_conf = NULL, *no_log = NULL;
	int conf = guest_config_load(t->host->paths, t->vmid, t->host->log, &t->conf, &no_conf);
	int r = 0;

	t->known = conf != ERR_NOT_FOUND;
	if (t->known)
		r = task_log_open(&t->tlog, t->host->paths, t->vmid, t->host->log, &no_log);
	else
		task_log_none(&t->tlog, t->host->log);
	t->log = &t->tlog.log;
	error_keep_first(err, &no_log);
	error_keep_first(err, &no_conf);
	return r < 0 ? r : conf;
}

int task_run(const struct host *host, const struct task_options *o, uint32_t vmid, struct task_result *ret,
	     struct error **err)
{
	struct task t = {
		.host = host, .o = o, .vmid = vmid, .mode = o->settings->mode, .start = time(NULL)
	};
	_cleanup_error_ struct error *mine = NULL, *away = NULL;
	_cleanup_free_ char *now = task_log_time();
	uint64_t begin_ns = units_now_ns();
	const int reach = reach_dumpdir(&t, &away);
	int r;

	*ret = (struct task_result){ 0 };
	name_files(&t, reach == 0);
	r = open_log(&t, &mine);
	if (t.known) {
		event_info(host, t.log, "Starting Backup of VM %u (qemu)", vmid);
		log_info(host->log, "Backup started at %s", now);
	}
	if (r == 0)
		r = reach;
	error_keep_first(&mine, &away);
	if (r == 0)
		r = save(&t, ret, &mine);
	clean_up(&t);
	ret->seconds = (units_now_ns() - begin_ns) / 1000000000u;
	if (r < 0)
		say_failed(&t, mine);
	else
		say_finished(&t, ret->seconds);
	copy_log(&t);
	ret->target = t.target;
	error_keep_first(err, &mine);
	task_clear(&t);
	return r;
}
