#include "source/live.h"

#include "base/mem.h"
#include "qemu/vcpus.h"
#include "qemu/instant.h"
#include "qemu/leftovers.h"
#include "qemu/pause.h"
#include "qemu/server.h"

#define BARRIER_TRIES    10
#define BARRIER_RETRY_MS 500

struct live *live_new(void)
{
	return xcalloc(1, sizeof(struct live));
}

void live_free(struct live *l)
{
	if (!l)
		return;
	free(l->socket);
	free(l->bitmaps);
	free(l);
}

void live_disk_free(struct live_disk *d)
{
	if (!d)
		return;
	graph_disk_clear(&d->graph);
	free(d->base);
	free(d->no_base);
	free(d);
}

bool live_can_fleece(const struct live *l)
{
	return l->features.export_bitmaps;
}

int live_monitor(const struct sources *s, struct qmp **ret, struct error **err)
{
	return guest_monitor(&s->p.guest, s->p.host->cancel, ret, err);
}

/* ---- finding the disks ---- */

int live_has_leftovers(const struct sources *s, bool *ret, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = live_monitor(s, &q, err);

	return r == 0 ? graph_has_leftovers(q, ret, err) : r;
}

int live_clean(const struct sources *s, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	bool leftovers = false;
	int r = live_monitor(s, &q, err);

	if (r == 0)
		r = graph_has_leftovers(q, &leftovers, err);
	if (r < 0 || !leftovers)
		return r;
	log_warn(s->p.log, "left-over backup nodes still in QEMU - removing them now");
	return graph_cleanup(q, 0, s->p.log, err);
}

static int look_at_qemu(const struct sources *s, struct qmp *q, struct error **err)
{
	struct qemu_features *f = &s->live->features;
	int r = s->looks ? qemu_look(q, f, err) : qemu_probe(q, f, err);

	if (r == 0)
		log_debug(s->p.log, "QEMU %d.%d.%d, cbw-timeout %s, several clusters at once are read %s",
			  f->major, f->minor, f->micro, f->cbw_timeout ? "yes" : "no",
			  qemu_reads_mixed_ranges(f) ? "right" : "wrong");
	if (r == 0)
		r = qemu_require_filter(f, err);
	if (r == 0)
		r = graph_check_strangers(q, err);
	return r;
}

static int find_disk(const struct sources *s, struct source *d, struct qmp *q, const struct blockgraph *g,
		     struct error **err)
{
	const char *key = d->conf->key;
	int r;

	d->live = xcalloc(1, sizeof(*d->live));
	r = graph_find_disk(q, g, key, d->conf->device, d->volume->path, &d->live->graph, err);
	if (r == 0)
		r = graph_names_init(&d->live->names, key, err);
	if (r == 0)
		r = graph_check_insert(&s->live->features, &d->live->graph, err);
	d->size = d->live->graph.size;
	if (r == 0)
		compare_disk(s, d);
	return r;
}

int live_open(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = live_monitor(s, &q, err);

	if (r == 0)
		r = look_at_qemu(s, q, err);
	if (r == 0)
		r = blockgraph_load(q, &g, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = find_disk(s, disks[i], q, &g, err);
	if (r == 0)
		compare_guest(s, &g);
	if (r == 0)
		r = vcpus_run(q, &s->live->vcpus_ran, err);
	return r;
}

void live_write_out(const struct sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i]->live)
			graph_write_out(s->list[i]->live->graph.filename);
	}
}

/* ---- while the disks are read ---- */

void live_endpoint(const struct sources *s, const struct source *d, struct source_endpoint *ret)
{
	ret->socket = s->live->socket;
	ret->export = d->live->names.export;
	ret->base_bitmap = d->live->base;
	ret->no_base_bitmap = d->live->no_base;
	ret->trim = true;
}

static int drain_once(struct sources *s, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = live_monitor(s, &q, err);

	/* an empty transaction: QEMU drains all devices before the first action */
	return r < 0 ? r
		     : qmp_execute(q, "transaction",
				   json_put_obj(json_new_obj(), "actions", json_new_array()), NULL, err);
}

/* Tries several times, so that hours of copying are not lost if the monitor is away for a moment. */
int live_barrier(struct sources *s, struct error **err)
{
	for (int left = BARRIER_TRIES;; left--) {
		_cleanup_error_ struct error *mine = NULL;
		int r = drain_once(s, &mine);

		if (!guest_is_lost(r) || left <= 1 ||
		    cancel_sleep(s->p.host->cancel, BARRIER_RETRY_MS, NULL) < 0) {
			error_keep_first(err, &mine);
			return r;
		}
	}
}
