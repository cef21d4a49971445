#include "qemu/mirror.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "qemu/blockgraph.h"
#include "qemu/instant.h"
#include "qemu/nodes.h"
#include "qemu/pause.h"

enum {
	JOB_TIMEOUT_MS = 60000, /* for a job that has almost nothing to do */
	JOB_POLL_MS = 20,
	BUFFER_MIN = 1 << 20,  /* the least that a job copies at once, however low its speed limit is */
	BUFFER_MAX = 16 << 20, /* QEMU's default */
};

static bool put_name(char ret[32], const char *key, const char *purpose)
{
	int n = snprintf(ret, 32, MIRROR_PREFIX "%s%s", key, purpose);

	return n > 0 && n < 32;
}

int mirror_names_init(struct mirror_names *n, const char *key, struct error **err)
{
	if (put_name(n->archive, key, "-archive") && put_name(n->file, key, "-file") &&
	    put_name(n->overlay, key, "-overlay") && put_name(n->target, key, "-target") &&
	    put_name(n->filter, key, "-mirror") && put_name(n->park, key, "-park") &&
	    put_name(n->job, key, ""))
		return 0;
	return error_set(err, ERR_INVALID, "disk name '%s' is too long for a QEMU node name", key);
}

/* Each cluster of 64 KiB needs 8 bytes in a table and 2 in the refcounts; the rest is for rounding. */
uint64_t mirror_overlay_size(uint64_t disk)
{
	return (disk + disk / 4096 + (UINT64_C(4) << 20)) / 65536 * 65536;
}

int mirror_check(const struct qemu_features *f, const struct graph_disk *d, struct error **err)
{
	if (!graph_iothread_crashes(f, d))
		return 0;
	return error_set(err, ERR_UNSUPPORTED,
			 "QEMU %d.%d.%d crashes when a SCSI disk with an iothread is restored live; use "
			 "QEMU 9.0 or later, or restore it without --live-restore",
			 f->major, f->minor, f->micro);
}

/* ---- jobs ---- */

/* *ret: the job's entry of query-jobs (borrowed from *ret_all), or NULL. */
static int find_job(struct qmp *q, const char *id, struct json_object **ret_all, struct json_object **ret,
		    struct error **err)
{
	int r = qmp_execute(q, "query-jobs", NULL, ret_all, err);

	*ret = NULL;
	for (size_t i = 0; r == 0 && i < json_array_len(*ret_all); i++) {
		struct json_object *job = json_array_at(*ret_all, i);

		if (str_equal_null(json_get_str(job, "id"), id))
			*ret = job;
	}
	return r;
}

static int dismiss_job(struct qmp *q, const char *id, struct error **err)
{
	return qmp_execute(q, "job-dismiss", json_new_str("id", id), NULL, err);
}

/* Waits until the job is in one of two states, or has concluded (*ret_concluded). */
static int wait_for_state(struct qmp *q, const char *id, const char *state, const char *other,
			  bool *ret_concluded, struct error **err)
{
	const uint64_t end = units_now_ns() + JOB_TIMEOUT_MS * UINT64_C(1000000);

	for (;;) {
		_cleanup_json_ struct json_object *all = NULL;
		struct json_object *job;
		const char *status, *reason;
		int r = find_job(q, id, &all, &job, err);

		if (r < 0)
			return r;
		if (!job)
			return error_set(err, ERR_PEER, "QEMU's job '%s' is gone", id);
		status = json_get_str(job, "status");
		reason = json_get_str(job, "error");
		*ret_concluded = str_equal_null(status, "concluded");
		if (*ret_concluded && reason)
			return error_set(err, ERR_PEER, "QEMU's job '%s' failed: %s", id, reason);
		if (*ret_concluded || str_equal_null(status, state) || str_equal_null(status, other))
			return 0;
		if (units_now_ns() > end)
			return error_set(err, ERR_TIMEOUT, "QEMU's job '%s' stays %s", id,
					 status ? status : "without a state");
		usleep(JOB_POLL_MS * 1000);
	}
}

/* Waits until the job has concluded, and dismisses it. */
static int wait_for_job(struct qmp *q, const char *id, struct error **err)
{
	bool concluded;
	int r = wait_for_state(q, id, "concluded", NULL, &concluded, err);

	return r == 0 ? dismiss_job(q, id, err) : r;
}

/* ---- attaching ---- */

static int add_archive(struct qmp *q, const struct mirror_names *n, const struct mirror_source *s,
		       struct error **err)
{
	struct json_object *o = json_new_str("driver", "nbd");
	struct json_object *server = json_new_str("type", "unix");

	json_put_str(server, "path", s->socket);
	json_put_str(o, "node-name", n->archive);
	json_put_obj(o, "server", server);
	json_put_str(o, "export", s->export);
	json_put_bool(o, "read-only", true);
	return qmp_execute(q, "blockdev-add", o, NULL, err);
}

static int format_overlay(struct qmp *q, const struct mirror_names *n, uint64_t size, struct error **err)
{
	struct json_object *options = json_new_str("driver", "qcow2");
	struct json_object *args = json_new_str("job-id", n->job);
	int r;

	json_put_str(options, "file", n->file);
	json_put_u64(options, "size", size);
	json_put_obj(args, "options", options);
	r = qmp_execute(q, "blockdev-create", args, NULL, err);
	return r < 0 ? r : wait_for_job(q, n->job, err);
}

static int add_overlay(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
		       const struct mirror_source *s, struct error **err)
{
	struct json_object *file = json_copy(s->overlay);
	struct json_object *o = json_new_str("driver", "qcow2");
	int r;

	json_put_str(file, "node-name", n->file);
	json_put_str(file, "discard", "unmap");
	json_put_str(o, "node-name", n->overlay);
	json_put_str(o, "file", n->file);
	json_put_str(o, "backing", n->archive);
	json_put_str(o, "discard", "unmap");
	r = qmp_execute(q, "blockdev-add", file, NULL, err);
	if (r == 0)
		r = format_overlay(q, n, d->size, err);
	if (r < 0) {
		json_object_put(o);
		return r;
	}
	return qmp_execute(q, "blockdev-add", o, NULL, err);
}

/*
 * The SCSI disks of a controller with an iothread run in it from the beginning (a virtio-blk disk moves there
 * when the guest's driver starts), and a QEMU before 10.1 aborts when such a disk gets a node of another
 * AioContext.
 */
static int move_to_iothread(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
			    struct error **err)
{
	struct json_object *args;
	const char *id;

	if (!d->iothread || !str_prefix(d->qom_type, "scsi-", NULL))
		return 0;
	id = strrchr(d->iothread, '/');
	args = json_new_str("node-name", n->overlay);
	json_put_str(args, "iothread", id ? id + 1 : d->iothread);
	return qmp_execute(q, "x-blockdev-set-iothread", args, NULL, err);
}

/* The node that the job fills.  It also keeps T, which an old -drive would delete when the disk leaves it. */
static int add_target(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
		      struct error **err)
{
	struct json_object *o = json_new_str("driver", "raw");

	json_put_str(o, "node-name", n->target);
	json_put_str(o, "file", d->node);
	json_put_str(o, "discard", "unmap");
	return qmp_execute(q, "blockdev-add", o, NULL, err);
}

static int start_job(struct qmp *q, const struct mirror_names *n, uint64_t speed, struct error **err)
{
	struct json_object *args = json_new_str("job-id", n->job);
	const uint64_t buffer = speed / 10;

	json_put_str(args, "device", n->overlay);
	json_put_str(args, "target", n->target);
	json_put_str(args, "filter-node-name", n->filter);
	json_put_str(args, "sync", "full");
	json_put_str(args, "copy-mode", "write-blocking");
	json_put_bool(args, "auto-dismiss", false);
	if (speed) {
		json_put_u64(args, "speed", speed);
		json_put_u64(args, "buf-size",
			     buffer < BUFFER_MIN   ? BUFFER_MIN
			     : buffer > BUFFER_MAX ? BUFFER_MAX
						   : buffer);
	}
	return qmp_execute(q, "blockdev-mirror", args, NULL, err);
}

static int pause_job(struct qmp *q, const char *id, struct error **err)
{
	bool concluded;
	int r = qmp_execute(q, "job-pause", json_new_str("id", id), NULL, err);

	/* "standby" is a ready job that is paused */
	return r == 0 ? wait_for_state(q, id, "paused", "standby", &concluded, err) : r;
}

/*
 * When the job starts, no node may use its source, and the disk may not use T.  As the throttle filter must
 * have some child, it gets an empty node for a moment.  The job has to be paused when its nodes move to the
 * throttle filter's iothread: QEMU 10.0.2 hangs in bdrv_try_change_aio_context() while reads from an NBD
 * server are in flight.
 */
static int start_below_throttle(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
				uint64_t speed, struct error **err)
{
	struct json_object *o = json_new_str("driver", "null-co");
	int r;

	json_put_str(o, "node-name", n->park);
	json_put_u64(o, "size", d->size);
	json_put_bool(o, "read-zeroes", true);
	r = qmp_execute(q, "blockdev-add", o, NULL, err);
	if (r == 0)
		r = graph_place(q, d, n->park, err);
	if (r == 0)
		r = start_job(q, n, speed, err);
	if (r == 0)
		r = pause_job(q, n->job, err);
	if (r == 0)
		r = graph_place(q, d, n->filter, err);
	if (r == 0)
		r = qmp_execute(q, "job-resume", json_new_str("id", n->job), NULL, err);
	return r == 0 ? graph_del_node(q, n->park, err) : r;
}

int mirror_attach(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
		  const struct mirror_source *s, struct error **err)
{
	int r = add_archive(q, n, s, err);

	if (r == 0)
		r = add_overlay(q, d, n, s, err);
	if (r == 0)
		r = add_target(q, d, n, err);
	if (r == 0)
		r = move_to_iothread(q, d, n, err);
	if (r == 0 && d->throttle)
		return start_below_throttle(q, d, n, s->speed, err);
	if (r == 0)
		r = graph_place(q, d, n->overlay, err);
	return r == 0 ? start_job(q, n, s->speed, err) : r;
}

/* ---- while the job runs ---- */

int mirror_state(struct qmp *q, const struct mirror_names *n, struct mirror_progress *ret, struct error **err)
{
	_cleanup_json_ struct json_object *all = NULL;
	struct json_object *job;
	const char *status, *reason;
	int r = find_job(q, n->job, &all, &job, err);

	if (r < 0)
		return r;
	status = json_get_str(job, "status");
	reason = json_get_str(job, "error");
	json_get_u64(job, "current-progress", &ret->done);
	json_get_u64(job, "total-progress", &ret->total);
	ret->state = MIRROR_COPYING;
	if (str_equal_null(status, "ready"))
		ret->state = MIRROR_READY;
	if (!job || str_equal_null(status, "concluded") || str_equal_null(status, "aborting")) {
		ret->state = MIRROR_FAILED;
		free(ret->reason);
		ret->reason = xstrdup(reason ? reason : "the job was ended by somebody");
	}
	return 0;
}

/* ---- finishing ---- */

/* The job is gone: fails unless it has replaced the overlay by the target (it may have been canceled). */
static int check_moved(struct qmp *q, const struct mirror_names *n, struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	int r = blockgraph_load(q, &g, err);

	if (r == 0 && blockgraph_has_parent(&g, n->overlay))
		return error_set(err, ERR_PEER, "QEMU's job '%s' is gone", n->job);
	return r;
}

/* An earlier attempt may have been interrupted at any of these steps. */
static int end_job(struct qmp *q, const struct mirror_names *n, struct error **err)
{
	_cleanup_json_ struct json_object *all = NULL;
	struct json_object *job;
	const char *status;
	int r = find_job(q, n->job, &all, &job, err);

	if (r < 0)
		return r;
	if (!job)
		return check_moved(q, n, err);
	status = json_get_str(job, "status");
	if (str_equal_null(status, "ready") || str_equal_null(status, "standby"))
		r = qmp_execute(q, "job-complete", json_new_str("id", n->job), NULL, err);
	return r == 0 ? wait_for_job(q, n->job, err) : r;
}

/* Does nothing if the disk has the volume already, see graph_place(). */
static int place_volume(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
			struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	int r = blockgraph_load(q, &g, err);

	if (r < 0 || !blockgraph_has_parent(&g, n->target))
		return r;
	return graph_place(q, d, d->node, err);
}

static int move_to_volume(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n,
			  struct error **err)
{
	int r = end_job(q, n, err);

	return r == 0 ? place_volume(q, d, n, err) : r;
}

int mirror_finish(struct qmp *q, const struct graph_disk *d, const struct mirror_names *n, struct error **err)
{
	const char *const nodes[] = { n->target, n->overlay, n->file, n->archive };
	struct graph_pause pause;
	int r = graph_pause_begin(q, &pause, err);

	if (r == 0)
		r = move_to_volume(q, d, n, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(nodes); i++)
		r = graph_del_node(q, nodes[i], err);
	return graph_pause_end_after(q, &pause, r, err);
}
