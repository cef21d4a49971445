#include "qemu/instant.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
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

/* ---- placing nodes ---- */

static struct json_object *drive_args(const char *qom_path, const char *node)
{
	struct json_object *args = json_new_str("path", qom_path);

	json_put_str(args, "property", "drive");
	return json_put_str(args, "value", node);
}

static int set_drive(struct qmp *q, const char *qom_path, const char *node, struct error **err)
{
	return qmp_execute(q, "qom-set", drive_args(qom_path, node), NULL, err);
}

/* Takes ownership of options. */
static int reopen_node(struct qmp *q, struct json_object *options, struct error **err)
{
	struct json_object *list = json_append(json_new_array(), options);
	struct json_object *args = json_new_obj();

	return qmp_execute(q, "blockdev-reopen", json_put_obj(args, "options", list), NULL, err);
}

static struct json_object *throttle_over(const struct graph_disk *d, const char *node)
{
	return json_put_str(json_copy(d->throttle_options), "file", node);
}

int graph_place(struct qmp *q, const struct graph_disk *d, const char *node, struct error **err)
{
	return d->throttle ? reopen_node(q, throttle_over(d, node), err)
			   : set_drive(q, d->qom_path, node, err);
}

/* ---- inserting all filters ---- */

/* The commands for all disks; one for all that have a throttle filter, then one for each of the others. */
struct placing {
	const struct graph_insertion *items;
	size_t n;
	struct qmp_command *commands;
	size_t n_commands;
	size_t *command_of; /* for each item */
};

static void placing_clear(struct placing *p)
{
	qmp_commands_clear(p->commands, p->n_commands);
	free(p->commands);
	free(p->command_of);
}

static size_t add_command(struct placing *p, const char *name, struct json_object *args)
{
	p->commands[p->n_commands] = (struct qmp_command){ .name = name, .args = args };
	return p->n_commands++;
}

static const char *node_for(const struct graph_insertion *item, bool filter)
{
	return filter ? item->names->cbw : item->disk->node;
}

/* only: the items that are meant; NULL: all. */
static void placing_init(struct placing *p, const struct graph_insertion *items, size_t n, bool filter,
			 const bool *only)
{
	struct json_object *list = NULL;
	size_t reopen = 0;

	*p = (struct placing){ .items = items, .n = n };
	p->commands = xcalloc(n, sizeof(*p->commands));
	p->command_of = xcalloc(n, sizeof(*p->command_of));
	for (size_t i = 0; i < n; i++) {
		const struct graph_disk *d = items[i].disk;

		if (only && !only[i])
			continue;
		if (d->throttle && !list) {
			list = json_new_array();
			reopen = add_command(p, "blockdev-reopen",
					     json_put_obj(json_new_obj(), "options", list));
		}
		if (d->throttle)
			json_append(list, throttle_over(d, node_for(&items[i], filter)));
		p->command_of[i] =
			d->throttle ? reopen
				    : add_command(p, "qom-set",
						  drive_args(d->qom_path, node_for(&items[i], filter)));
	}
}

static int placing_run(struct qmp *q, struct placing *p, bool pause, uint64_t *ret_ns, struct error **err)
{
	*ret_ns = 0;
	return pause ? graph_execute_in_pause(q, p->commands, p->n_commands, ret_ns, err)
		     : qmp_execute_together(q, p->commands, p->n_commands, err);
}

/* The error of the first disk whose filter is not in. */
static int placing_error(struct placing *p, struct error **err)
{
	for (size_t i = 0; i < p->n; i++) {
		struct qmp_command *c = &p->commands[p->command_of[i]];

		if (c->r == 0)
			continue;
		error_keep_first(err, &c->err);
		return error_wrap(err, c->r, "inserting the filter for %s", p->items[i].disk->key);
	}
	return 0;
}

/* Those that are in, see graph_place(). */
static void take_back(struct qmp *q, const struct placing *p, bool pause)
{
	_cleanup_free_ bool *placed = xcalloc(p->n, sizeof(*placed));
	_cleanup_(placing_clear) struct placing back = { 0 };
	bool any = false;
	uint64_t ns;

	for (size_t i = 0; i < p->n; i++) {
		placed[i] = p->commands[p->command_of[i]].r == 0;
		any |= placed[i];
	}
	placing_init(&back, p->items, p->n, false, placed);
	if (any)
		(void)placing_run(q, &back, pause, &ns, NULL);
}

/*
 * blockdev-reopen drains all its nodes before it changes the first, and lets them go after the last: what the
 * guest had written to any of them is in all snapshots, and nothing that it writes later.  So disks that have
 * a throttle filter need no pause.
 */
static int needs_pause(struct qmp *q, const struct graph_insertion *items, size_t n, size_t commands,
		       bool *ret, struct error **err)
{
	*ret = commands > 1;
	for (size_t i = 0; i < n; i++)
		if (type_needs_pause(items[i].disk->qom_type))
			*ret = true;
	return *ret ? 0 : graph_pause_is_needed(q, ret, err);
}

static int insert_all(struct qmp *q, const struct graph_insertion *items, size_t n,
		      struct graph_instant *instant, struct error **err)
{
	_cleanup_(placing_clear) struct placing p = { 0 };
	_cleanup_error_ struct error *mine = NULL;
	bool pause;
	int r, placed;

	placing_init(&p, items, n, true, NULL);
	r = needs_pause(q, items, n, p.n_commands, &pause, err);
	if (r < 0)
		return r;
	r = placing_run(q, &p, pause, &instant->paused_ns, err);
	instant->paused = instant->paused_ns > 0;
	placed = r == 0 || r == ERR_PEER ? placing_error(&p, &mine) : 0;
	if (r < 0 || placed < 0)
		take_back(q, &p, pause);
	error_keep_first(err, &mine);
	return r < 0 ? r : placed;
}

int graph_insert(struct qmp *q, const struct graph_insertion *items, size_t n, struct graph_instant *ret,
		 struct error **err)
{
	struct graph_instant instant = { 0 };
	const struct cancel *cancel;
	int r;

	for (size_t i = 0; i < n; i++)
		graph_write_out(items[i].disk->filename);
	/* all or nothing: a request to stop takes effect afterwards */
	cancel = qmp_set_cancel(q, NULL);
	r = insert_all(q, items, n, &instant, err);
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

/*
 * False if others have given the device another node since the graph was looked at: QEMU dies or hangs of a
 * `qom-set` to the node that it has already.  A backend with a name does not tell its node.
 */
static bool is_still_on(struct qmp *q, struct json_object *device, const char *path, const char *filter)
{
	const char *backend = json_get_str(device, "device");
	_cleanup_free_ char *node = NULL;

	if (backend && *backend)
		return true;
	node = graph_qom_string(q, path, "drive");
	return !node || !strcmp(node, filter);
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
	if (r == 0 && is_still_on(q, device, path, filter))
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

	return node ? remove_filter(q, g, filter, node, err) : 0;
}
