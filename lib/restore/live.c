#include "restore/live-internal.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"

/* Firmware and TPM read their disks before a node could be put under them; both disks are small. */
static bool can_be_live(const struct plan_disk *d)
{
	return d->dev && !str_prefix(d->key, "efidisk", NULL) && !str_prefix(d->key, "tpmstate", NULL);
}

static void choose_disks(struct live_restore *l)
{
	struct volumes *vs = l->parts.volumes;

	l->disks = xcalloc(vs->n, sizeof(*l->disks));
	for (size_t i = 0; i < vs->n; i++) {
		vs->v[i].live = can_be_live(vs->v[i].disk);
		if (vs->v[i].live)
			l->disks[l->n++].to = &vs->v[i];
	}
}

int live_restore_new(const struct live_parts *parts, struct live_restore **ret, struct error **err)
{
	const struct restore_params *p = parts->context->params;
	struct live_restore *l;
	int r;

	if (p->disks)
		return error_set(err, ERR_INVALID,
				 "a live restore is of a whole guest: --disk and --live-restore do not "
				 "go together");
	if (!strcmp(p->archive, "-"))
		return error_set(err, ERR_INVALID,
				 "a live restore reads the archive at any place: standard input will not "
				 "do, save it to a file first");
	l = xcalloc(1, sizeof(*l));
	*l = (struct live_restore){
		.parts = *parts, .config = BUF_INIT, .start = BUF_INIT, .alive = { -1, -1 }
	};
	r = vma_random_open(p->archive, 0, &l->archive, err);
	if (r < 0) {
		error_prefix(err, "live restore of '%s'", p->archive);
	} else {
		choose_disks(l);
		if (!l->n)
			r = error_set(err, ERR_INVALID,
				      "the archive has no disk that a live restore could fill: leave "
				      "--live-restore out");
	}
	if (r < 0) {
		live_restore_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

int live_restore_run(struct live_restore *l, uint64_t bwlimit, struct error **err)
{
	int r;

	l->bwlimit = bwlimit;
	r = live_prepare(l, err);
	if (r == 0)
		r = live_start(l, err);
	return r == 0 ? live_watch(l, err) : r;
}

void live_restore_free(struct live_restore *l)
{
	if (!l)
		return;
	serve_stop(&l->server);
	for (size_t i = 0; i < ARRAY_SIZE(l->alive); i++)
		if (l->alive[i] >= 0)
			close(l->alive[i]);
	for (size_t i = 0; i < l->n; i++) {
		volume_clear(&l->disks[i].overlay);
		graph_disk_clear(&l->disks[i].graph);
		free(l->disks[i].progress.reason);
	}
	vma_random_free(l->archive);
	buf_clear(&l->config);
	buf_clear(&l->start);
	free(l->disks);
	free(l);
}
