/*
 * The block graph of a QEMU as it was at one moment: nodes, who is whose child, guest devices.
 * Everything returned is borrowed from the view.
 */
#ifndef VZDUMP_QEMU_VIEW_H
#define VZDUMP_QEMU_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"
#include "qemu/qmp.h"

struct view_edge {
	const char *parent; /* node, or the name of a device's or export's backend */
	bool parent_is_node;
	const char *name;  /* "file", "backing", "target", "root" */
	const char *child; /* node */
};

struct view {
	struct json_object *nodes;   /* query-named-block-nodes */
	struct json_object *devices; /* query-block */
	struct json_object *debug;   /* x-debug-query-block-graph; NULL if children are in nodes */
	struct view_edge *edges;
	size_t n_edges;
};

int view_load(struct qmp *q, struct view *v, struct error **err);
void view_clear(struct view *v);
#define _cleanup_view_ _cleanup_(view_clear)

struct json_object *view_node(const struct view *v, const char *name);
/* Name of the node's driver, "" for an unknown node. */
const char *view_driver(const struct view *v, const char *name);
/* Name of the child by that edge, or NULL. */
const char *view_child(const struct view *v, const char *parent, const char *edge);
/* The first edge that leads to the node from another node with that edge name, or NULL. */
const struct view_edge *view_parent_node(const struct view *v, const char *child, const char *edge);
bool view_has_parent(const struct view *v, const char *child);
/* The query-block entry of the guest device whose root node this is, or NULL. */
struct json_object *view_device_of(const struct view *v, const char *node);

/* The node a device of query-block has, or NULL (no medium). */
const char *view_device_node(struct json_object *device);

#endif
