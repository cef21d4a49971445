/* Exports the snapshots over NBD, from the guest's QEMU. */
#include "journal/recover.h"
#include "base/mem.h"
#include "qemu/nodes.h"
#include "qemu/pause.h"
#include "qemu/server.h"
#include "source/live.h"

static int start_server(const struct sources *s, struct qmp *q, struct error **err)
{
	int r = journal_add(s->p.journal, JOURNAL_SERVER, NULL, err);

	if (r < 0)
		return r;
	r = graph_server_start(q, s->live->socket, err);
	/* another program's server must not be stopped; but without an answer, ours may be running */
	if (r == ERR_PEER || r == ERR_INVALID)
		journal_strike(s->p.journal, JOURNAL_SERVER, NULL);
	return r;
}

/* If QEMU refuses the base's bitmap, the disk is exported without it. */
static int export_snapshot(const struct sources *s, const struct source *d, struct qmp *q, struct error **err)
{
	struct live_disk *l = d->live;
	_cleanup_error_ struct error *mine = NULL;
	int r = graph_add_export(q, &l->names, l->graph.node, l->base, &mine);

	if (r == ERR_PEER && l->base) {
		log_warn(s->p.log, "%s: the dirty bitmap of the backup before cannot be read: %s", d->device,
			 error_message(mine));
		free(TAKE_PTR(l->base));
		l->no_base = xstrdup("QEMU does not export its dirty bitmap");
		return graph_add_export(q, &l->names, l->graph.node, NULL, err);
	}
	error_keep_first(err, &mine);
	return r;
}

/* In one pause, if this QEMU needs one. */
static int export_one(const struct sources *s, const struct source *d, struct qmp *q, struct error **err)
{
	struct graph_pause pause;
	int r = graph_pause_if_needed(q, &pause, err);

	if (r == 0)
		r = graph_add_snapshot(q, &d->live->names, err);
	if (r == 0)
		r = export_snapshot(s, d, q, err);
	if (r == 0 && d->ops->export)
		r = d->ops->export(d, q, err);
	r = graph_pause_end_after(q, &pause, r, err);
	return r < 0 ? error_wrap(err, r, "%s", d->device) : 0;
}

int export_snapshots(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	s->live->socket = xasprintf("%s/" RECOVER_NBD_SOCKET, s->run_dir);
	r = live_monitor(s, &q, err);
	if (r == 0)
		r = start_server(s, q, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = export_one(s, disks[i], q, err);
	return r;
}
