/* The archive and what goes into it: from the private folder to the renamed file. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/recover.h"
#include "backup/task-internal.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "journal/run-dir.h"

/* ---- progress ---- */

static void look(struct task *t)
{
	struct vma_writer_stats stats;
	struct progress *p = &t->last;

	vma_writer_get_stats(t->archive.writer, &stats);
	*p = (struct progress){ .vmid = t->vmid,
				.disks = t->progress_disks,
				.n_disks = t->n,
				.zero = stats.zero_bytes,
				.written = stats.file_bytes,
				.fleecing = t->usage != NULL,
				.seconds = (double)(units_now_ns() - t->copy_start_ns) / 1e9 };
	for (size_t i = 0; i < t->n; i++) {
		struct progress_disk *d = &t->progress_disks[i];
		struct copy_progress c;

		copy_get_progress(t->copy, (unsigned)i, &c);
		*d = (struct progress_disk){ .name = t->disks[i].device,
					     .to_read = c.to_read,
					     .read = c.read,
					     .fleecing = t->disks[i].way == WAY_FLEECING };
		if (d->fleecing) {
			struct usage_value u;

			usage_get(t->usage, t->disks[i].usage_index, &u);
			d->fleecing_now = u.now;
			d->fleecing_peak = u.peak;
		}
		p->size += c.size;
		p->done += c.done;
		p->to_read += c.to_read;
		p->read += c.read;
	}
	p->read_rate = progress_rate_update(&t->read_rate, p->seconds, p->read);
	p->write_rate =
		progress_rate_update(&t->write_rate, p->seconds, p->done > p->zero ? p->done - p->zero : 0);
	if (t->usage) {
		struct usage_value u;

		usage_get_total(t->usage, &u);
		p->fleecing_now = u.now;
		p->fleecing_peak = u.peak;
	}
}

static int on_tick(void *opaque, struct error **err)
{
	struct task *t = opaque;

	look(t);
	progress_lines_update(&t->lines, &t->last, false);
	if (t->o->progress)
		t->o->progress(t->o->opaque, &t->last);
	return task_offline_look(t, err);
}

/* Its storage counts the whole image from the start (thick LVM), whatever is in it. */
static bool is_reserved(const struct task_disk *d, uint64_t peak)
{
	struct image_traits traits;

	storage_traits(d->image.storage, d->image.format, &traits);
	return !traits.thin && peak >= d->size;
}

static void log_fleecing(struct task *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct progress_disk *d = &t->progress_disks[i];
		_cleanup_free_ char *peak = NULL, *copied = NULL, *discarded = NULL;
		struct copy_progress c;
		bool reserved;

		if (!d->fleecing)
			continue;
		reserved = is_reserved(&t->disks[i], d->fleecing_peak);
		copy_get_progress(t->copy, (unsigned)i, &c);
		/* the dirty bitmap misses what came and was read between two looks; the image does not */
		if (!reserved && c.rewritten < d->fleecing_peak)
			c.rewritten = d->fleecing_peak;
		peak = units_bytes(d->fleecing_peak, 1);
		copied = units_bytes(c.rewritten, 1);
		discarded = units_bytes(reserved ? 0 : c.rewritten - d->fleecing_now, 1);
		log_info(t->log, "fleecing %s: peak %s, copied %s, discarded %s", d->name, peak, copied,
			 discarded);
	}
}

static int on_barrier(void *opaque, struct error **err)
{
	return task_barrier(opaque, err);
}

/* ---- the copy ---- */

static int open_archive(struct task *t, struct error **err)
{
	_cleanup_vma_header_ struct vma_header hdr = { 0 };
	int r = vma_header_init(&hdr, err);

	if (r == 0)
		r = task_check_sizes(t, err);
	if (r == 0)
		r = task_add_configs(t, &hdr, err);
	for (size_t i = 0; i < t->n && r == 0; i++)
		r = vma_header_add_device(&hdr, t->disks[i].device, t->disks[i].size, &t->disks[i].dev, err);
	if (r < 0)
		return r;
	uuid_text(t->uuid, hdr.uuid);
	if (t->archive.is_stdout)
		log_info(t->log, "sending archive to stdout");
	else
		log_info(t->log, "creating vzdump archive '%s'", t->archive.target);
	return archive_open(&t->archive, &t->o->settings->archive, t->o->stdout_fd, &hdr, t->journal,
			    t->host->cancel, err);
}

static int make_copy(struct task *t, struct error **err)
{
	const struct copy_options o = {
		.writer = t->archive.writer,
		.max_workers = t->o->settings->max_workers,
		.bwlimit = t->o->settings->bwlimit_kib * KIB,
		.cancel = t->host->cancel,
		.tick = on_tick,
		.barrier = on_barrier,
		.opaque = t,
	};
	int r = copy_new(&o, &t->copy, err);

	for (size_t i = 0; i < t->n && r == 0; i++)
		r = copy_add_disk(t->copy, t->disks[i].device, t->disks[i].dev, t->disks[i].size, err);
	t->progress_disks = xcalloc(t->n, sizeof(*t->progress_disks));
	progress_lines_init(&t->lines, t->o->shows_progress ? &t->tlog.file : t->log);
	t->copy_start_ns = units_now_ns();
	return r;
}

/* The disk that a message of the copy begins with. */
static const struct task_disk *disk_of(const struct task *t, const char *message)
{
	const char *rest;

	for (size_t i = 0; i < t->n; i++) {
		if (str_prefix(message, t->disks[i].device, &rest) && *rest == ':')
			return &t->disks[i];
	}
	return NULL;
}

/*
 * Reads of a frozen view that QEMU has given up, so that the guest could go on, end with EINVAL and no
 * cause.  The storage knows it, or the way that the old data takes does.
 */
static int find_cause(struct task *t, int code, const char *message, struct error **err)
{
	const struct task_disk *d = code == -EINVAL ? disk_of(t, message) : NULL;

	if (t->usage && usage_explain(t->usage, err) < 0)
		return (*err)->code;
	if (d && d->way == WAY_SINK)
		return error_set(err, code,
				 "QEMU gave up the frozen view of the disk, since this backup did not "
				 "take the guest's old data in time: the target is too slow or this host "
				 "too busy; --fleecing keeps the guest apart from both");
	if (d && d->way == WAY_FLEECING)
		return error_set(err, code,
				 "QEMU gave up the frozen view of the disk, since it could not write the "
				 "guest's old data to '%s' in time",
				 d->image.volid);
	return 0;
}

static int explain(struct task *t, int r, struct error **err)
{
	_cleanup_error_ struct error *cause = NULL;
	int failed;

	if (r == ERR_CANCELED || !err || !*err)
		return r;
	failed = vma_writer_check(t->archive.writer, NULL);
	/* a copy that fails for another reason cancels the writer */
	if (failed < 0 && failed != ERR_CANCELED) {
		if (!t->archive.is_stdout)
			error_prefix(err, "'%s'", t->archive.target);
	} else if (find_cause(t, r, error_message(*err), &cause) < 0) {
		const struct task_disk *d = disk_of(t, error_message(*err));

		/* the read that failed tells nothing any more: the disk and the cause do */
		if (d)
			error_prefix(&cause, "%s", d->device);
		error_free(*err);
		*err = TAKE_PTR(cause);
	}
	return r;
}

static int run_copy(struct task *t, struct error **err)
{
	int r = 0;

	if (t->live)
		r = task_live_start(t, err);
	if (r == 0)
		r = task_offline_connect(t, err);
	if (r < 0)
		return explain(t, r, err);
	log_info(t->log, "started backup task '%s'", t->uuid);
	/* what came before, the guest agent above all, says nothing of how fast disks are read */
	t->copy_start_ns = units_now_ns();
	r = task_resume(t, err);
	if (r == 0)
		r = copy_run(t->copy, err);
	if (r == 0)
		r = task_offline_check(t, err);
	if (r < 0)
		return explain(t, r, err);
	if (t->usage)
		usage_sample(t->usage);
	look(t);
	return 0;
}

/* The guest does not run, or was shut down for its backup and is read while it is off. */
static bool is_off(const struct task *t)
{
	return t->n && !t->live;
}

/* Nothing of ours stays in QEMU for longer than the copy; what is left over is said and journalled. */
static void release_guest(struct task *t)
{
	copy_free(TAKE_PTR(t->copy));
	if (is_off(t))
		log_info(t->log, "stopping kvm after backup task");
	recover_guest(t->host, t->journal, t->log, NULL);
	usage_stop(TAKE_PTR(t->usage));
	storage_daemon_stop(&t->offline);
}

static int copy_disks(struct task *t, struct error **err)
{
	int r = make_copy(t, err);

	if (r == 0)
		r = run_copy(t, err);
	if (r < 0)
		log_info(t->log, "aborting backup job");
	if (r == 0) {
		if (t->o->progress)
			t->o->progress(t->o->opaque, &t->last);
		progress_lines_update(&t->lines, &t->last, true);
		log_fleecing(t);
	}
	release_guest(t);
	return r;
}

int task_copy(struct task *t, struct vma_writer_stats *ret, struct error **err)
{
	int r;

	if (!t->n)
		log_info(t->log, "backup contains no disks");
	r = run_dir_make(t->host->paths, t->journal, &t->run_dir, err);
	if (r == 0)
		r = task_offline_start(t, err);
	if (r == 0)
		r = open_archive(t, err);
	/* in PVE a paused QEMU is the reader, here qemu-storage-daemon; it runs already for its sizes */
	if (r == 0 && is_off(t))
		log_info(t->log, "starting kvm to execute backup task");
	if (r == 0 && t->n)
		r = copy_disks(t, err);
	else
		storage_daemon_stop(&t->offline);
	if (r == 0)
		r = archive_complete(&t->archive, t->journal, ret, err);
	if (r == 0 && t->n) {
		t->last.zero = ret->zero_bytes;
		t->last.seconds = (double)(units_now_ns() - t->copy_start_ns) / 1e9;
		progress_summary(&t->last, t->log);
	}
	return r;
}
