/* The guest during its backup: lock and journal, the three modes, and restoring its state at the end. */
#include <errno.h>
#include <unistd.h>

#include "backup/undo.h"
#include "journal/recover.h"
#include "backup/task-internal.h"
#include "base/units.h"
#include "qemu/qmp.h"

enum {
	GOING_DOWN_S = 10, /* for a guest that was asked to shut down, after a request to stop */
	DOWN_POLL_MS = 250,
};

/* ---- lock and journal ---- */

/* Tries again to remove what an earlier run left in QEMU, which may be possible now. */
static int clean_before(struct task *t, struct error **err)
{
	static const char *const in_the_way[] = { JOURNAL_GRAPH, JOURNAL_SERVER, JOURNAL_STOPPED };
	struct journal *j = t->guest.journal;
	bool found = false;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(in_the_way); i++)
		found = found || journal_has(j, in_the_way[i]);
	if (!found)
		return 0;
	/* without a log: the same lines were logged when the job began */
	r = recover_guest(t->host, j, NULL, err);
	for (size_t i = 0; i < ARRAY_SIZE(in_the_way) && r < 0; i++) {
		if (journal_has(j, in_the_way[i]))
			return error_wrap(err, r,
					  "an earlier backup could not be cleaned up "
					  "('vzdump --cleanup %u' tries again)",
					  t->vmid);
	}
	/* other leftovers, such as a frozen file system, do not prevent the backup */
	if (r < 0 && err)
		error_free(TAKE_PTR(*err));
	return 0;
}

/*
 * Leftovers in QEMU prevent the backup.  Files of a killed run on a storage that does not answer now do not:
 * they stay in the journal, and this run tries again.  File systems that may be frozen do not either: only
 * the guest's agent knows whether they are, and it may refuse to thaw them for ever.
 */
static int open_journal(struct task *t, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	struct journal **j = &t->guest.journal;
	int r = journal_create(t->host->paths, t->host->kinds, t->vmid, j, &mine);

	if (r != -EEXIST) {
		error_keep_first(err, &mine);
		return r;
	}
	r = journal_load(t->host->paths, t->host->kinds, t->vmid, j, err);
	if (r < 0)
		return r;
	r = journal_add_pid(*j, err);
	if (r == 0)
		r = clean_before(t, err);
	if (r < 0) {
		journal_finish(*j);
		journal_free(TAKE_PTR(*j));
	}
	return r;
}

static int set_lock(struct task *t, struct error **err)
{
	_cleanup_error_ struct error *not_synced = NULL;
	struct journal *j = t->guest.journal;
	int r = journal_add(j, JOURNAL_LOCK, NULL, err);

	if (r < 0)
		return r;
	r = guest_config_set_lock(t->host->paths, t->vmid, "backup", t->host->cancel, &not_synced, err);
	/* if there is a lock already, it is not ours */
	if (r < 0)
		journal_strike(j, JOURNAL_LOCK, NULL);
	/* a power cut ends this process too, so the lock need not survive one */
	if (not_synced)
		log_warn(t->log, "VM %u is locked, but its configuration's storage has trouble: %s", t->vmid,
			 error_message(not_synced));
	return r;
}

int task_guest_look(struct task *t, struct error **err)
{
	struct task_guest *g = &t->guest;
	int r = guest_status(&g->access, &g->power, err);

	if (r < 0)
		return r;
	log_info(t->log, "status = %s", g->power.running ? "running" : "stopped");
	g->mode = g->power.running ? t->o->settings->mode : MODE_STOP;
	if (g->power.busy)
		return error_set(err, -EBUSY,
				 "libvirt works on VM %u (a save, migration, dump, snapshot or backup): try "
				 "again when that is over ('virsh domjobinfo' shows it)",
				 t->vmid);
	if (g->power.transient && g->mode == MODE_STOP)
		return error_set(err, ERR_INVALID,
				 "mode stop would lose VM %u, a transient domain: use mode snapshot or "
				 "suspend, or make it persistent ('virsh define')",
				 t->vmid);
	return 0;
}

int task_guest_check_lock(const struct task *t, struct error **err)
{
	const char *lock = guest_config_lock(&t->guest.conf);

	return lock ? guest_config_locked(t->host->paths, t->vmid, lock, err) : 0;
}

int task_guest_lock(struct task *t, struct error **err)
{
	/* before the journal gets the lock as ours */
	int r = task_guest_check_lock(t, err);

	if (r == 0)
		r = open_journal(t, err);
	return r == 0 ? set_lock(t, err) : r;
}

/* ---- the three modes ---- */

/* The copy receives the old data of a disk.  It exists when the sources call this. */
static int listen_for_old_data(void *opaque, size_t disk, const char *path, struct error **err)
{
	const struct task *t = opaque;

	return copy_listen(t->copy, (unsigned)disk, path, err);
}

static void make_sources(struct task *t)
{
	t->sources = sources_new(
		&(struct source_params){ .host = t->host,
					 .log = t->log,
					 .guest = t->guest.access,
					 .conf = &t->guest.conf,
					 .conf_disks = &t->disks.conf,
					 .power = &t->guest.power,
					 .fleecing = &t->o->settings->fleecing,
					 .fleecing_limit = t->o->settings->fleecing_limit,
					 .journal = t->guest.journal,
					 .chain = t->incremental.names.gen ? &t->incremental.names : NULL,
					 .listen = listen_for_old_data,
					 .opaque = t });
	for (size_t i = 0; i < t->disks.n; i++) {
		struct task_disk *d = &t->disks.list[i];

		d->source = sources_add(t->sources, d->conf, d->device, &d->volume);
	}
}

static int find_in_qemu(struct task *t, struct error **err)
{
	int r = recover_note_process(t->guest.journal, &t->guest.power.process, err);

	if (r == 0)
		r = sources_clean(t->sources, err);
	return r == 0 ? sources_find(t->sources, err) : r;
}

static int begin_snapshot(struct task *t, struct error **err)
{
	int r = task_hook(t, "backup-start", err);

	t->guest.live = true;
	if (r == 0)
		r = task_hook(t, "pre-stop", err);
	if (r == 0)
		r = find_in_qemu(t, err);
	if (r == 0)
		r = task_hook(t, "pre-restart", err);
	if (r == 0)
		r = task_hook(t, "post-restart", err);
	return r;
}

static int suspend_guest(struct task *t, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	if (!sources_vcpus_ran(t->sources))
		return 0;
	r = journal_add(t->guest.journal, JOURNAL_STOPPED, NULL, err);
	if (r == 0)
		r = guest_monitor(&t->guest.access, t->host->cancel, &q, err);
	if (r == 0)
		r = qmp_execute(q, "stop", NULL, NULL, err);
	return r;
}

static int begin_suspend(struct task *t, struct error **err)
{
	int r = task_hook(t, "backup-start", err);

	t->guest.live = true;
	if (r == 0)
		r = find_in_qemu(t, err);
	if (r < 0)
		return r;
	sources_write_out(t->sources);
	log_info(t->log, "suspending guest");
	r = task_hook(t, "pre-stop", err);
	if (r == 0) {
		t->guest.suspended = true;
		t->guest.down_since_ns = units_now_ns();
		r = suspend_guest(t, err);
	}
	return r;
}

/* The guest is down: starts it paused, so that it is saved while it runs. */
static int start_paused(struct task *t, struct error **err)
{
	struct guest_status *power = &t->guest.power;
	/* before it starts, so that a cleanup after a kill knows that we have paused it */
	int r = journal_add(t->guest.journal, JOURNAL_STOPPED, NULL, err);

	if (r == 0)
		r = guest_start(&t->guest.access, GUEST_START_PAUSED, t->host->cancel, t->log, err);
	if (r == 0)
		r = guest_status(&t->guest.access, power, err);
	if (r == 0 && !power->running)
		r = error_set(err, ERR_PEER, "VM %u was started paused, but does not run", t->vmid);
	if (r < 0)
		return r;
	t->guest.live = true;
	return find_in_qemu(t, err);
}

/*
 * The guest was asked to shut down, which cannot be taken back, and the backup failed with r before it was
 * down.  After a request to stop, waits for it until the next one, as it is only started again if it is down.
 */
static void await_down(const struct task *t, int r)
{
	const unsigned requests = cancel_count(t->host->cancel);
	const uint64_t patience_s = r == ERR_CANCELED ? GOING_DOWN_S : 0;
	const uint64_t end = units_now_ns() + patience_s * UINT64_C(1000000000);
	struct guest_status status;

	for (;;) {
		if (guest_status(&t->guest.access, &status, NULL) == 0 && !status.running)
			return;
		if (units_now_ns() >= end || cancel_count(t->host->cancel) != requests)
			break;
		usleep(DOWN_POLL_MS * 1000);
	}
	log_warn(t->log,
		 "VM %u was asked to shut down for this backup and still runs: if it goes down later, nobody "
		 "starts it again",
		 t->vmid);
}

static int shut_down(struct task *t, struct error **err)
{
	int r = cancel_check(t->host->cancel, err);

	if (r == 0)
		r = journal_add(t->guest.journal, JOURNAL_DOWN, NULL, err);
	if (r < 0)
		return r;
	r = guest_shutdown(&t->guest.access, &t->guest.conf, t->o->settings->stopwait_minutes,
			   t->host->cancel, t->log, err);
	if (r == ERR_CANCELED || r == ERR_TIMEOUT)
		await_down(t, r);
	return r;
}

static int begin_stop(struct task *t, struct error **err)
{
	int r = task_hook(t, "backup-start", err);

	if (r < 0 || !t->guest.power.running)
		return r;
	log_info(t->log, "stopping virtual guest");
	t->guest.down_since_ns = units_now_ns();
	r = task_hook(t, "pre-stop", err);
	if (r == 0)
		r = shut_down(t, err);
	if (r < 0)
		return r;
	if (guest_starts_paused(&t->guest.access))
		return start_paused(t, err);
	return task_disks_activate_again(t, err);
}

static void log_settings(const struct task *t)
{
	const uint64_t limit = t->o->settings->bwlimit_kib;

	log_info(t->log, "backup mode: %s", backup_mode_name(t->guest.mode));
	if (limit)
		log_info(t->log, "bandwidth limit: %lu KiB/s", (unsigned long)limit);
	log_info(t->log, "ionice priority: %d", t->o->settings->archive.ionice);
}

int task_guest_find_disks(struct task *t, int (*use)(struct task *t, struct error **err), struct error **err)
{
	const bool snapshot = t->guest.mode == MODE_SNAPSHOT;
	int r;

	/* the order of these lines is PVE's */
	if (!snapshot)
		log_settings(t);
	r = task_disks_find(t, err);
	if (r == 0)
		r = use(t, err);
	if (r < 0)
		return r;
	make_sources(t);
	if (snapshot)
		log_settings(t);
	return 0;
}

int task_guest_begin(struct task *t, struct error **err)
{
	if (t->guest.mode == MODE_SNAPSHOT)
		return begin_snapshot(t, err);
	return t->guest.mode == MODE_SUSPEND ? begin_suspend(t, err) : begin_stop(t, err);
}

/* ---- resuming the guest ---- */

/* It runs again, after this many nanoseconds; 0: it was never down. */
static uint64_t note_back(struct task *t)
{
	const uint64_t since = t->guest.down_since_ns, ns = since ? units_now_ns() - since : 0;

	t->guest.down_since_ns = 0;
	t->row->stopped_ns += ns;
	return ns;
}

int task_guest_resume(struct task *t, struct error **err)
{
	struct task_guest *g = &t->guest;
	const bool stopped = journal_has(g->journal, JOURNAL_STOPPED);
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	if (g->down_since_ns && stopped)
		log_info(t->log, "resuming VM again after %lu seconds",
			 (unsigned long)((units_now_ns() - g->down_since_ns) / 1000000000u));
	else if (sources_vcpus_ran(t->sources))
		log_info(t->log, "resuming VM again");
	if (!stopped)
		return 0;
	r = guest_monitor(&g->access, NULL, &q, err);
	if (r == 0)
		r = qmp_execute(q, "cont", NULL, NULL, err);
	if (r < 0)
		return error_wrap(err, r, "resuming VM %u", t->vmid);
	note_back(t);
	journal_strike(g->journal, JOURNAL_STOPPED, NULL);
	return 0;
}

void task_guest_explain(const struct task *t, int r, struct error **err)
{
	const struct guest_process *p = &t->guest.power.process;

	if (!t->guest.live || !p->pid || r == ERR_CANCELED)
		return;
	if (r == ERR_GONE ? guest_process_ends(p) : !guest_process_lives(p))
		error_prefix(err, "QEMU (pid %d) was stopped or crashed", (int)p->pid);
	else if (r == ERR_GONE)
		error_prefix(err, "QEMU (pid %d) runs on, but a connection to it has ended", (int)p->pid);
}

static void log_online_again(struct task *t)
{
	uint64_t ns = note_back(t), seconds = ns / 1000000000u;

	if (!ns)
		return;
	if (seconds)
		log_info(t->log, "guest is online again after %lu seconds", (unsigned long)seconds);
	else
		log_info(t->log, "guest is online again after <1 seconds");
}

/*
 * Whether the hook script is called because the guest is resumed or started again.  Milliseconds of paused
 * vCPUs in mode snapshot do not count.  For a suspended guest it is called here, as in PVE, although the
 * guest may have been running again for a long time.
 */
static bool is_restart(const struct task_guest *g)
{
	return g->suspended || journal_has(g->journal, JOURNAL_DOWN) ||
	       (g->down_since_ns && journal_has(g->journal, JOURNAL_STOPPED));
}

/* We have paused it or shut it down, and could not undo that. */
static bool is_down(const struct task_guest *g)
{
	return journal_has(g->journal, JOURNAL_STOPPED) || journal_has(g->journal, JOURNAL_DOWN);
}

void task_guest_end(struct task *t)
{
	struct task_guest *g = &t->guest;
	const bool restart = is_restart(g);
	bool heard = true;

	/* if this fails, PVE leaves the guest as it is; we start or resume it in any case */
	if (restart && task_hook_after(t, "pre-restart") < 0)
		heard = false;
	else if (g->suspended)
		log_info(t->log, "resume vm");
	recover_guest(t->host, g->journal, t->log, NULL);
	sources_end(t->sources);
	task_disks_deactivate(t);
	recover_rest(t->host, g->journal, t->log, NULL);
	/* other leftovers, such as a file on a storage that does not answer, do not count */
	if (restart && !is_down(g)) {
		if (heard)
			task_hook_after(t, "post-restart");
		log_online_again(t);
	}
	if (!journal_finish(g->journal))
		log_warn(t->log, "something was left behind: 'vzdump --cleanup %u' tries again", t->vmid);
	journal_free(TAKE_PTR(g->journal));
}
