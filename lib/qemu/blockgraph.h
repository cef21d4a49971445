/*
 * The block graph of a QEMU as it was at one moment: nodes, their parents and children, guest devices.
 * Everything that these functions return is borrowed from it.
 */
#ifndef VZDUMP_QEMU_BLOCKGRAPH_H
#define VZDUMP_QEMU_BLOCKGRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"
#include "qemu/qmp.h"

struct blockgraph_edge {
	const char *parent; /* node, or the name of a device's or export's backend */
	bool parent_is_node;
	const char *name;  /* "file", "backing", "target", "root" */
	const char *child; /* node */
};

struct blockgraph {
	struct json_object *nodes;   /* query-named-block-nodes */
	struct json_object *devices; /* query-block */
	struct json_object *debug;   /* x-debug-query-block-graph; NULL if children are in nodes */
	struct blockgraph_edge *edges;
	size_t n_edges;
};

/* Asks QEMU for the graph.  The caller clears *g, also after an error. */
int blockgraph_load(struct qmp *q, struct blockgraph *g, struct error **err);
void blockgraph_clear(struct blockgraph *g);
#define _cleanup_blockgraph_ _cleanup_(blockgraph_clear)

/* The entry of query-named-block-nodes, or NULL. */
struct json_object *blockgraph_node(const struct blockgraph *g, const char *name);
/* Name of the node's driver, "" for an unknown node. */
const char *blockgraph_driver(const struct blockgraph *g, const char *name);
/* Name of the child by that edge, or NULL. */
const char *blockgraph_child(const struct blockgraph *g, const char *parent, const char *edge);
/* The first edge that leads to the node from another node with that edge name, or NULL. */
const struct blockgraph_edge *blockgraph_parent_node(const struct blockgraph *g, const char *child,
						     const char *edge);
bool blockgraph_has_parent(const struct blockgraph *g, const char *child);
/* The query-block entry of the guest device whose root node this is, or NULL. */
struct json_object *blockgraph_device_of(const struct blockgraph *g, const char *node);

/* The root node of a device of query-block, or NULL (no medium). */
const char *blockgraph_device_node(struct json_object *device);

#endif
