/* A live restore, from the moment the guest runs: until its disks are on their volumes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/units.h"
#include "restore/restore-internal.h"

#define POLL_MS 1000
#define SAY_NS  (UINT64_C(10) * 1000000000)

static bool is_open(const struct restore_volume *v)
{
	return v->live && !v->complete && v->progress.state != LIVE_FAILED;
}

static bool any_open(const struct restore *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_open(&r->volumes[i]))
			return true;
	return false;
}

static bool all_complete(const struct restore *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->volumes[i].live && !r->volumes[i].complete)
			return false;
	return true;
}

static void remove_overlay(struct restore *r, const struct restore_volume *v)
{
	_cleanup_error_ struct error *err = NULL;

	if (volume_free(&v->overlay, &err) < 0)
		log_warn(r->host->log, "%s; remove '%s' later", error_message(err), v->overlay.volid);
}

static void say_progress(struct restore *r, const struct restore_volume *v)
{
	const struct live_progress *p = &v->progress;
	const uint64_t seconds = (units_now_ns() - r->start_ns) / UINT64_C(1000000000);
	_cleanup_free_ char *done = units_bytes(p->done, 1), *total = units_bytes(p->total, 1);
	_cleanup_free_ char *time = units_duration(seconds);

	log_info(r->host->log, "restore-%s: transferred %s of %s (%.2f%%) in %s", v->disk->device, done,
		 total, p->total ? (double)p->done * 100.0 / (double)p->total : 100.0, time);
}

/* ---- while QEMU lives ---- */

/* Its connection may have ended within it, with the vCPUs stopped: then it is done again. */
static int finish(struct restore *r, struct qmp *q, struct restore_volume *v, struct error **err)
{
	/* no request to stop leaves it half done */
	const struct cancel *cancel = qmp_set_cancel(q, NULL);
	int res = v->finishing ? power_resume(q, err) : 0;

	v->finishing = true;
	if (res == 0)
		res = live_finish(q, &v->graph, &v->names, err);
	qmp_set_cancel(q, cancel);
	if (res < 0)
		return error_prefix(err, "%s", v->disk->key), res;
	v->complete = true;
	v->progress.done = v->progress.total;
	say_progress(r, v);
	return 0;
}

static int look_at(struct restore *r, struct qmp *q, struct restore_volume *v, bool speak, struct error **err)
{
	int res = v->finishing ? 0 : live_state(q, &v->names, &v->progress, err);

	if (res < 0)
		return res;
	if (v->finishing || v->progress.state == LIVE_READY)
		return finish(r, q, v, err);
	if (speak)
		say_progress(r, v);
	return 0;
}

static int look_at_all(struct restore *r, bool speak, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int res = power_open_qmp(r->host->paths, r->p->vmid, r->host->cancel, &q, err);

	for (size_t i = 0; res == 0 && i < r->n; i++)
		if (is_open(&r->volumes[i]))
			res = look_at(r, q, &r->volumes[i], speak, err);
	if (res == 0 && all_complete(r))
		qmp_close_fd(q, RESTORE_ALIVE, NULL);
	return res;
}

/* A storage may take its time to remove an overlay: the monitor is not held for that. */
static int look(struct restore *r, bool speak, struct error **err)
{
	int res = look_at_all(r, speak, err);

	for (size_t i = 0; i < r->n; i++) {
		struct restore_volume *v = &r->volumes[i];

		if (!v->complete || !v->finishing)
			continue;
		remove_overlay(r, v);
		v->finishing = false;
	}
	return res;
}

/* Nobody may touch the disks before: that nothing answers at the socket does not tell. */
static bool qemu_is_gone(struct restore *r)
{
	struct power_state state;

	return !power_process_lives(&r->power.process) &&
	       power_get(r->host->paths, r->p->vmid, &state, NULL) == 0 && !state.running;
}

/* ---- when the guest was shut down meanwhile ---- */

static struct json_object *overlay_over_archive(const char *socket, const struct restore_volume *v,
						struct json_object *file)
{
	struct json_object *server = json_new_str("type", "unix");
	struct json_object *nbd = json_new_str("driver", "nbd");
	struct json_object *o = json_new_str("driver", "qcow2");

	json_put_str(server, "path", socket);
	json_put_obj(nbd, "server", server);
	json_put_str(nbd, "export", v->disk->device);
	json_put_obj(o, "file", file);
	return json_put_obj(o, "backing", nbd);
}

int restore_whole_disk(const struct restore_volume *v, const char *socket, char **ret, struct error **err)
{
	_cleanup_json_ struct json_object *source = NULL;
	struct json_object *file = NULL;
	int res = volume_blockdev(&v->overlay, &file, err);

	if (res < 0)
		return res;
	source = overlay_over_archive(socket, v, file);
	*ret = xasprintf("json:%s", json_text(source));
	return 0;
}

/* qemu-img flushes when it ends, but does not say if that fails; and then the overlay goes. */
static int flush_disk(const struct restore *r, const struct restore_volume *v, const char *uri,
		      struct error **err)
{
	struct target t;
	int res;

	target_init(&t);
	t.cancel = r->host->cancel;
	res = target_existing(&t, uri, v->disk->size, false, err);
	if (res == 0)
		res = target_finish(&t, err);
	target_clear(&t);
	return res;
}

static int copy_rest(struct restore *r, struct restore_volume *v, struct error **err)
{
	_cleanup_json_ struct json_object *target = NULL;
	_cleanup_free_ char *from = NULL, *to = NULL;
	struct storage_daemon_disk disk = { .export = v->disk->key,
					    .writable = true,
					    .format = image_format_name(v->volume.format) };
	int res = volume_blockdev(&v->volume, &target, err);

	if (res == 0)
		res = restore_whole_disk(v, r->server.socket, &from, err);
	if (res < 0)
		return res;
	disk.protocol = target;
	res = storage_daemon_start(&r->daemon, r->dir, &disk, 1, r->host->cancel, err);
	if (res == 0) {
		const char *argv[] = { "qemu-img", "convert", "-n", "-O", "raw", from, NULL, NULL };

		to = serve_uri(r->daemon.socket, v->disk->key);
		argv[6] = to;
		res = process_run_ok(argv, &(struct process_options){ .cancel = r->host->cancel }, NULL, err);
	}
	if (res == 0)
		res = flush_disk(r, v, to, err);
	storage_daemon_stop(&r->daemon);
	return res;
}

static int finish_offline(struct restore *r, struct error **err)
{
	int res = 0;

	log_info(r->host->log, "VM %" PRIu32 " was shut down; the rest is copied now", r->p->vmid);
	for (size_t i = 0; res == 0 && i < r->n; i++) {
		struct restore_volume *v = &r->volumes[i];

		if (!v->live || v->complete)
			continue;
		res = copy_rest(r, v, err);
		if (res < 0) {
			v->progress.state = LIVE_FAILED;
			return error_prefix(err, "%s", v->disk->key), res;
		}
		v->complete = true;
		remove_overlay(r, v);
	}
	return res;
}

/* ---- the end ---- */

/* Nothing is taken from a guest that runs: overlays, server and lock stay. */
static void keep_all(struct restore *r)
{
	const bool runs = !qemu_is_gone(r);
	_cleanup_free_ char *script = restore_finish_script(r);

	for (size_t i = 0; i < r->n; i++) {
		const struct restore_volume *v = &r->volumes[i];
		const struct live_progress *p = &v->progress;
		_cleanup_free_ char *left = NULL, *total = units_bytes(p->total, 1);

		if (!v->live || v->complete)
			continue;
		left = units_bytes(p->total > p->done ? p->total - p->done : 0, 1);
		log_error(r->host->log,
			  "%s: %s of %s are not in its new volume '%s'%s%s; what the guest has written "
			  "is in '%s', a qcow2 image over the archive's '%s'",
			  v->disk->key, left, total, v->volume.volid, p->reason ? ": " : "",
			  p->reason ? p->reason : "", v->overlay.volid, v->disk->device);
	}
	log_error(r->host->log, "VM %" PRIu32 " %s; its volumes and its lock '" RESTORE_LOCK "' are kept",
		  r->p->vmid, runs ? "runs on from the archive until it is shut down" : "is shut down");
	log_error(r->host->log, "to finish%s, run: sh '%s'", runs ? " when it is shut down" : "", script);
	if (!runs) {
		serve_stop(&r->server);
		io_remove_tree(r->dir, NULL);
		return;
	}
	/* QEMU's end of the pipe keeps the server, which is not to be stopped with us */
	serve_leave(&r->server);
}

/* When no power cut can bring the guest that was replaced back. */
static void remove_old(struct restore *r, const char *copy, const char *script)
{
	if (r->has_old && unlink(copy) < 0 && errno != ENOENT)
		log_warn(r->host->log, "cannot remove '%s': %s", copy, strerror(errno));
	unlink(script);
	restore_remove_old(r);
}

static int conclude(struct restore *r, struct error **err)
{
	_cleanup_free_ char *copy = restore_old_copy(r), *script = restore_finish_script(r);
	_cleanup_error_ struct error *not_synced = NULL;
	int res = guest_config_replace(r->host->paths, r->p->vmid, buf_str(&r->config), &not_synced, err);

	if (res < 0)
		return res;
	if (not_synced)
		log_warn(
			r->host->log,
			"a power cut may still bring the lock '" RESTORE_LOCK "' of VM %" PRIu32
			" back: %s; what was replaced is kept, remove it when the guest is shut down with: sh '%s'",
			r->p->vmid, error_message(not_synced), script);
	else
		remove_old(r, copy, script);
	serve_stop(&r->server);
	io_remove_tree(r->dir, NULL);
	log_info(r->host->log, "restore of VM %" PRIu32 " finished, it is on its own volumes now",
		 r->p->vmid);
	return 0;
}

static int watch(struct restore *r, struct error **err)
{
	uint64_t say_at = r->start_ns;
	bool lost = false;

	while (any_open(r)) {
		_cleanup_error_ struct error *mine = NULL;
		const bool speak = units_now_ns() >= say_at;
		int res = look(r, speak, &mine);

		say_at += speak ? SAY_NS : 0;

		if (res < 0 && res != ERR_CANCELED && qemu_is_gone(r))
			return finish_offline(r, err);
		/* a monitor that is busy is asked again, and one that is away while its QEMU lives */
		if (res < 0 && res != ERR_TIMEOUT && !power_is_lost(res)) {
			error_keep_first(err, &mine);
			return res;
		}
		if (power_is_lost(res) && !lost)
			log_warn(r->host->log, "%s: trying again as long as QEMU runs", error_message(mine));
		lost = power_is_lost(res);
		if (any_open(r))
			res = cancel_sleep(r->host->cancel, POLL_MS, err);
		if (res == ERR_CANCELED)
			return res;
	}
	return all_complete(r) ? 0
			       : error_set(err, ERR_PEER,
					   "VM %" PRIu32 " runs, but is not restored completely", r->p->vmid);
}

int restore_live_watch(struct restore *r, struct error **err)
{
	int res;

	r->start_ns = units_now_ns();
	res = watch(r, err);
	if (res == 0)
		return conclude(r, err);
	keep_all(r);
	return res;
}
