/* The instant: filters go in under the guest, and out again. */
#include <fcntl.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "qemu/internal.h"

bool graph_type_needs_stop(const char *qom_type)
{
	return qom_type && str_prefix(qom_type, "ide-", NULL);
}

void graph_write_out(const char *filename)
{
	_cleanup_close_ int fd = -1;

	if (!filename || *filename != '/')
		return;
	fd = open(filename, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		(void)fdatasync(fd);
}

/* ---- one filter ---- */

static int set_drive(struct qmp *q, const char *qom_path, const char *node, struct error **err)
{
	struct json_object *args = json_new_str("path", qom_path);

	json_put_str(args, "property", "drive");
	json_put_str(args, "value", node);
	return qmp_execute(q, "qom-set", args, NULL, err);
}

/* Takes options over. */
static int reopen(struct qmp *q, struct json_object *options, struct error **err)
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
	return reopen(q, json_put_str(options, "file", node), err);
}

/* ---- all of them ---- */

static int needs_stop(struct qmp *q, const struct graph_insertion *items, size_t n, bool *ret,
		      struct error **err)
{
	*ret = n > 1;
	for (size_t i = 0; i < n; i++)
		if (graph_type_needs_stop(items[i].disk->qom_type))
			*ret = true;
	return *ret ? 0 : graph_is_delicate(q, ret, err);
}

static void take_back(struct qmp *q, const struct graph_insertion *items, size_t n)
{
	while (n-- > 0)
		(void)graph_place(q, items[n].disk, items[n].disk->node, NULL);
}

static int place_all(struct qmp *q, const struct graph_insertion *items, size_t n, struct error **err)
{
	for (size_t i = 0; i < n; i++) {
		int r = graph_place(q, items[i].disk, items[i].names->cbw, err);

		if (r < 0) {
			take_back(q, items, i);
			return error_wrap(err, r, "inserting the filter for %s", items[i].disk->key);
		}
	}
	return 0;
}

static int insert_stopped(struct qmp *q, const struct graph_insertion *items, size_t n,
			  struct graph_instant *instant, struct error **err)
{
	_cleanup_error_ struct error *cont_err = NULL;
	struct graph_pause pause;
	int r, rc;

	r = graph_pause_begin(q, &pause, err);
	instant->stopped = pause.ours;
	if (r == 0)
		r = place_all(q, items, n, err);
	rc = graph_pause_end(q, &pause, &instant->stopped_ns, &cont_err);
	if (r == 0 && rc < 0)
		take_back(q, items, n);
	if (r < 0 || rc == 0)
		return r;
	error_keep_first(err, &cont_err);
	return rc;
}

int graph_insert(struct qmp *q, const struct graph_insertion *items, size_t n, struct graph_instant *ret,
		 struct error **err)
{
	struct graph_instant instant = { 0 };
	const struct cancel *cancel;
	bool stop;
	int r;

	for (size_t i = 0; i < n; i++)
		graph_write_out(items[i].disk->filename);
	/* All or nothing: a request to stop is seen when it is done. */
	cancel = qmp_set_cancel(q, NULL);
	r = needs_stop(q, items, n, &stop, err);
	if (r == 0 && stop)
		r = insert_stopped(q, items, n, &instant, err);
	else if (r == 0)
		r = place_all(q, items, n, err);
	qmp_set_cancel(q, cancel);
	if (ret)
		*ret = instant;
	return r;
}

/* ---- and out ---- */

static int remove_from_device(struct qmp *q, struct json_object *device, const char *node, struct error **err)
{
	_cleanup_free_ char *path = graph_qom_path(device);
	_cleanup_free_ char *type = graph_qom_string(q, path, "type");
	struct graph_pause pause = { 0 };
	int r;

	if (graph_type_needs_stop(type))
		r = graph_pause_begin(q, &pause, err);
	else
		r = graph_quiet_begin(q, &pause, err);
	if (r == 0)
		r = set_drive(q, path, node, err);
	return graph_quiet_end(q, &pause, r, err);
}

static int remove_from_throttle(struct qmp *q, const struct view *v, const char *throttle, const char *node,
				struct error **err)
{
	struct json_object *options;
	struct graph_pause pause;
	int r;

	r = graph_throttle_options(v, throttle, node, &options, err);
	if (r < 0)
		return r;
	r = graph_quiet_begin(q, &pause, err);
	if (r == 0)
		r = reopen(q, options, err);
	else
		json_object_put(options);
	return graph_quiet_end(q, &pause, r, err);
}

static int take_out(struct qmp *q, const struct view *v, const char *filter, struct error **err)
{
	const char *node = view_child(v, filter, "file");
	struct json_object *device = view_device_of(v, filter);
	const struct view_edge *edge = view_parent_node(v, filter, "file");

	if (device)
		return remove_from_device(q, device, node, err);
	if (edge && !strcmp(view_driver(v, edge->parent), "throttle"))
		return remove_from_throttle(q, v, edge->parent, node, err);
	return 0;
}

int graph_remove(struct qmp *q, const struct graph_names *n, struct error **err)
{
	_cleanup_error_ struct error *no = NULL;
	_cleanup_view_ struct view v = { 0 };
	const char *node;
	int r;

	r = view_load(q, &v, err);
	if (r < 0)
		return r;
	node = view_child(&v, n->cbw, "file");
	if (!node)
		return 0;
	graph_write_out(graph_filename(&v, node));
	r = take_out(q, &v, n->cbw, &no);
	/* who holds it says more than QEMU's no */
	if (r == 0 || r == ERR_PEER) {
		int held = graph_pinned(q, n->cbw, err);

		if (held < 0)
			return held;
	}
	error_keep_first(err, &no);
	return r;
}
