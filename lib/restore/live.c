/* A live restore, up to the moment the guest runs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "journal/run-dir.h"
#include "restore/restore-internal.h"

#define STEP             (UINT32_C(1) << 20)
#define START_TIMEOUT_MS 10000
#define START_POLL_MS    50

/* ---- may it be? ---- */

/* Firmware and TPM read theirs before a node could be put under them; both are small. */
static bool can_be_live(const struct plan_disk *d)
{
	return d->dev && !str_prefix(d->key, "efidisk", NULL) && !str_prefix(d->key, "tpmstate", NULL);
}

int restore_live_check(struct restore *r, struct error **err)
{
	bool any = false;
	int res;

	if (r->p->disks)
		return error_set(err, ERR_INVALID,
				 "a live restore is of a whole guest: --disk and --live-restore do not "
				 "go together");
	if (!strcmp(r->p->archive, "-"))
		return error_set(err, ERR_INVALID,
				 "a live restore reads the archive at any place: standard input will not "
				 "do, save it to a file first");
	res = vma_random_open(r->p->archive, 0, &r->random, err);
	if (res < 0)
		return error_prefix(err, "live restore of '%s'", r->p->archive), res;
	for (size_t i = 0; i < r->n; i++) {
		r->volumes[i].live = can_be_live(r->volumes[i].disk);
		any = any || r->volumes[i].live;
	}
	return any ? 0
		   : error_set(err, ERR_INVALID,
			       "the archive has no disk that a live restore could fill: leave "
			       "--live-restore out");
}

/* ---- what must be there before the start ---- */

static int copy_disk(struct restore *r, const struct plan_disk *d, struct error **err)
{
	_cleanup_free_ uint8_t *data = xmalloc(STEP);
	uint64_t len;
	int res = 0;

	for (uint64_t at = 0; res == 0 && at < d->size; at += len) {
		const uint64_t max = d->size - at < STEP ? d->size - at : STEP;
		const bool zero = vma_random_is_zero(r->random, d->dev, at, max, &len);

		if (zero)
			continue;
		res = vma_random_read(r->random, d->dev, at, data, len, err);
		if (res == 0)
			res = target_write(&r->targets[d->dev], at, data, len, err);
		if (res == 0)
			res = cancel_check(r->host->cancel, err);
	}
	return res;
}

static int copy_small_disks(struct restore *r, struct error **err)
{
	int res = restore_open_targets(r, err);

	for (size_t i = 0; res == 0 && i < r->n; i++)
		if (r->volumes[i].disk->dev && !r->volumes[i].live)
			res = copy_disk(r, r->volumes[i].disk, err);
	return res == 0 ? restore_close_targets(r, err) : res;
}

static int make_overlay(struct restore *r, struct restore_volume *v, unsigned number, struct error **err)
{
	_cleanup_free_ char *name = xasprintf("vm-%" PRIu32 "-overlay-%u", r->p->vmid, number);
	_cleanup_free_ char *volid = NULL;
	const struct volume_alloc a = {
		.vmid = r->p->vmid,
		.name = name,
		.format = IMAGE_RAW,
		.size = live_overlay_size(v->disk->size),
		.cancel = r->host->cancel,
		.scratch = true,
	};
	int res = volume_alloc_id(v->volume.storage, &a, &volid, err);

	if (res == 0 && restore_name_taken(v->volume.storage, r->p->vmid, volid))
		res = error_set(err, -EEXIST,
				"image '%s' exists already: it is of a live restore that did not end, "
				"remove it if nobody needs it",
				volid);
	if (res == 0)
		res = journal_add(r->journal, JOURNAL_IMAGE, volid, err);
	if (res == 0) {
		res = volume_alloc(v->volume.storage, &a, &v->overlay, err);
		if (res == -EEXIST)
			journal_strike(r->journal, JOURNAL_IMAGE, volid);
	}
	if (res == 0)
		res = volume_activate(&v->overlay, err);
	return res < 0 ? (error_prefix(err, "overlay for %s", v->disk->key), res) : 0;
}

/*
 * A guest whose storage is full while it is restored would see errors of its own writes, too: what is known
 * to come must fit before it starts.
 */
static int check_room(const struct restore *r, const struct storage *s, struct error **err)
{
	_cleanup_free_ char *need = NULL, *have = NULL;
	struct storage_status st;
	uint64_t bytes = 0;
	int res;

	for (size_t i = 0; i < r->n; i++) {
		const struct restore_volume *v = &r->volumes[i];
		struct image_traits traits;

		if (!v->live || v->volume.storage != s)
			continue;
		storage_traits(s, v->volume.format, &traits);
		/* else its space is reserved already */
		bytes += traits.thin ? vma_random_stored(r->random, v->disk->dev) : 0;
	}
	res = storage_status(s, &st, err);
	if (res < 0 || bytes <= st.avail)
		return res;
	need = units_bytes(bytes, 1);
	have = units_bytes(st.avail, 1);
	return error_set(
		err, -ENOSPC,
		"storage '%s' has only %s free, the archive's disks need %s there: make room, or put "
		"them elsewhere with --storage",
		s->id, have, need);
}

static int check_rooms(const struct restore *r, struct error **err)
{
	int res = 0;

	for (size_t i = 0; res == 0 && i < r->n; i++)
		if (r->volumes[i].live)
			res = check_room(r, r->volumes[i].volume.storage, err);
	return res;
}

static int make_overlays(struct restore *r, struct error **err)
{
	unsigned number = 0;
	int res = 0;

	for (size_t i = 0; res == 0 && i < r->n; i++)
		if (r->volumes[i].live)
			res = make_overlay(r, &r->volumes[i], number++, err);
	return res;
}

char *restore_old_copy(const struct restore *r)
{
	return paths_get(r->host->paths, "/var/lib/vzdump/%u.conf", r->p->vmid);
}

/* The old guest's configuration can be put back as it was. */
static int save_old_config(struct restore *r, struct error **err)
{
	_cleanup_free_ char *copy = restore_old_copy(r);
	int res;

	if (access(copy, F_OK) == 0)
		return error_set(
			err, -EEXIST,
			"'%s' is the configuration of a guest that an earlier live restore replaced and "
			"did not finish: see to the volumes that it names, then remove it",
			copy);
	res = journal_add(r->journal, JOURNAL_CONFIG, copy, err);

	return res < 0 ? res : io_write_file_atomic(copy, r->old.text, strlen(r->old.text), 0600, NULL, err);
}

/*
 * For the start: PVE's `freeze` keeps the vCPUs from running, the lock keeps others away (PVE's
 * start needs --skiplock then, which start-command has).
 */
static int write_start_config(struct restore *r, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int res = restore_make_config(r, err);
	const char *at = buf_str(&r->config), *line;
	size_t len;

	buf_adds(&text, "freeze: 1\nlock: " RESTORE_LOCK "\n");
	while (str_next_line(&at, &line, &len))
		if (!str_prefix(line, "freeze:", NULL))
			buf_addf(&text, "%.*s\n", (int)len, line);
	if (res == 0 && r->has_old)
		res = save_old_config(r, err);
	return res < 0 ? res : guest_config_replace(r->host->paths, r->p->vmid, buf_str(&text), NULL, err);
}

/* ---- the start ---- */

static int wait_for_qemu(struct restore *r, struct error **err)
{
	for (int waited = 0; waited < START_TIMEOUT_MS; waited += START_POLL_MS) {
		int res = power_get(r->host->paths, r->p->vmid, &r->power, NULL);

		if (res == 0 && r->power.running)
			return 0;
		res = cancel_sleep(r->host->cancel, START_POLL_MS, err);
		if (res < 0)
			return res;
	}
	return error_set(err, ERR_TIMEOUT,
			 "start-command has ended, but nothing answers at the QMP socket "
			 "/run/qemu-server/%" PRIu32 ".qmp",
			 r->p->vmid);
}

static int open_monitor(struct restore *r, struct qmp **ret, struct error **err)
{
	return power_open_qmp(r->host->paths, r->p->vmid, r->host->cancel, ret, err);
}

static int start_paused(struct restore *r, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	bool runs = false;
	int res = journal_add(r->journal, JOURNAL_STARTED, NULL, err);

	if (res < 0)
		return res;
	log_info(r->host->log, "starting VM for live-restore");
	res = power_run_command(r->host, "start-command", r->p->vmid, r->host->cancel, r->host->log, err);
	if (res == 0)
		res = wait_for_qemu(r, err);
	if (res == 0)
		res = open_monitor(r, &q, err);
	if (res == 0)
		res = power_vcpus_run(q, &runs, err);
	if (res == 0 && runs)
		return error_set(err, ERR_UNSUPPORTED,
				 "start-command '%s' let VM %" PRIu32
				 " run at once: for a live restore it must heed 'freeze: 1' in the "
				 "configuration (QEMU's -S)",
				 options_get(r->host->options, "start-command"), r->p->vmid);
	return res;
}

/* QEMU gets the pipe's second end too: the server outlives us, but not us and QEMU. */
static int start_server(struct restore *r, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	_cleanup_free_ char *socket = xasprintf("%s/archive.sock", r->dir);
	_cleanup_free_ char *log = xasprintf("%s/nbdkit.log", r->dir);
	const struct serve_options o = { .archive = r->p->archive,
					 .socket = socket,
					 .detach = true,
					 .log = log,
					 .cancel = r->host->cancel };
	struct serve_options alive = o;
	int res;

	if (pipe2(r->alive, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	alive.alive_fd = r->alive[0];
	res = serve_start(&r->server, &alive, err);
	if (res == 0)
		res = open_monitor(r, &q, err);
	if (res == 0)
		res = qmp_pass_fd(q, RESTORE_ALIVE, r->alive[1], err);
	if (res == 0)
		res = power_give(&r->power, r->dir, err);
	return res == 0 ? power_give(&r->power, socket, err) : res;
}

static int attach_disk(struct restore *r, struct qmp *q, const struct qemu_features *f,
		       struct restore_volume *v, uint64_t speed, struct error **err)
{
	struct live_source s = { .socket = r->server.socket, .export = v->disk->device, .speed = speed };
	int res = graph_find_disk(q, v->disk->key, v->volume.path, &v->graph, err);

	if (res == 0 && v->graph.size < v->disk->size)
		res = error_set(err, ERR_INVALID,
				"QEMU's disk has only %" PRIu64 " bytes, the archive's %" PRIu64,
				v->graph.size, v->disk->size);
	if (res == 0)
		res = live_check(f, &v->graph, err);
	if (res == 0)
		res = live_names_init(&v->names, v->disk->key, err);
	if (res == 0)
		res = power_give(&r->power, v->overlay.path, err);
	if (res == 0)
		res = volume_blockdev(&v->overlay, &s.overlay, err);
	if (res == 0)
		res = live_attach(q, &v->graph, &v->names, &s, err);
	json_object_put(s.overlay);
	return res < 0 ? (error_prefix(err, "%s", v->disk->key), res) : 0;
}

static int attach_disks(struct restore *r, struct qmp *q, struct error **err)
{
	struct qemu_features features;
	size_t n = 0;
	int res = qemu_probe(q, &features, err);

	if (res < 0)
		return res;
	for (size_t i = 0; i < r->n; i++)
		n += r->volumes[i].live;
	for (size_t i = 0; res == 0 && i < r->n; i++)
		if (r->volumes[i].live)
			res = attach_disk(r, q, &features, &r->volumes[i], r->bwlimit / n, err);
	qemu_features_clear(&features);
	return res;
}

/* From here on the guest has a life of its own, and nothing is undone any more. */
static int let_it_run(struct restore *r, struct qmp *q, struct error **err)
{
	int res = cancel_check(r->host->cancel, err);

	qmp_set_cancel(q, NULL);
	if (res == 0)
		res = qmp_execute(q, "cont", NULL, NULL, err);
	if (res == 0)
		res = restore_keep(r, err);
	if (res == 0)
		log_info(r->host->log, "VM %" PRIu32 " runs; its disks are restored meanwhile", r->p->vmid);
	return res;
}

static int start(struct restore *r, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int res = start_paused(r, err);

	/* an archive may take its time to be opened, without the monitor */
	if (res == 0)
		res = start_server(r, err);
	if (res == 0)
		res = open_monitor(r, &q, err);
	if (res == 0)
		res = attach_disks(r, q, err);
	if (res == 0)
		res = restore_write_finish(r, err);
	return res == 0 ? let_it_run(r, q, err) : res;
}

int restore_live(struct restore *r, struct error **err)
{
	int res = run_dir_make(r->host->paths, r->journal, &r->dir, err);

	if (res == 0)
		res = copy_small_disks(r, err);
	if (res == 0)
		res = check_rooms(r, err);
	if (res == 0)
		res = make_overlays(r, err);
	if (res == 0)
		res = restore_write_firewall(r, err);
	/* it may have been started since it was asked first, and from here on there is no way back */
	if (res == 0)
		res = restore_check_stopped(r, err);
	if (res == 0)
		res = write_start_config(r, err);
	if (res == 0)
		res = start(r, err);
	return res == 0 ? restore_live_watch(r, err) : res;
}

void restore_live_clear(struct restore *r)
{
	/* the guest was never begun, or is on its volumes: nobody reads from the server */
	serve_stop(&r->server);
	for (size_t i = 0; i < ARRAY_SIZE(r->alive); i++)
		if (r->alive[i] >= 0)
			close(r->alive[i]);
	for (size_t i = 0; i < r->n; i++) {
		volume_clear(&r->volumes[i].overlay);
		graph_disk_clear(&r->volumes[i].graph);
		free(r->volumes[i].progress.reason);
	}
	vma_random_free(r->random);
}
