#include "qemu/blockgraph.h"

#include "base/mem.h"

void blockgraph_clear(struct blockgraph *g)
{
	json_object_put(g->nodes);
	json_object_put(g->devices);
	json_object_put(g->debug);
	free(g->edges);
	*g = (struct blockgraph){ 0 };
}

static void add_edge(struct blockgraph *g, struct blockgraph_edge e)
{
	if (!e.parent || !e.name || !e.child)
		return;
	g->edges = xreallocarray(g->edges, g->n_edges + 1, sizeof(*g->edges));
	g->edges[g->n_edges++] = e;
}

/* The entry of the debug graph with that id. */
static struct json_object *debug_node(struct json_object *nodes, struct json_object *edge, const char *key)
{
	uint64_t want, id;

	if (!json_get_u64(edge, key, &want))
		return NULL;
	for (size_t i = 0; i < json_array_len(nodes); i++) {
		struct json_object *node = json_array_at(nodes, i);

		if (json_get_u64(node, "id", &id) && id == want)
			return node;
	}
	return NULL;
}

static void edges_from_debug(struct blockgraph *g)
{
	struct json_object *edges = json_get_array(g->debug, "edges");
	struct json_object *nodes = json_get_array(g->debug, "nodes");

	for (size_t i = 0; i < json_array_len(edges); i++) {
		struct json_object *edge = json_array_at(edges, i);
		struct json_object *parent = debug_node(nodes, edge, "parent");
		struct json_object *child = debug_node(nodes, edge, "child");
		const char *type = json_get_str(parent, "type");

		add_edge(g, (struct blockgraph_edge){
				    .parent = json_get_str(parent, "name"),
				    .parent_is_node = type && !strcmp(type, "block-driver"),
				    .name = json_get_str(edge, "name"),
				    .child = json_get_str(child, "name"),
			    });
	}
}

/* Newer QEMU lists the children of each node; then only the devices' edges are missing. */
static void edges_from_children(struct blockgraph *g)
{
	for (size_t i = 0; i < json_array_len(g->nodes); i++) {
		struct json_object *node = json_array_at(g->nodes, i);
		struct json_object *children = json_get_array(node, "children");

		for (size_t j = 0; j < json_array_len(children); j++) {
			struct json_object *child = json_array_at(children, j);

			add_edge(g, (struct blockgraph_edge){
					    .parent = json_get_str(node, "node-name"),
					    .parent_is_node = true,
					    .name = json_get_str(child, "child"),
					    .child = json_get_str(child, "node-name"),
				    });
		}
	}
	for (size_t i = 0; i < json_array_len(g->devices); i++) {
		struct json_object *device = json_array_at(g->devices, i);

		add_edge(g, (struct blockgraph_edge){
				    .parent = json_get_str(device, "device"),
				    .name = "root",
				    .child = blockgraph_device_node(device),
			    });
	}
}

int blockgraph_load(struct qmp *q, struct blockgraph *g, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r;

	*g = (struct blockgraph){ 0 };
	r = qmp_execute(q, "query-block", NULL, &g->devices, err);
	if (r < 0)
		return r;
	r = qmp_execute(q, "query-named-block-nodes", json_put_bool(json_new_obj(), "flat", true), &g->nodes,
			err);
	if (r < 0)
		return r;
	/* its name marks it as internal, but QEMU has it since 4.0, and before 10.1 there is no other way */
	r = qmp_execute(q, "x-debug-query-block-graph", NULL, &g->debug, &mine);
	if (r < 0 && r != ERR_PEER) {
		error_keep_first(err, &mine);
		return r;
	}
	if (g->debug)
		edges_from_debug(g);
	else
		edges_from_children(g);
	return 0;
}

struct json_object *blockgraph_node(const struct blockgraph *g, const char *name)
{
	for (size_t i = 0; name && i < json_array_len(g->nodes); i++) {
		struct json_object *node = json_array_at(g->nodes, i);
		const char *s = json_get_str(node, "node-name");

		if (s && !strcmp(s, name))
			return node;
	}
	return NULL;
}

const char *blockgraph_driver(const struct blockgraph *g, const char *name)
{
	const char *driver = json_get_str(blockgraph_node(g, name), "drv");

	return driver ? driver : "";
}

const char *blockgraph_child(const struct blockgraph *g, const char *parent, const char *edge)
{
	for (size_t i = 0; i < g->n_edges; i++) {
		const struct blockgraph_edge *e = &g->edges[i];

		if (e->parent_is_node && !strcmp(e->parent, parent) && !strcmp(e->name, edge))
			return e->child;
	}
	return NULL;
}

const struct blockgraph_edge *blockgraph_parent_node(const struct blockgraph *g, const char *child,
						     const char *edge)
{
	for (size_t i = 0; i < g->n_edges; i++) {
		const struct blockgraph_edge *e = &g->edges[i];

		if (e->parent_is_node && !strcmp(e->child, child) && !strcmp(e->name, edge))
			return e;
	}
	return NULL;
}

bool blockgraph_has_parent(const struct blockgraph *g, const char *child)
{
	for (size_t i = 0; i < g->n_edges; i++)
		if (!strcmp(g->edges[i].child, child))
			return true;
	return false;
}

const char *blockgraph_device_node(struct json_object *device)
{
	return json_get_str(json_get_obj(device, "inserted"), "node-name");
}

struct json_object *blockgraph_device_of(const struct blockgraph *g, const char *node)
{
	for (size_t i = 0; i < json_array_len(g->devices); i++) {
		struct json_object *device = json_array_at(g->devices, i);
		const char *name = blockgraph_device_node(device);

		if (name && !strcmp(name, node) && json_get_str(device, "qdev"))
			return device;
	}
	return NULL;
}
