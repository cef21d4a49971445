/* Reading the disks of a QEMU: the filters, the instant, the exports (DESIGN 4). */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/recover.h"
#include "backup/task-internal.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#define CBW_TIMEOUT_S    45
#define BARRIER_TRIES    10
#define BARRIER_RETRY_MS 500

/* ---- finding out ---- */

static bool is_small(const struct task_disk *d)
{
	return str_prefix(d->conf->key, "efidisk", NULL) || str_prefix(d->conf->key, "tpmstate", NULL);
}

/* With fleecing asked for: can this QEMU do it?  PVE goes on without. */
static bool fleecing_possible(struct task *t)
{
	if (!t->o->settings->fleecing.enabled)
		return false;
	if (t->features.export_bitmaps)
		return true;
	log_warn(t->log, "running QEMU version does not support backup fleecing - continuing without");
	return false;
}

static int find_disk(struct task *t, struct task_disk *d, struct error **err)
{
	int r;

	/* swtpm has it open, not QEMU */
	if (str_prefix(d->conf->key, "tpmstate", NULL))
		return 0;
	d->way = WAY_SINK;
	r = graph_find_disk(t->qmp, d->conf->key, d->volume.path, &d->graph, err);
	if (r == 0)
		r = graph_names_init(&d->names, d->conf->key, err);
	if (r == 0)
		r = graph_check_insert(&t->features, &d->graph, err);
	d->size = d->graph.size;
	if (r == 0)
		task_compare_disk(t, d);
	return r;
}

/* A graph that somebody else left behind, or we without a journal, is put right first. */
static int clean_leftovers(struct task *t, struct error **err)
{
	bool leftovers = false;
	int r = graph_has_leftovers(t->qmp, &leftovers, err);

	if (r < 0 || !leftovers)
		return r;
	log_warn(t->log, "left-over backup nodes still in QEMU - removing them now");
	return graph_cleanup(t->qmp, 0, t->log, err);
}

static int open_monitor(struct task *t, struct error **err)
{
	return power_open_qmp(t->host->paths, t->vmid, t->host->cancel, &t->qmp, err);
}

static void close_monitor(struct task *t)
{
	qmp_close(TAKE_PTR(t->qmp));
}

int task_live_prepare(struct task *t, struct error **err)
{
	bool fleecing;
	int r;

	r = recover_note_process(t->journal, &t->power.process, err);
	if (r == 0)
		r = open_monitor(t, err);
	if (r == 0)
		r = qemu_probe(t->qmp, &t->features, err);
	if (r == 0)
		r = qemu_require_filter(&t->features, err);
	if (r == 0)
		r = clean_leftovers(t, err);
	if (r == 0)
		r = graph_check_strangers(t->qmp, err);
	for (size_t i = 0; i < t->n && r == 0; i++)
		r = find_disk(t, &t->disks[i], err);
	if (r == 0)
		r = task_compare_guest(t, err);
	if (r == 0)
		r = power_vcpus_run(t->qmp, &t->vcpus_ran, err);
	fleecing = r == 0 && fleecing_possible(t);
	for (size_t i = 0; i < t->n && fleecing; i++) {
		if (t->disks[i].way == WAY_SINK && !is_small(&t->disks[i]))
			t->disks[i].way = WAY_FLEECING;
	}
	close_monitor(t);
	return r;
}

/* ---- fleecing images ---- */

static int fleecing_storage(struct task *t, const struct task_disk *d, const struct storage **ret,
			    struct error **err)
{
	const char *id = t->o->settings->fleecing.storage;
	int r;

	if (!id && !d->volume.storage)
		return error_set(err, ERR_INVALID,
				 "'%s' belongs to no storage: say where its fleecing image goes with "
				 "--fleecing enabled=1,storage=<storage>",
				 d->volume.volid);
	r = storage_get(t->host->storages, id ? id : d->volume.storage->id, STORAGE_IMAGES, ret, err);
	if (r == 0)
		r = storage_activate(*ret, t->log, err);
	return r;
}

/* Asked before the journal says that it is ours: a kill in between must not cost somebody his image. */
static int check_name_is_free(const struct storage *s, uint32_t vmid, const char *volid, struct error **err)
{
	struct storage_image *images = NULL;
	size_t n = 0;
	int r = storage_list(s, vmid, &images, &n, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!strcmp(images[i].volname, strchr(volid, ':') + 1))
			r = error_set(err, -EEXIST,
				      "image '%s' exists already and is not this backup's: remove it if "
				      "nobody needs it",
				      volid);
	}
	storage_images_free(images, n);
	return r;
}

/*
 * Where the whole image is reserved at once: says so, and whether it fits.  A storage that cannot
 * tell its space refuses by itself.
 */
static int check_room(struct task *t, const struct task_disk *d, const struct storage *s,
		      enum image_format format, struct error **err)
{
	_cleanup_free_ char *size = units_bytes(d->size, 1), *avail = NULL;
	struct image_traits traits;
	struct storage_status st;

	if (!s->ops->alloc)
		return error_set(err, ERR_UNSUPPORTED,
				 "images cannot be made on storages of type '%s': name another storage "
				 "with --fleecing enabled=1,storage=<storage>",
				 s->type);
	storage_traits(s, format, &traits);
	if (traits.thin)
		return 0;
	log_info(t->log,
		 "%s: fleecing image on storage '%s' reserves its full size (%s) for the time of the "
		 "backup, since the storage is not thin-provisioned",
		 d->device, s->id, size);
	if (storage_status(s, &st, NULL) < 0 || st.avail >= d->size)
		return 0;
	avail = units_bytes(st.avail, 1);
	return error_set(err, -ENOSPC,
			 "storage '%s' has only %s free, but reserves the full size of the image (%s): "
			 "free space on it, or name another storage with --fleecing "
			 "enabled=1,storage=<storage>",
			 s->id, avail, size);
}

static int allocate_image(struct task *t, struct task_disk *d, unsigned number, struct error **err)
{
	_cleanup_free_ char *name = xasprintf("vm-%u-fleece-%u", t->vmid, number);
	_cleanup_free_ char *volid = NULL;
	struct volume_alloc a = {
		.vmid = t->vmid, .name = name, .size = d->size, .cancel = t->host->cancel, .scratch = true
	};
	struct image_traits traits = { 0 };
	const struct storage *s;
	int r;

	r = fleecing_storage(t, d, &s, err);
	if (r < 0)
		return r;
	a.format = storage_fleecing_format(s);
	r = check_room(t, d, s, a.format, err);
	if (r < 0)
		return r;
	/* LVM knows sectors; a disk that ends within one is backed up all the same */
	a.size = (d->size + 511) / 512 * 512;
	r = volume_alloc_id(s, &a, &volid, err);
	if (r == 0)
		r = check_name_is_free(s, t->vmid, volid, err);
	if (r == 0)
		r = journal_add(t->journal, JOURNAL_IMAGE, volid, err);
	if (r == 0) {
		r = volume_alloc(s, &a, &d->image, err);
		/* somebody else's image of that name must not be removed by us */
		if (r == -EEXIST)
			journal_strike(t->journal, JOURNAL_IMAGE, volid);
	}
	if (r == 0)
		r = volume_activate(&d->image, err);
	if (r == 0)
		r = volume_traits(&d->image, &traits, err);
	d->granularity = traits.discard_granularity;
	if (r == 0)
		r = power_give(&t->power, d->image.path, err);
	return r;
}

static int start_usage(struct task *t, struct error **err)
{
	_cleanup_free_ const struct volume **images = xcalloc(t->n, sizeof(*images));
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (t->disks[i].way != WAY_FLEECING)
			continue;
		t->disks[i].usage_index = n;
		images[n++] = &t->disks[i].image;
	}
	return n ? usage_start(images, n, t->log, &t->usage, err) : 0;
}

static int allocate_images(struct task *t, struct error **err)
{
	unsigned number = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct task_disk *d = &t->disks[i];
		int r;

		if (d->way != WAY_FLEECING)
			continue;
		r = allocate_image(t, d, number++, err);
		if (r < 0) {
			error_prefix(err, "allocating fleecing image for %s", d->conf->key);
			return r;
		}
	}
	return start_usage(t, err);
}

/* ---- nodes ---- */

static int add_image_node(struct task *t, struct task_disk *d, struct error **err)
{
	struct json_object *protocol = NULL;
	int r = volume_blockdev(&d->image, &protocol, err);

	if (r < 0)
		return r;
	log_info(t->log, "%s: attaching fleecing image %s to QEMU", d->device, d->image.volid);
	r = graph_add_image(t->qmp, &d->names,
			    &(struct graph_image){ .protocol = protocol,
						   .format = image_format_name(d->image.format),
						   .size = d->size,
						   .direct = volume_errors_come_late(&d->image) },
			    err);
	json_object_put(protocol);
	return r;
}

static int add_sink_node(struct task *t, struct task_disk *d, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s.sock", t->run_dir, d->conf->key);
	int r = copy_listen(t->copy, (unsigned)(d - t->disks), path, err);

	if (r == 0)
		r = power_give(&t->power, path, err);
	if (r == 0)
		r = graph_add_sink(t->qmp, &d->names, path, "sink", err);
	return r;
}

static int add_nodes(struct task *t, struct task_disk *d, struct error **err)
{
	const struct graph_filter_options o = { .cbw_timeout_s = CBW_TIMEOUT_S };
	int r;

	r = d->way == WAY_FLEECING ? add_image_node(t, d, err) : add_sink_node(t, d, err);
	if (r == 0)
		r = graph_add_filter(t->qmp, &t->features, &d->graph, &d->names, &o, err);
	if (r == 0)
		r = graph_add_bitmap(t->qmp, &d->names, err);
	if (r < 0)
		error_prefix(err, "%s", d->device);
	return r;
}

/* ---- the instant ---- */

static int insert_filters(struct task *t, struct error **err)
{
	_cleanup_free_ struct graph_insertion *items = xcalloc(t->n, sizeof(*items));
	struct graph_instant instant;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < t->n; i++) {
		if (t->disks[i].way != WAY_OFFLINE)
			items[n++] = (struct graph_insertion){ &t->disks[i].graph, &t->disks[i].names };
	}
	if (!n)
		return 0;
	r = graph_insert(t->qmp, items, n, &instant, err);
	if (r == 0 && instant.stopped)
		log_info(t->log, "vCPUs stopped for %.1f ms for the snapshot of %zu disk(s)",
			 (double)instant.stopped_ns / 1e6, n);
	return r;
}

void task_write_out(const struct task *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->disks[i].way != WAY_OFFLINE)
			graph_write_out(t->disks[i].graph.filename);
	}
}

static void freeze(struct task *t, struct qga *agent)
{
	_cleanup_error_ struct error *err = NULL;

	log_info(t->log, "issuing guest-agent 'fs-freeze' command");
	if (qga_freeze(agent, t->log, NULL, &err) < 0)
		log_error(t->log, "%s", error_message(err));
}

/* Also after errors: what may be frozen is thawed. */
static void thaw(struct task *t, struct qga *agent)
{
	_cleanup_error_ struct error *err = NULL;
	bool over;

	log_info(t->log, "issuing guest-agent 'fs-thaw' command");
	if (power_thaw(agent, t->host->cancel, QGA_THAW_TIMEOUT_MS, &over, &err) < 0)
		log_error(t->log, "%s", error_message(err));
	if (over)
		journal_strike(t->journal, JOURNAL_FROZEN, NULL);
}

/* Guarded at once: what others do to the disk meanwhile is not kept from it by the filter. */
static int insert_in_a_burst(struct task *t, struct error **err)
{
	int r = cancel_check(t->host->cancel, err);

	if (r == 0)
		r = open_monitor(t, err);
	if (r == 0)
		r = insert_filters(t, err);
	if (r == 0)
		r = task_add_guards(t, err);
	close_monitor(t);
	return r;
}

/* The agent, which may take its time, is spoken to without the monitor, which others need too. */
static int the_instant(struct task *t, struct error **err)
{
	_cleanup_qga_ struct qga *agent = NULL;
	int r = 0;

	/* a guest that stands still cannot freeze anything, and need not */
	if (t->vcpus_ran && strcmp(t->mode, "snapshot") == 0)
		power_open_agent(t->host, &t->conf, t->log, &agent);
	if (agent && !journal_has(t->journal, JOURNAL_FROZEN))
		r = journal_add(t->journal, JOURNAL_FROZEN, NULL, err);
	if (r < 0)
		return r;
	if (agent) {
		task_write_out(t);
		freeze(t, agent);
	}
	r = insert_in_a_burst(t, err);
	if (agent)
		thaw(t, agent);
	return r;
}

/* ---- after it ---- */

static int start_server(struct task *t, const char *path, struct error **err)
{
	int r = journal_add(t->journal, JOURNAL_SERVER, NULL, err);

	if (r < 0)
		return r;
	r = graph_server_start(t->qmp, path, err);
	/* a stranger's server is not ours to stop; where an answer is missing, ours may be there */
	if (r == ERR_PEER || r == ERR_INVALID)
		journal_strike(t->journal, JOURNAL_SERVER, NULL);
	return r;
}

static int add_views(struct task *t, const char *path, struct error **err)
{
	int r = open_monitor(t, err);

	if (r == 0)
		r = start_server(t, path, err);
	for (size_t i = 0; i < t->n && r == 0; i++) {
		struct task_disk *d = &t->disks[i];

		if (d->way == WAY_OFFLINE)
			continue;
		r = graph_add_snapshot(t->qmp, &d->names, err);
		if (r == 0)
			r = graph_add_export(t->qmp, &d->names, err);
		if (r < 0)
			error_prefix(err, "%s", d->device);
	}
	close_monitor(t);
	return r;
}

static int connect_views(struct task *t, const char *path, struct error **err)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct task_disk *d = &t->disks[i];
		const bool fleecing = d->way == WAY_FLEECING;
		const struct source_endpoint s = {
			.socket = path,
			.export = d->names.export,
			.bitmap = fleecing ? d->names.bitmap : NULL,
			.trim = true,
			.trim_granularity = d->granularity,
			/* what was pushed to a sink is never read */
			.distrust_ranges = fleecing && !qemu_reads_mixed_ranges(&t->features),
		};
		int r;

		if (d->way == WAY_OFFLINE)
			continue;
		r = copy_connect(t->copy, (unsigned)i, &s, err);
		if (r < 0) {
			error_prefix(err, "%s", d->device);
			return r;
		}
	}
	return 0;
}

static int make_views(struct task *t, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/" RECOVER_NBD_SOCKET, t->run_dir);
	int r = add_views(t, path, err);

	return r == 0 ? connect_views(t, path, err) : r;
}

static bool any_live(const struct task *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->disks[i].way != WAY_OFFLINE)
			return true;
	}
	return false;
}

int task_live_start(struct task *t, struct error **err)
{
	int r;

	if (!any_live(t))
		return 0;
	r = allocate_images(t, err);
	if (r == 0)
		r = power_give(&t->power, t->run_dir, err);
	if (r == 0)
		r = journal_add(t->journal, JOURNAL_GRAPH, NULL, err);
	/* for the instant; some QEMUs need it for each change of the graph */
	if (r == 0 && t->vcpus_ran && !journal_has(t->journal, JOURNAL_STOPPED))
		r = journal_add(t->journal, JOURNAL_STOPPED, NULL, err);
	if (r == 0)
		r = open_monitor(t, err);
	for (size_t i = 0; i < t->n && r == 0; i++) {
		if (t->disks[i].way != WAY_OFFLINE)
			r = add_nodes(t, &t->disks[i], err);
	}
	close_monitor(t);
	if (r == 0)
		r = the_instant(t, err);
	if (r == 0)
		r = make_views(t, err);
	/* suspend mode and guests started paused go on when the copy starts */
	if (r == 0 && !t->down_since_ns)
		journal_strike(t->journal, JOURNAL_STOPPED, NULL);
	return r;
}

static int drain_once(struct task *t, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = power_open_qmp(t->host->paths, t->vmid, t->host->cancel, &q, err);

	/* QEMU drains all devices before the first action of a transaction, and here there is none */
	return r < 0 ? r
		     : qmp_execute(q, "transaction",
				   json_put_obj(json_new_obj(), "actions", json_new_array()), NULL, err);
}

/* Hours of copying are not lost with a monitor that is away for a moment. */
int task_barrier(struct task *t, struct error **err)
{
	for (int left = BARRIER_TRIES;; left--) {
		_cleanup_error_ struct error *mine = NULL;
		int r = drain_once(t, &mine);

		if (!power_is_lost(r) || left <= 1 ||
		    cancel_sleep(t->host->cancel, BARRIER_RETRY_MS, NULL) < 0) {
			error_keep_first(err, &mine);
			return r;
		}
	}
}

int task_resume(struct task *t, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	if (t->down_since_ns && journal_has(t->journal, JOURNAL_STOPPED))
		log_info(t->log, "resuming VM again after %lu seconds",
			 (unsigned long)((units_now_ns() - t->down_since_ns) / 1000000000u));
	else if (t->vcpus_ran)
		log_info(t->log, "resuming VM again");
	if (!journal_has(t->journal, JOURNAL_STOPPED))
		return 0;
	r = power_open_qmp(t->host->paths, t->vmid, NULL, &q, err);
	if (r == 0)
		r = qmp_execute(q, "cont", NULL, NULL, err);
	if (r < 0) {
		error_prefix(err, "resuming VM %u", t->vmid);
		return r;
	}
	t->down_since_ns = 0;
	journal_strike(t->journal, JOURNAL_STOPPED, NULL);
	return 0;
}
