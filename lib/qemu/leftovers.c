#include "qemu/leftovers.h"

#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/detached.h"
#include "qemu/disk.h"
#include "qemu/filter-users.h"
#include "qemu/guard.h"
#include "qemu/instant.h"
#include "qemu/names.h"
#include "qemu/nodes.h"
#include "qemu/pause.h"
#include "qemu/server.h"
#include "qemu/throttle.h"
#include "qemu/vcpus.h"

enum {
	MAX_PASSES = 8, /* nodes are deleted from the top down, one layer per pass */
};

/* ---- lists of names ---- */

/* The names of our nodes that end with suffix. */
static char **our_nodes(const struct blockgraph *g, const char *suffix)
{
	char **names = NULL;

	for (size_t i = 0; i < json_array_len(g->nodes); i++) {
		const char *name = json_get_str(json_array_at(g->nodes, i), "node-name");

		if (graph_is_ours(name) && str_suffix(name, suffix))
			strv_add(&names, name);
	}
	return names;
}

/* Calls fn for each bitmap of ours until it returns a value other than 0, which is returned. */
static int each_bitmap(const struct blockgraph *g,
		       int (*fn)(void *opaque, const char *node, const char *bitmap), void *opaque)
{
	for (size_t i = 0; i < json_array_len(g->nodes); i++) {
		struct json_object *node = json_array_at(g->nodes, i);
		struct json_object *bitmaps = json_get_array(node, "dirty-bitmaps");
		const char *node_name = json_get_str(node, "node-name");

		for (size_t j = 0; node_name && j < json_array_len(bitmaps); j++) {
			const char *name = json_get_str(json_array_at(bitmaps, j), "name");
			int r = graph_is_ours(name) ? fn(opaque, node_name, name) : 0;

			if (r)
				return r;
		}
	}
	return 0;
}

static int found_bitmap(void *opaque, const char *node, const char *bitmap)
{
	(void)opaque;
	(void)node;
	(void)bitmap;
	return 1;
}

static bool has_any(const struct blockgraph *g)
{
	_cleanup_strv_ char **nodes = our_nodes(g, "");

	return nodes || each_bitmap(g, found_bitmap, NULL);
}

int graph_has_leftovers(struct qmp *q, bool *ret, struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	_cleanup_strv_ char **exports = NULL;
	_cleanup_strv_ char **groups = NULL;
	int r = graph_list_exports(q, &exports, err);

	if (r == 0)
		r = graph_our_groups(q, &groups, err);
	if (r == 0)
		r = blockgraph_load(q, &g, err);
	if (r == 0)
		*ret = exports || groups || has_any(&g);
	return r;
}

/* ---- cleanup ---- */

struct cleanup {
	struct qmp *q;
	const struct log *log;
	struct error **err; /* first error of all */
	int result;
	bool lost;           /* QEMU does not answer any more, so going on is useless */
	struct blockgraph g; /* as it was when look() was called last */
};

/* Keeps the first error for the caller and logs the others.  Decides whether QEMU still answers. */
static void note_error(struct cleanup *c, int r, struct error **e)
{
	if (r >= 0)
		return;
	if (r != ERR_PEER && r != ERR_INVALID && r != ERR_UNSUPPORTED)
		c->lost = true;
	if (c->result != 0)
		log_warn(c->log, "cleaning up QEMU's block graph: %s", error_message(*e));
	else
		c->result = r;
	error_keep_first(c->err, e);
	*e = NULL;
}

static void look(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;

	blockgraph_clear(&c->g);
	note_error(c, blockgraph_load(c->q, &c->g, &e), &e);
}

static void resume_guest(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;
	bool resumed = false;
	const int r = vcpus_resume(c->q, &resumed, &e);

	if (resumed)
		log_info(c->log, "resuming the guest that an earlier backup left stopped");
	note_error(c, r, &e);
}

static void drop_exports(struct cleanup *c, char *const *exports)
{
	_cleanup_error_ struct error *e = NULL;

	note_error(c, graph_del_exports(c->q, exports, &e), &e);
}

/*
 * If the server has exports and all of them are ours, it is ours too, even if the journal does not list it.
 */
static bool serves_only_ours(struct cleanup *c)
{
	_cleanup_json_ struct json_object *exports = NULL;
	_cleanup_error_ struct error *e = NULL;
	bool any = false;

	note_error(c, qmp_execute(c->q, "query-block-exports", NULL, &exports, &e), &e);
	for (size_t i = 0; i < json_array_len(exports); i++) {
		struct json_object *o = json_array_at(exports, i);

		if (!str_equal_null(json_get_str(o, "type"), "nbd"))
			continue;
		if (!graph_is_ours(json_get_str(o, "id")))
			return false;
		any = true;
	}
	return any;
}

static void stop_server(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;

	note_error(c, graph_server_stop(c->q, &e), &e);
}

static void end_guard_jobs(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;

	note_error(c, graph_end_guard_jobs(c->q, &e), &e);
}

/* Deletes our nodes that nothing uses in c->g, and returns their number. */
static int drop_unused(struct cleanup *c)
{
	_cleanup_strv_ char **names = our_nodes(&c->g, "");
	int deleted = 0;

	for (char **name = names; name && *name && !c->lost; name++) {
		_cleanup_error_ struct error *e = NULL;
		int r;

		if (blockgraph_has_parent(&c->g, *name))
			continue;
		r = graph_del_node(c->q, *name, &e);
		note_error(c, r, &e);
		if (r == 0)
			deleted++;
	}
	return deleted;
}

/* refusals: one for each filter, NULL if it was taken out.  Another user of a filter explains more. */
static void note_refusals(struct cleanup *c, char *const *filters, struct error **refusals)
{
	for (size_t i = 0; filters && filters[i] && !c->lost; i++) {
		_cleanup_error_ struct error *why = NULL;
		int r = graph_check_filter_users(c->q, &c->g, filters[i], &why);

		if (r < 0)
			note_error(c, r, &why);
		else if (refusals[i])
			note_error(c, refusals[i]->code, &refusals[i]);
	}
}

static void take_filters_out(struct cleanup *c)
{
	_cleanup_strv_ char **filters = our_nodes(&c->g, "-cbw");
	const size_t n = strv_len(filters);
	_cleanup_free_ struct error **refusals = xcalloc(n, sizeof(struct error *));

	for (size_t i = 0; i < n && !c->lost; i++) {
		int r = graph_remove(c->q, &c->g, filters[i], &refusals[i]);

		if (r != ERR_PEER)
			note_error(c, r, &refusals[i]);
	}
	if (!c->lost)
		look(c);
	note_refusals(c, filters, refusals);
	for (size_t i = 0; i < n; i++)
		error_free(refusals[i]);
}

/* One layer per pass.  At the end c->g is without them. */
static void drop_nodes(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;
	_cleanup_strv_ char **left = NULL;

	for (int i = 0; i < MAX_PASSES && !c->lost && drop_unused(c); i++)
		look(c);
	left = our_nodes(&c->g, "");
	if (left && !c->lost && c->result == 0)
		note_error(c, error_set(&e, ERR_PEER, "a node of a backup is still in use"), &e);
}

/* Once their nodes are gone. */
static void drop_groups(struct cleanup *c)
{
	_cleanup_strv_ char **groups = NULL;
	_cleanup_error_ struct error *e = NULL;

	note_error(c, graph_our_groups(c->q, &groups, &e), &e);
	for (char **group = groups; group && *group && !c->lost; group++)
		note_error(c, graph_del_group(c->q, *group, &e), &e);
}

static int drop_bitmap(void *opaque, const char *node, const char *bitmap)
{
	struct cleanup *c = opaque;
	_cleanup_error_ struct error *e = NULL;
	struct json_object *args = json_new_str("node", node);
	int r;

	r = qmp_execute(c->q, "block-dirty-bitmap-remove", json_put_str(args, "name", bitmap), NULL, &e);
	note_error(c, r, &e);
	return c->lost;
}

static void drop_detached(struct cleanup *c, char *const *names)
{
	_cleanup_error_ struct error *e = NULL;

	note_error(c, graph_del_unused(c->q, &c->g, names, &e), &e);
}

/* The guards and snapshots first, which nothing uses: what is under the guest shows only then. */
static void remove_nodes(struct cleanup *c)
{
	end_guard_jobs(c);
	if (!c->lost)
		drop_unused(c);
	if (!c->lost)
		look(c);
	if (!c->lost)
		take_filters_out(c);
	if (!c->lost)
		drop_nodes(c);
	if (!c->lost)
		(void)each_bitmap(&c->g, drop_bitmap, c);
}

/* Which can take seconds; so it comes before the look at the graph by which the filters are taken out. */
static void write_out_disks(struct cleanup *c)
{
	_cleanup_strv_ char **filters = our_nodes(&c->g, "-cbw");

	for (char **filter = filters; filter && *filter; filter++) {
		const char *node = blockgraph_child(&c->g, *filter, "file");

		graph_write_out(node ? graph_filename(&c->g, node) : NULL);
	}
}

/* One pause around all steps, if each of them needs one. */
static void remove_paused(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;
	struct graph_pause pause;

	note_error(c, graph_pause_if_needed(c->q, &pause, &e), &e);
	remove_nodes(c);
	note_error(c, graph_pause_end(c->q, &pause, &e), &e);
}

/* Not in a pause, see graph_del_exports(). */
static void remove_exports(struct cleanup *c, unsigned ours, char *const *exports)
{
	if (serves_only_ours(c))
		ours |= GRAPH_OURS_SERVER;
	if (!c->lost)
		drop_exports(c, exports);
	if (!c->lost && (ours & GRAPH_OURS_SERVER))
		stop_server(c);
}

static void remove_graph(struct cleanup *c)
{
	/* what libvirt has made for disks that we filter; it may have detached them since */
	_cleanup_strv_ char **below = graph_below_filters(&c->g);

	write_out_disks(c);
	remove_paused(c);
	/* nothing of the guest's needs it stopped for these */
	if (!c->lost)
		drop_detached(c, below);
}

int graph_cleanup(struct qmp *q, unsigned ours, const struct log *log, struct error **err)
{
	struct cleanup c = { .q = q, .log = log, .err = err };
	_cleanup_error_ struct error *e = NULL;
	_cleanup_strv_ char **exports = NULL;

	note_error(&c, graph_list_exports(q, &exports, &e), &e);
	if (!c.lost && (exports || (ours & GRAPH_OURS_SERVER)))
		remove_exports(&c, ours, exports);
	/* an export uses its node, so what nothing uses shows only now */
	if (!c.lost)
		look(&c);
	if (!c.lost && has_any(&c.g))
		remove_graph(&c);
	if (!c.lost)
		drop_groups(&c);
	if (!c.lost && (ours & GRAPH_OURS_PAUSED))
		resume_guest(&c);
	blockgraph_clear(&c.g);
	return c.result;
}
