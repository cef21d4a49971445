/*
 * Copies the disks from the sources into the archive, and then removes everything of ours from QEMU.
 */
#include "backup/task-internal.h"
#include "base/units.h"
#include "journal/recover.h"

static void note_copied(const struct task *t)
{
	for (size_t i = 0; i < t->disks.n; i++) {
		struct copy_progress c;

		copy_get_progress(t->copy, (unsigned)i, &c);
		sources_note_copied(t->sources, t->disks.list[i].source, c.rewritten);
	}
}

/* That they do is known late, and not for sure; where there is much room they cannot. */
static bool writes_may_wait(const struct task *t)
{
	struct source_slowdown s;
	struct usage_value used;

	if (!sources_get_slowdown(t->sources, &s))
		return false;
	return s.now || (sources_get_space(t->sources, &used) && used.now > s.limit / 4);
}

static int on_tick(void *opaque, struct error **err)
{
	struct task *t = opaque;

	task_incremental_tick(t);
	task_meter_tick(t);
	note_copied(t);
	copy_set_writes_wait(t->copy, writes_may_wait(t));
	return sources_look(t->sources, err);
}

static int on_barrier(void *opaque, struct error **err)
{
	const struct task *t = opaque;

	return sources_barrier(t->sources, err);
}

static int make_copy(struct task *t, struct error **err)
{
	const struct copy_options o = {
		.writer = t->archive.writer,
		.budget = t->o->budget,
		.cancel = t->host->cancel,
		.reuse = t->incremental.reuse,
		.sort_disks = t->incremental.choice.chained,
		.tick = on_tick,
		.barrier = on_barrier,
		.opaque = t,
	};
	int r = copy_new(&o, &t->copy, err);

	for (size_t i = 0; i < t->disks.n && r == 0; i++) {
		const struct task_disk *d = &t->disks.list[i];

		r = copy_add_disk(t->copy, d->device, d->dev, d->source->size, err);
	}
	task_meter_start(t);
	return r;
}

/* ---- the cause of a failure ---- */

/* The disk whose source has failed; NULL: something else has failed. */
static const struct task_disk *failed_disk(const struct task *t)
{
	const int disk = copy_failed_disk(t->copy);

	return disk < 0 ? NULL : &t->disks.list[disk];
}

static int explain_failure(struct task *t, int r, struct error **err)
{
	_cleanup_error_ struct error *cause = NULL;
	const struct task_disk *d;
	int failed;

	if (r == ERR_CANCELED || !err || !*err)
		return r;
	failed = vma_writer_check(t->archive.writer, NULL);
	/* if the copy fails for another reason, it cancels the writer */
	if (failed < 0 && failed != ERR_CANCELED)
		return place_keeps(t->o->place) ? error_wrap(err, r, "'%s'", t->archive.path) : r;
	d = failed_disk(t);
	if (sources_explain(t->sources, d ? d->source : NULL, r, &cause) < 0) {
		/* replace the error of the read, which adds nothing to the disk and the cause */
		if (d)
			error_prefix(&cause, "%s", d->device);
		error_free(*err);
		*err = TAKE_PTR(cause);
	}
	return r;
}

/* ---- the copy ---- */

static int connect_disk(struct task *t, size_t i, struct error **err)
{
	const struct task_disk *d = &t->disks.list[i];
	struct source_endpoint e;

	sources_endpoint(t->sources, d->source, &e);
	return copy_connect(t->copy, (unsigned)i, &e, err);
}

static int begin_sources(struct task *t, struct error **err)
{
	const bool snapshot = t->guest.mode == MODE_SNAPSHOT;
	int r = sources_begin(t->sources, snapshot ? SOURCES_FREEZE : SOURCES_NO_FREEZE, err);

	for (size_t i = 0; i < t->disks.n && r == 0; i++)
		r = connect_disk(t, i, err);
	return r;
}

static int run_copy(struct task *t, struct error **err)
{
	int r = begin_sources(t, err);

	if (r < 0)
		return explain_failure(t, r, err);
	log_info(t->log, "started backup task '%s'", t->archive.uuid);
	/*
	 * the rates are about reading disks, so the time before, mostly for the guest agent, does not count
	 */
	t->meter.start_ns = units_now_ns();
	r = task_guest_resume(t, err);
	if (r == 0)
		r = copy_run(t->copy, err);
	task_incremental_tick(t); /* of a copy that was over before the first look */
	if (r == 0)
		r = sources_check(t->sources, err);
	return r < 0 ? explain_failure(t, r, err) : 0;
}

/* The guest does not run, or was shut down for its backup and is read while it is off. */
static bool is_off(const struct task *t)
{
	return !t->guest.live;
}

/* Removes everything of ours from QEMU after the copy.  Leftovers are logged and stay in the journal. */
static void release_guest(struct task *t)
{
	copy_free(TAKE_PTR(t->copy));
	sources_lift(t->sources);
	if (is_off(t))
		log_info(t->log, "stopping kvm after backup task");
	recover_guest(t->host, t->guest.journal, t->log, NULL);
	sources_end(t->sources);
}

int task_copy(struct task *t, struct error **err)
{
	int r;

	/* in PVE a paused QEMU is the reader, here qemu-storage-daemon, which runs already */
	if (is_off(t))
		log_info(t->log, "starting kvm to execute backup task");
	r = make_copy(t, err);
	if (r == 0)
		r = run_copy(t, err);
	if (r < 0)
		log_info(t->log, "aborting backup job");
	else
		task_meter_end(t);
	if (t->copy)
		task_meter_report(t);
	release_guest(t);
	return r;
}
