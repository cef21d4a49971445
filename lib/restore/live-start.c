/* A live restore, from the start of QEMU until the guest runs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/mem.h"
#include "qemu/vcpus.h"
#include "restore/commit.h"
#include "restore/live-internal.h"
#include "restore/undo.h"

#define START_TIMEOUT_MS 10000
#define START_POLL_MS    50

static int wait_for_qemu(struct live_restore *l, struct error **err)
{
	const struct restore_context *c = l->parts.context;

	for (int waited = 0; waited < START_TIMEOUT_MS; waited += START_POLL_MS) {
		int r = guest_status(&c->guest, &l->power, NULL);

		if (r == 0 && l->power.running)
			return 0;
		r = cancel_sleep(c->host->cancel, START_POLL_MS, err);
		if (r < 0)
			return r;
	}
	return error_set(err, ERR_TIMEOUT,
			 "start-command has ended, but nothing answers at the QMP socket "
			 "/run/qemu-server/%" PRIu32 ".qmp",
			 c->params->vmid);
}

static int open_monitor(const struct restore_context *c, struct qmp **ret, struct error **err)
{
	return guest_monitor(&c->guest, c->host->cancel, ret, err);
}

static int start_qemu(struct live_restore *l, struct error **err)
{
	const struct restore_context *c = l->parts.context;
	_cleanup_qmp_ struct qmp *q = NULL;
	bool runs = false;
	int r = journal_add(c->journal, JOURNAL_STARTED, NULL, err);

	if (r < 0)
		return r;
	log_info(c->host->log, "starting VM for live-restore");
	r = guest_start(&c->guest, GUEST_START, c->host->cancel, c->host->log, err);
	if (r == 0)
		r = wait_for_qemu(l, err);
	if (r == 0)
		r = open_monitor(c, &q, err);
	if (r == 0)
		r = vcpus_run(q, &runs, err);
	if (r == 0 && runs)
		return error_set(err, ERR_UNSUPPORTED,
				 "start-command '%s' let VM %" PRIu32
				 " run at once: for a live restore it must heed 'freeze: 1' in the "
				 "configuration (QEMU's -S)",
				 c->guest.commands->start, c->params->vmid);
	return r;
}

/* QEMU gets the pipe's second end too: the server ends when both this process and QEMU have ended. */
static int start_server(struct live_restore *l, struct error **err)
{
	const struct restore_context *c = l->parts.context;
	_cleanup_qmp_ struct qmp *q = NULL;
	_cleanup_free_ char *socket = xasprintf("%s/archive.sock", c->dir);
	_cleanup_free_ char *log = xasprintf("%s/nbdkit.log", c->dir);
	struct serve_options o = { .archive = c->params->archive,
				   .socket = socket,
				   .detach = true,
				   .log = log,
				   .cancel = c->host->cancel };
	int r;

	if (pipe2(l->alive, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	o.alive_fd = l->alive[0];
	r = serve_start(&l->server, &o, err);
	if (r == 0)
		r = open_monitor(c, &q, err);
	if (r == 0)
		r = qmp_pass_fd(q, LIVE_ALIVE, l->alive[1], err);
	if (r == 0)
		r = guest_own_file(&c->guest, &l->power, c->dir, err);
	return r == 0 ? guest_own_file(&c->guest, &l->power, socket, err) : r;
}

static int attach_disk(const struct live_restore *l, struct qmp *q, const struct qemu_features *f,
		       const struct blockgraph *g, struct live_disk *d, struct error **err)
{
	const struct plan_disk *disk = d->to->disk;
	struct mirror_source s = { .socket = l->server.socket,
				   .export = disk->device,
				   .speed = l->bwlimit / l->n };
	int r = graph_find_disk(q, g, disk->key, NULL, d->to->volume.path, &d->graph, err);

	if (r == 0 && d->graph.size < disk->size)
		r = error_set(err, ERR_INVALID,
			      "QEMU's disk has only %" PRIu64 " bytes, the archive's %" PRIu64, d->graph.size,
			      disk->size);
	if (r == 0)
		r = mirror_check(f, &d->graph, err);
	if (r == 0)
		r = mirror_names_init(&d->names, disk->key, err);
	if (r == 0)
		r = guest_own_file(&l->parts.context->guest, &l->power, d->overlay.path, err);
	if (r == 0)
		r = volume_blockdev(&d->overlay, &s.overlay, err);
	if (r == 0)
		r = mirror_attach(q, &d->graph, &d->names, &s, err);
	json_object_put(s.overlay);
	return r < 0 ? error_wrap(err, r, "%s", disk->key) : 0;
}

static int attach_disks(struct live_restore *l, struct qmp *q, struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	struct qemu_features features;
	int r = qemu_probe(q, &features, err);

	if (r == 0)
		r = blockgraph_load(q, &g, err);
	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = attach_disk(l, q, &features, &g, &l->disks[i], err);
	return r;
}

/* From here on the guest runs and writes, so nothing can be undone. */
static int run_guest(struct live_restore *l, struct qmp *q, struct error **err)
{
	struct restore_context *c = l->parts.context;
	int r = cancel_check(c->host->cancel, err);

	qmp_set_cancel(q, NULL);
	if (r == 0)
		r = qmp_execute(q, "cont", NULL, NULL, err);
	if (r == 0)
		r = commit_keep(c, l->parts.replaced, err);
	if (r == 0)
		log_info(c->host->log, "VM %" PRIu32 " runs; its disks are restored meanwhile",
			 c->params->vmid);
	return r;
}

int live_start(struct live_restore *l, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = start_qemu(l, err);

	/* opening an archive may take a while, so the monitor is not kept open for that */
	if (r == 0)
		r = start_server(l, err);
	if (r == 0)
		r = open_monitor(l->parts.context, &q, err);
	if (r == 0)
		r = attach_disks(l, q, err);
	if (r == 0)
		r = finish_script_write(l, err);
	return r == 0 ? run_guest(l, q, err) : r;
}
