/*
 * Takes the disks that were found in QEMU through base bitmaps, nodes, filters and the instant to their
 * exports.
 */
#include "journal/recover.h"
#include "qemu/nodes.h"
#include "qemu/pause.h"
#include "source/bitmaps.h"
#include "source/live.h"

/* In one pause, if this QEMU needs one. */
static int add_filter(const struct sources *s, const struct live_disk *l, struct qmp *q, struct error **err)
{
	struct graph_pause pause;
	int r = graph_pause_if_needed(q, &pause, err);

	if (r == 0)
		r = graph_add_filter(q, &s->live->features, &l->graph, &l->names, LIVE_CBW_TIMEOUT_S, err);
	if (r == 0)
		r = graph_add_bitmap(q, &l->names, err);
	return graph_pause_end_after(q, &pause, r, err);
}

static int add_nodes(struct sources *s, struct source *d, struct qmp *q, struct error **err)
{
	int r = d->ops->attach(s, d, q, err);

	if (r == 0)
		r = add_filter(s, d->live, q, err);
	return r < 0 ? error_wrap(err, r, "%s", d->device) : 0;
}

static int add_all_nodes(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = live_monitor(s, &q, err);

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_nodes(s, disks[i], q, err);
	return r;
}

int live_begin(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	struct journal *j = s->p.journal;
	/* at the instant; some versions of QEMU must be paused for each change of the graph */
	const bool may_pause = s->live->vcpus_ran && !journal_has(j, JOURNAL_STOPPED);
	int r = guest_own_file(&s->p.guest, s->p.power, s->run_dir, err);

	if (r == 0)
		r = journal_add(j, JOURNAL_GRAPH, NULL, err);
	if (r == 0 && may_pause)
		r = journal_add(j, JOURNAL_STOPPED, NULL, err);
	if (r == 0 && s->p.chain)
		r = bitmaps_begin(s, disks, n, err);
	if (r == 0)
		r = add_all_nodes(s, disks, n, err);
	if (r == 0)
		r = instant_take(s, disks, n, err);
	if (r == 0)
		r = export_snapshots(s, disks, n, err);
	if (r == 0 && may_pause)
		journal_strike(j, JOURNAL_STOPPED, NULL);
	return r;
}
