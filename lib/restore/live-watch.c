/* A live restore, from the moment the guest runs until its disks are on their volumes. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/units.h"
#include "qemu/vcpus.h"
#include "restore/config.h"
#include "restore/live-internal.h"
#include "restore/undo.h"

#define POLL_MS     1000
#define NS_PER_S    UINT64_C(1000000000)
#define PROGRESS_NS (10 * NS_PER_S)

struct watch {
	struct live_restore *live;
	uint64_t start_ns;
	uint64_t progress_at_ns; /* when progress is logged next */
	bool lost;               /* the last attempt to reach QEMU failed */
};

static bool disk_is_open(const struct live_disk *d)
{
	return d->stage == LIVE_FILLING || d->stage == LIVE_MOVING;
}

static bool any_disk_is_open(const struct live_restore *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (disk_is_open(&l->disks[i]))
			return true;
	return false;
}

static bool all_disks_are_complete(const struct live_restore *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!live_disk_is_complete(&l->disks[i]))
			return false;
	return true;
}

static void log_progress(const struct watch *w, const struct live_disk *d)
{
	const struct mirror_progress *p = &d->progress;
	const uint64_t seconds = (units_now_ns() - w->start_ns) / NS_PER_S;
	_cleanup_free_ char *done = units_bytes(p->done, 1), *total = units_bytes(p->total, 1);
	_cleanup_free_ char *time = units_duration(seconds);

	log_info(w->live->parts.context->host->log, "restore-%s: transferred %s of %s (%.2f%%) in %s",
		 d->to->disk->device, done, total,
		 p->total ? (double)p->done * 100.0 / (double)p->total : 100.0, time);
}

/* ---- while QEMU lives ---- */

/* If the connection ends in the middle, the vCPUs may be stopped; then this is repeated. */
static int move_disk(const struct watch *w, struct qmp *q, struct live_disk *d, struct error **err)
{
	/* a request to stop must not leave it half done */
	const struct cancel *cancel = qmp_set_cancel(q, NULL);
	int r = d->stage == LIVE_MOVING ? vcpus_resume(q, NULL, err) : 0;

	d->stage = LIVE_MOVING;
	if (r == 0)
		r = mirror_finish(q, &d->graph, &d->names, err);
	qmp_set_cancel(q, cancel);
	if (r < 0)
		return error_wrap(err, r, "%s", d->to->disk->key);
	d->stage = LIVE_MOVED;
	/* at once: removing the overlay may fail or hang, and this process may be killed meanwhile */
	finish_script_update(w->live, d);
	d->progress.done = d->progress.total;
	log_progress(w, d);
	return 0;
}

static int attend_disk(const struct watch *w, struct qmp *q, struct live_disk *d, bool log_now,
		       struct error **err)
{
	int r = d->stage == LIVE_MOVING ? 0 : mirror_state(q, &d->names, &d->progress, err);

	if (r < 0)
		return r;
	if (d->stage == LIVE_MOVING || d->progress.state == MIRROR_READY)
		return move_disk(w, q, d, err);
	if (d->progress.state == MIRROR_FAILED)
		d->stage = LIVE_BROKEN;
	if (log_now)
		log_progress(w, d);
	return 0;
}

static int attend_disks(const struct watch *w, bool log_now, struct error **err)
{
	struct live_restore *l = w->live;
	const struct restore_context *c = l->parts.context;
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = guest_monitor(&c->guest, c->host->cancel, &q, err);

	for (size_t i = 0; r == 0 && i < l->n; i++)
		if (disk_is_open(&l->disks[i]))
			r = attend_disk(w, q, &l->disks[i], log_now, err);
	if (r == 0 && all_disks_are_complete(l))
		qmp_close_fd(q, LIVE_ALIVE, NULL);
	return r;
}

/* A storage may need a while to remove an overlay, so the monitor is not kept open for that. */
static int attend_restore(struct watch *w, struct error **err)
{
	struct live_restore *l = w->live;
	const bool log_now = units_now_ns() >= w->progress_at_ns;
	int r = attend_disks(w, log_now, err);

	w->progress_at_ns += log_now ? PROGRESS_NS : 0;
	for (size_t i = 0; i < l->n; i++)
		if (l->disks[i].stage == LIVE_MOVED)
			live_disk_remove_overlay(l, &l->disks[i]);
	return r;
}

/* Until QEMU is gone its disks must not be touched.  A socket that does not answer is no proof. */
static bool qemu_is_gone(const struct live_restore *l)
{
	const struct restore_context *c = l->parts.context;
	struct guest_status status;

	return !guest_process_lives(&l->power.process) && guest_status(&c->guest, &status, NULL) == 0 &&
	       !status.running;
}

/* A busy monitor is asked again, and so is one that is out of reach while its QEMU lives. */
static int wait_for_next(struct watch *w, int last, const struct error *failure, struct error **err)
{
	const struct host *host = w->live->parts.context->host;
	const bool lost = guest_is_lost(last);

	if (lost && !w->lost)
		log_warn(host->log, "%s: trying again as long as QEMU runs", error_message(failure));
	w->lost = lost;
	return any_disk_is_open(w->live) ? cancel_sleep(host->cancel, POLL_MS, err) : 0;
}

static int watch_disks(struct watch *w, struct error **err)
{
	struct live_restore *l = w->live;

	while (any_disk_is_open(l)) {
		_cleanup_error_ struct error *mine = NULL;
		int r = attend_restore(w, &mine);

		if (r < 0 && r != ERR_CANCELED && qemu_is_gone(l))
			return live_finish_offline(l, err);
		if (r < 0 && r != ERR_TIMEOUT && !guest_is_lost(r)) {
			error_keep_first(err, &mine);
			return r;
		}
		r = wait_for_next(w, r, mine, err);
		if (r < 0)
			return r;
	}
	return all_disks_are_complete(l)
		       ? 0
		       : error_set(err, ERR_PEER, "VM %" PRIu32 " runs, but is not restored completely",
				   l->parts.context->params->vmid);
}

/* ---- the end ---- */

static void log_missing(const struct live_restore *l, const struct live_disk *d)
{
	const struct mirror_progress *p = &d->progress;
	_cleanup_free_ char *left = units_bytes(p->total > p->done ? p->total - p->done : 0, 1);
	_cleanup_free_ char *total = units_bytes(p->total, 1);

	log_error(l->parts.context->host->log,
		  "%s: %s of %s are not in its new volume '%s'%s%s; the guest's writes are in '%s', a "
		  "qcow2 image over the archive's '%s'",
		  d->to->disk->key, left, total, d->to->volume.volid, p->reason ? ": " : "",
		  p->reason ? p->reason : "", d->overlay.volid, d->to->disk->device);
}

/* Nothing is taken away from a running guest: overlays, server and lock stay. */
static void keep_unfinished(struct live_restore *l)
{
	const struct restore_context *c = l->parts.context;
	_cleanup_free_ char *script = finish_script_path(c);
	const bool runs = !qemu_is_gone(l);

	for (size_t i = 0; i < l->n; i++)
		if (!live_disk_is_complete(&l->disks[i]))
			log_missing(l, &l->disks[i]);
	log_error(c->host->log, "VM %" PRIu32 " %s; its volumes and its lock '" RESTORE_LOCK "' are kept",
		  c->params->vmid, runs ? "runs on from the archive until it is shut down" : "is shut down");
	log_error(c->host->log, "to finish%s, run: sh '%s'", runs ? " when it is shut down" : "", script);
	if (!runs) {
		serve_stop(&l->server);
		io_remove_tree(c->dir, NULL);
		return;
	}
	/* QEMU's end of the pipe keeps the server alive, which must outlive this process */
	serve_leave(&l->server);
}

/* Called once no power cut can bring back the replaced guest. */
static void remove_old_guest(const struct live_restore *l, const char *script)
{
	_cleanup_free_ char *copy = live_old_config(l);

	if (l->parts.replaced->exists && unlink(copy) < 0 && errno != ENOENT)
		log_warn(l->parts.context->host->log, "cannot remove '%s': %s", copy, strerror(errno));
	unlink(script);
	replaced_remove_volumes(l->parts.replaced);
}

static int conclude_restore(struct live_restore *l, struct error **err)
{
	const struct restore_context *c = l->parts.context;
	_cleanup_free_ char *script = finish_script_path(c);
	_cleanup_error_ struct error *not_synced = NULL;
	int r = config_put_last(c, buf_str(&l->start), buf_str(&l->config), &not_synced, err);

	if (r < 0)
		return r;
	if (not_synced)
		log_warn(c->host->log,
			 "a power cut may still bring the lock '" RESTORE_LOCK "' of VM %" PRIu32
			 " back: %s; the replaced volumes are kept, remove them when the guest is shut "
			 "down with: sh '%s'",
			 c->params->vmid, error_message(not_synced), script);
	else
		remove_old_guest(l, script);
	serve_stop(&l->server);
	io_remove_tree(c->dir, NULL);
	log_info(c->host->log, "restore of VM %" PRIu32 " finished, it is on its own volumes now",
		 c->params->vmid);
	return 0;
}

int live_watch(struct live_restore *l, struct error **err)
{
	const uint64_t now = units_now_ns();
	struct watch w = { .live = l, .start_ns = now, .progress_at_ns = now };
	int r = watch_disks(&w, err);

	if (r == 0)
		return conclude_restore(l, err);
	keep_unfinished(l);
	return r;
}
