#include "qemu/instant.h"

#include <string.h>
#include <unistd.h>

#include "base/strv.h"
#include "qemu/blockgraph.h"
#include "qemu/pause.h"

enum {
	UNPLUG_MS = 2000,
	POLL_MS = 20,
};

/* IDE and SATA: a TRIM of the guest while the graph changes can make QEMU hang. */
static bool type_needs_pause(const char *qom_type)
{
	return qom_type && str_prefix(qom_type, "ide-", NULL);
}

/*
 * `qom-set drive` to a node of another AioContext aborts QEMU before 10.1 (and before the stable releases
 * that have the fix).  That cannot happen here: the filter is opened above the disk's own node and so has the
 * same context, whichever iothread that is.  So no version is refused for it.  pause.h explains what the old
 * AioContext locks require.
 */
int graph_check_insert(const struct qemu_features *f, const struct graph_disk *d, struct error **err)
{
	if (d->throttle && !f->blockdev_reopen)
		return error_set(err, ERR_UNSUPPORTED,
				 "%s: QEMU %d.%d.%d cannot put a filter below the throttle filter "
				 "'%s' (blockdev-reopen is there since 6.1)",
				 d->key, f->major, f->minor, f->micro, d->throttle);
	if (graph_iothread_crashes(f, d))
		return error_set(err, ERR_UNSUPPORTED,
				 "%s: QEMU %d.%d.%d can crash when a SCSI disk with an iothread is "
				 "read through an export; use QEMU 9.0 or later, take the iothread "
				 "away, or use mode 'stop'",
				 d->key, f->major, f->minor, f->micro);
	return 0;
}

/* ---- placing one node ---- */

static int set_drive(struct qmp *q, const char *qom_path, const char *node, struct error **err)
{
	struct json_object *args = json_new_str("path", qom_path);

	json_put_str(args, "property", "drive");
	json_put_str(args, "value", node);
	return qmp_execute(q, "qom-set", args, NULL, err);
}

/* Takes ownership of options. */
static int reopen_node(struct qmp *q, struct json_object *options, struct error **err)
{
	struct json_object *list = json_append(json_new_array(), options);
	struct json_object *args = json_new_obj();

	return qmp_execute(q, "blockdev-reopen", json_put_obj(args, "options", list), NULL, err);
}

int graph_place(struct qmp *q, const struct graph_disk *d, const char *node, struct error **err)
{
	struct json_object *options;

	if (!d->throttle)
		return set_drive(q, d->qom_path, node, err);
	options = json_copy(d->throttle_options);
	return reopen_node(q, json_put_str(options, "file", node), err);
}

/* ---- inserting all filters ---- */

static int needs_pause(struct qmp *q, const struct graph_insertion *items, size_t n, bool *ret,
		       struct error **err)
{
	*ret = n > 1;
	for (size_t i = 0; i < n; i++)
		if (type_needs_pause(items[i].disk->qom_type))
			*ret = true;
	return *ret ? 0 : graph_pause_is_needed(q, ret, err);
}

static void remove_placed(struct qmp *q, const struct graph_insertion *items, size_t n)
{
	while (n-- > 0)
		(void)graph_place(q, items[n].disk, items[n].disk->node, NULL);
}

static int place_all(struct qmp *q, const struct graph_insertion *items, size_t n, struct error **err)
{
	for (size_t i = 0; i < n; i++) {
		int r = graph_place(q, items[i].disk, items[i].names->cbw, err);

		if (r < 0) {
			remove_placed(q, items, i);
			return error_wrap(err, r, "inserting the filter for %s", items[i].disk->key);
		}
	}
	return 0;
}

static int insert_paused(struct qmp *q, const struct graph_insertion *items, size_t n,
			 struct graph_instant *instant, struct error **err)
{
	_cleanup_error_ struct error *cont_err = NULL;
	struct graph_pause pause;
	int r, end;

	r = graph_pause_begin(q, &pause, err);
	instant->paused = pause.ours;
	if (r == 0)
		r = place_all(q, items, n, err);
	end = graph_pause_end(q, &pause, &instant->paused_ns, &cont_err);
	if (r == 0 && end < 0)
		remove_placed(q, items, n);
	if (r < 0 || end == 0)
		return r;
	error_keep_first(err, &cont_err);
	return end;
}

int graph_insert(struct qmp *q, const struct graph_insertion *items, size_t n, struct graph_instant *ret,
		 struct error **err)
{
	struct graph_instant instant = { 0 };
	const struct cancel *cancel;
	bool needed;
	int r;

	for (size_t i = 0; i < n; i++)
		graph_write_out(items[i].disk->filename);
	/* all or nothing: a request to stop takes effect afterwards */
	cancel = qmp_set_cancel(q, NULL);
	r = needs_pause(q, items, n, &needed, err);
	if (r == 0 && needed)
		r = insert_paused(q, items, n, &instant, err);
	else if (r == 0)
		r = place_all(q, items, n, err);
	qmp_set_cancel(q, cancel);
	if (ret)
		*ret = instant;
	return r;
}

/* ---- removing a filter ---- */

/*
 * A disk that is unplugged loses its path before it leaves its node, up to some milliseconds later.  Returns
 * whether the device of that path has gone, and the filter with it is nobody's.
 */
static bool is_unplugged(struct qmp *q, const char *path, const char *filter)
{
	for (int ms = 0; ms < UNPLUG_MS; ms += POLL_MS) {
		_cleanup_free_ char *type = graph_qom_string(q, path, "type");
		_cleanup_blockgraph_ struct blockgraph g = { 0 };

		if (type || blockgraph_load(q, &g, NULL) < 0)
			return false;
		if (!blockgraph_device_of(&g, filter))
			return true;
		usleep(POLL_MS * 1000);
	}
	return false;
}

static int remove_from_device(struct qmp *q, struct json_object *device, const char *filter, const char *node,
			      struct error **err)
{
	_cleanup_free_ char *path = graph_qom_path(device);
	_cleanup_free_ char *type = graph_qom_string(q, path, "type");
	_cleanup_error_ struct error *no = NULL;
	struct graph_pause pause = { 0 };
	int r;

	if (type_needs_pause(type))
		r = graph_pause_begin(q, &pause, err);
	else
		r = graph_pause_if_needed(q, &pause, err);
	if (r == 0)
		r = set_drive(q, path, node, &no);
	if (r == ERR_PEER && no && is_unplugged(q, path, filter))
		r = 0;
	else
		error_keep_first(err, &no);
	return graph_pause_end_after(q, &pause, r, err);
}

static int remove_from_throttle(struct qmp *q, const struct blockgraph *g, const char *throttle,
				const char *node, struct error **err)
{
	struct json_object *options;
	struct graph_pause pause;
	int r;

	r = graph_throttle_options(g, throttle, node, &options, err);
	if (r < 0)
		return r;
	r = graph_pause_if_needed(q, &pause, err);
	if (r == 0)
		r = reopen_node(q, options, err);
	else
		json_object_put(options);
	return graph_pause_end_after(q, &pause, r, err);
}

static int remove_filter(struct qmp *q, const struct blockgraph *g, const char *filter, const char *node,
			 struct error **err)
{
	struct json_object *device = blockgraph_device_of(g, filter);
	const struct blockgraph_edge *edge = blockgraph_parent_node(g, filter, "file");

	if (device)
		return remove_from_device(q, device, filter, node, err);
	if (edge && !strcmp(blockgraph_driver(g, edge->parent), "throttle"))
		return remove_from_throttle(q, g, edge->parent, node, err);
	return 0;
}

int graph_remove(struct qmp *q, const struct blockgraph *g, const char *filter, struct error **err)
{
	const char *node = blockgraph_child(g, filter, "file");

	if (!node)
		return 0;
	graph_write_out(graph_filename(g, node));
	return remove_filter(q, g, filter, node, err);
}
