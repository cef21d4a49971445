#include "backup/task.h"

#include "backup/event.h"
#include "backup/task-internal.h"
#include "base/mem.h"
#include "base/units.h"
#include "guest/ha.h"
#include "guest/libvirt-guests.h"
#include "journal/run-dir.h"

/* If a guest is shut down for its backup, the HA manager would start it again. */
static int check_ha(struct task *t, struct error **err)
{
	int r = t->o->settings->mode != MODE_STOP ? 0 : ha_keeps_running(t->host->paths, t->vmid, err);

	if (r > 0)
		r = error_set(
			err, ERR_INVALID,
			"cannot execute a backup with stop mode of a HA managed and enabled service "
			"(vm:%u in /etc/pve/ha/resources.cfg): use mode snapshot or suspend, or disable "
			"the service",
			t->vmid);
	return r;
}

int task_look(struct task *t, struct error **err)
{
	int r = check_ha(t, err);

	if (r == 0)
		r = task_archive_check(t, err);
	return r == 0 ? task_guest_look(t, err) : r;
}

static int open_sources(struct task *t, struct error **err)
{
	int r;

	if (!t->disks.n)
		log_info(t->log, "backup contains no disks");
	r = run_dir_make(t->host->paths, t->guest.journal, &t->run_dir, err);
	return r == 0 ? sources_open(t->sources, t->run_dir, err) : r;
}

static int copy_disks(struct task *t, struct error **err)
{
	int r = open_sources(t, err);

	if (r == 0)
		r = task_archive_open(t, err);
	if (r < 0 || !t->disks.n) {
		sources_end(t->sources);
		return r;
	}
	return task_copy(t, err);
}

static int complete_archive(struct task *t, struct error **err)
{
	_cleanup_free_ char *size = NULL;
	struct vma_writer_stats stats;
	int r = task_archive_finish(t, &stats, err);

	if (r < 0)
		return r;
	if (t->disks.n)
		task_meter_summary(t, &stats);
	t->row->archive_size = stats.file_bytes;
	if (!place_keeps(t->o->place))
		return 0;
	size = units_archive_size(stats.file_bytes);
	log_info(t->log, "archive file size: %s", size);
	return 0;
}

static int save_guest(struct task *t, struct error **err)
{
	int r = task_look(t, err);

	if (r < 0)
		return r;
	r = task_guest_lock(t, err);
	if (r == 0)
		r = task_incremental_choose(t, err);
	if (r == 0)
		r = task_guest_find_disks(t, task_disks_activate, err);
	if (r == 0)
		r = task_guest_begin(t, err);
	if (r == 0)
		r = copy_disks(t, err);
	if (r == 0)
		r = complete_archive(t, err);
	if (r < 0) {
		task_guest_explain(t, r, err);
		return r;
	}
	task_incremental_published(t);
	r = task_after(t, err);
	return r == 0 && !task_verifies(t) ? task_hook(t, "backup-end", err) : r;
}

/* The guest must not be kept locked, or down, as long as that takes. */
static int verify_archive(struct task *t, struct error **err)
{
	int r = task_verifies(t) ? task_verify(t, err) : 0;

	return r == 0 && task_verifies(t) ? task_hook(t, "backup-end", err) : r;
}

/* ---- before and after ---- */

/* Hours may have passed since its disks were looked up: it may have others, or a snapshot's. */
static int renew_mirror(const struct task *t, struct error **err)
{
	const struct log silent = { 0 };
	const struct libvirt_guests_request q = { .paths = t->host->paths,
						  .log = &silent, /* the warnings were told before */
						  .cancel = t->host->cancel,
						  .vmids = &t->vmid,
						  .n_vmids = 1 };
	_cleanup_libvirt_guests_ struct libvirt_guests found = { 0 };
	int r = libvirt_guests_find(&q, &found, err);

	return r == 0 && found.failed ? error_set(err, ERR_GONE, "%s", found.failed[0]) : r;
}

int task_load(struct task *t, struct error **err)
{
	int r = renew_mirror(t, err);

	if (r == 0)
		r = guest_config_load(t->host->paths, t->vmid, t->host->log, &t->guest.conf, err);
	t->guest.known = r != ERR_NOT_FOUND;
	return r;
}

/* No log file for a guest that does not exist, so that a mistyped id leaves no file. */
static int open_log(struct task *t, struct error **err)
{
	_cleanup_error_ struct error *no_conf = NULL, *no_log = NULL;
	int conf = task_load(t, &no_conf);
	int r = 0;

	if (t->guest.known)
		r = task_log_open(&t->tlog, t->host->paths, t->vmid, t->host->log, &no_log);
	else
		task_log_none(&t->tlog, t->host->log);
	t->log = &t->tlog.log;
	error_keep_first(err, &no_log);
	error_keep_first(err, &no_conf);
	return r < 0 ? r : conf;
}

static void say_started(const struct task *t)
{
	_cleanup_free_ char *now = task_log_time();

	if (!t->guest.known)
		return;
	event_info(t->o->observers, t->log, "Starting Backup of VM %u (qemu)", t->vmid);
	log_info(t->host->log, "Backup started at %s", now);
}

static void say_failed(const struct task *t)
{
	_cleanup_free_ char *now = task_log_time();

	event_error(t->o->observers, t->log, "Backup of VM %u failed - %s", t->vmid, t->row->error);
	log_info(t->host->log, "Failed at %s", now);
	task_hook_after(t, "backup-abort");
}

static void say_finished(const struct task *t)
{
	_cleanup_free_ char *now = task_log_time();
	_cleanup_free_ char *took = units_hms(t->row->ns / 1000000000u);

	event_archive(t->o->observers, t->log, t->row->archive, "Finished Backup of VM %u (%s)", t->vmid,
		      took);
	log_info(t->host->log, "Backup finished at %s", now);
}

/* ---- the report ---- */

void task_report_guest(struct task *t)
{
	const char *name = guest_config_get(&t->guest.conf, "name");

	if (!t->guest.known)
		return;
	t->row->name = name ? xstrdup(name) : xasprintf("VM %u", t->vmid);
	t->row->mode = backup_mode_name(t->guest.mode);
}

/* After everything that can fail. */
static void report_result(struct task *t, int r, const struct error *err)
{
	struct task_report *row = t->row;

	task_report_guest(t);
	if (t->archive.published) {
		row->archive = xstrdup(t->archive.path);
		if (t->o->storage)
			row->volid = xasprintf("%s:backup/%s", t->o->storage->id, t->archive.name);
	}
	row->outcome = r == 0 ? TASK_SAVED : r == ERR_CANCELED ? TASK_CANCELED : TASK_FAILED;
	row->error = r < 0 ? xstrdup(error_message(err)) : NULL;
}

static void report_log(const struct task *t)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (t->guest.known && task_log_read(&t->tlog, &text, NULL) == 0)
		report_keep_log(t->o->report, &t->row->log, buf_str(&text), text.len);
}

/* ---- the end ---- */

static int keep_log(struct task *t, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = task_log_read(&t->tlog, &text, err);

	return r == 0 ? place_keep_log(t->o->place, t->archive.stem, &text, err) : r;
}

/* Copies the log next to the archive; later lines are not in the copy. */
static void copy_log(struct task *t)
{
	_cleanup_error_ struct error *err = NULL;

	if (t->guest.known && t->logfile && keep_log(t, &err) < 0)
		log_warn(t->host->log, "%s", error_message(err));
	task_hook_after(t, "log-end");
}

/* Called in any case: removes everything of this backup from the host. */
static void clean_up(struct task *t)
{
	copy_free(TAKE_PTR(t->copy));
	task_archive_close(t);
	if (t->guest.journal)
		task_guest_end(t);
}

void task_clear(struct task *t)
{
	task_disks_clear(t);
	sources_free(t->sources);
	task_incremental_clear(t);
	guest_config_clear(&t->guest.conf);
	task_log_clear(&t->tlog);
	free(t->archive.stem);
	free(t->archive.name);
	free(t->archive.path);
	free(t->logfile);
	free(t->meter.disks);
	free(t->run_dir);
}

int task_init(struct task *t, const struct host *host, const struct task_options *o, struct task_report *row,
	      struct error **err)
{
	int r;

	*t = (struct task){ .host = host,
			    .o = o,
			    .row = row,
			    .vmid = row->vmid,
			    .guest.access = guest_of(host, row->vmid),
			    .guest.mode = o->settings->mode };
	row->outcome = TASK_RUNS;
	row->start = time(NULL);
	r = place_reach(o->place, host->cancel, err);
	task_archive_name(t, row->start, r == 0 ? PLACE_ANSWERS : PLACE_IS_AWAY);
	return r;
}

void task_run(const struct host *host, const struct task_options *o, struct task_report *row)
{
	_cleanup_error_ struct error *err = NULL, *away = NULL;
	const uint64_t start_ns = units_now_ns();
	struct task t;
	const int reach = task_init(&t, host, o, row, &away);
	int r = open_log(&t, &err);

	say_started(&t);
	if (r == 0)
		r = reach;
	error_keep_first(&err, &away);
	if (r == 0)
		r = save_guest(&t, &err);
	clean_up(&t);
	if (r == 0)
		r = verify_archive(&t, &err);
	row->ns = units_now_ns() - start_ns;
	report_result(&t, r, err);
	if (r < 0)
		say_failed(&t);
	else
		say_finished(&t);
	copy_log(&t);
	report_log(&t);
	task_clear(&t);
}
