#include "qemu/leftovers.h"

#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/detached.h"
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

static int our_exports(struct qmp *q, char ***ret, struct error **err)
{
	_cleanup_json_ struct json_object *exports = NULL;
	int r;

	r = qmp_execute(q, "query-block-exports", NULL, &exports, err);
	for (size_t i = 0; i < json_array_len(exports); i++) {
		const char *id = json_get_str(json_array_at(exports, i), "id");

		if (graph_is_ours(id))
			strv_add(ret, id);
	}
	return r;
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

int graph_has_leftovers(struct qmp *q, bool *ret, struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	_cleanup_strv_ char **exports = NULL;
	_cleanup_strv_ char **groups = NULL;
	_cleanup_strv_ char **nodes = NULL;
	int r;

	r = our_exports(q, &exports, err);
	if (r == 0)
		r = graph_our_groups(q, &groups, err);
	if (r == 0)
		r = blockgraph_load(q, &g, err);
	if (r < 0)
		return r;
	nodes = our_nodes(&g, "");
	*ret = exports || groups || nodes || each_bitmap(&g, found_bitmap, NULL);
	return 0;
}

/* ---- cleanup ---- */

struct cleanup {
	struct qmp *q;
	const struct log *log;
	struct error **err; /* first error of all */
	int result;
	bool lost; /* QEMU does not answer any more, so going on is useless */
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

/* The key of a disk from a name: "scsi0" of "vzdump-scsi0-cbw". */
static char *key_of(const char *name, const char *suffix)
{
	size_t len = strlen(name) - strlen(GRAPH_PREFIX);

	if (str_suffix(name, suffix))
		len -= strlen(suffix);
	return xstrndup(name + strlen(GRAPH_PREFIX), len);
}

/* Calls undo once for each name, with all names of the disk that the name belongs to. */
static void undo_each(struct cleanup *c, char *const *names, const char *suffix,
		      int (*undo)(struct qmp *, const struct graph_names *, struct error **))
{
	for (; names && *names && !c->lost; names++) {
		_cleanup_free_ char *key = key_of(*names, suffix);
		_cleanup_error_ struct error *e = NULL;
		struct graph_names n;
		int r;

		r = graph_names_init(&n, key, &e);
		if (r == 0)
			r = undo(c->q, &n, &e);
		note_error(c, r, &e);
	}
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

static void drop_exports(struct cleanup *c)
{
	_cleanup_strv_ char **exports = NULL;
	_cleanup_error_ struct error *e = NULL;

	note_error(c, our_exports(c->q, &exports, &e), &e);
	undo_each(c, exports, "", graph_del_export);
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

static void undo_nodes(struct cleanup *c, const char *suffix,
		       int (*undo)(struct qmp *, const struct graph_names *, struct error **))
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	_cleanup_error_ struct error *e = NULL;
	_cleanup_strv_ char **names = NULL;

	note_error(c, blockgraph_load(c->q, &g, &e), &e);
	names = our_nodes(&g, suffix);
	undo_each(c, names, suffix, undo);
}

static int del_node(struct cleanup *c, const char *name)
{
	_cleanup_error_ struct error *e = NULL;
	int r;

	r = qmp_execute(c->q, "blockdev-del", json_new_str("node-name", name), NULL, &e);
	note_error(c, r, &e);
	return r;
}

/* Deletes our nodes that nothing uses, and returns their number.  *ret_left: there were nodes of ours. */
static int drop_unused(struct cleanup *c, bool *ret_left)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	_cleanup_error_ struct error *e = NULL;
	_cleanup_strv_ char **names = NULL;
	int deleted = 0;

	note_error(c, blockgraph_load(c->q, &g, &e), &e);
	names = our_nodes(&g, "");
	*ret_left = names != NULL;
	for (char **name = names; name && *name && !c->lost; name++)
		if (!blockgraph_has_parent(&g, *name) && del_node(c, *name) == 0)
			deleted++;
	return deleted;
}

static void drop_nodes(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;
	bool left = true;

	for (int i = 0; i < MAX_PASSES && left && !c->lost; i++)
		if (drop_unused(c, &left) == 0)
			break;
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

static void drop_bitmaps(struct cleanup *c)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	_cleanup_error_ struct error *e = NULL;

	note_error(c, blockgraph_load(c->q, &g, &e), &e);
	(void)each_bitmap(&g, drop_bitmap, c);
}

/* What libvirt has made for disks that we filter; it may have detached them since. */
static char **find_below_filters(struct cleanup *c)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	_cleanup_error_ struct error *e = NULL;

	note_error(c, blockgraph_load(c->q, &g, &e), &e);
	return graph_below_filters(&g);
}

static void drop_detached(struct cleanup *c, char *const *names)
{
	_cleanup_error_ struct error *e = NULL;

	note_error(c, graph_del_unused(c->q, names, &e), &e);
}

static void remove_nodes(struct cleanup *c)
{
	static const char *const guards[] = { "-guard-top", "-guard", "-guard-job", "-guard-sink" };

	for (size_t i = 0; i < ARRAY_SIZE(guards) && !c->lost; i++)
		undo_nodes(c, guards[i], graph_del_guard);
	if (!c->lost)
		undo_nodes(c, "-snap", graph_del_snapshot);
	if (!c->lost)
		undo_nodes(c, "-cbw", graph_remove);
	if (!c->lost)
		drop_nodes(c);
	if (!c->lost)
		drop_bitmaps(c);
}

/* One pause around all steps, if each of them needs one. */
static void remove_paused(struct cleanup *c)
{
	_cleanup_error_ struct error *e = NULL;
	struct graph_pause pause;

	note_error(c, graph_pause_if_needed(c->q, &pause, &e), &e);
	remove_nodes(c);
	note_error(c, graph_pause_end(c->q, &pause, NULL, &e), &e);
}

/* Exports come first and not in a pause, see graph_del_export(). */
static void remove_all(struct cleanup *c, unsigned ours)
{
	_cleanup_strv_ char **below = find_below_filters(c);

	if (serves_only_ours(c))
		ours |= GRAPH_OURS_SERVER;
	if (!c->lost)
		drop_exports(c);
	if (!c->lost && (ours & GRAPH_OURS_SERVER))
		stop_server(c);
	if (!c->lost)
		remove_paused(c);
	/* nothing of the guest's needs it stopped for these */
	if (!c->lost)
		drop_groups(c);
	if (!c->lost)
		drop_detached(c, below);
}

int graph_cleanup(struct qmp *q, unsigned ours, const struct log *log, struct error **err)
{
	struct cleanup c = { .q = q, .log = log, .err = err };
	bool anything = true;

	if (!(ours & GRAPH_OURS_SERVER))
		(void)graph_has_leftovers(q, &anything, NULL);
	if (anything)
		remove_all(&c, ours);
	if (!c.lost && (ours & GRAPH_OURS_PAUSED))
		resume_guest(&c);
	return c.result;
}
