#include "qemu/detached.h"

#include <stdbool.h>

#include "base/strv.h"
#include "qemu/names.h"
#include "qemu/nodes.h"

/* Facts: libvirt names its nodes libvirt-<n>-format, -storage and, between the two, -slice (since 4.7). */
#define LIBVIRT_PREFIX "libvirt-"

static void add_with_children(const struct blockgraph *g, const char *node, char ***ret)
{
	if (!node || !str_prefix(node, LIBVIRT_PREFIX, NULL) || strv_contains(*ret, node))
		return;
	strv_add(ret, node);
	for (size_t i = 0; i < g->n_edges; i++)
		if (g->edges[i].parent_is_node && !strcmp(g->edges[i].parent, node))
			add_with_children(g, g->edges[i].child, ret);
}

char **graph_below_filters(const struct blockgraph *g)
{
	char **names = NULL;

	for (size_t i = 0; i < g->n_edges; i++)
		if (g->edges[i].parent_is_node && graph_is_ours(g->edges[i].parent) &&
		    !strcmp(blockgraph_driver(g, g->edges[i].parent), "copy-before-write"))
			add_with_children(g, g->edges[i].child, &names);
	return names;
}

/* Deleted nodes count no more. */
static bool is_used(const struct blockgraph *g, const char *node, char *const *deleted)
{
	for (size_t i = 0; i < g->n_edges; i++) {
		const struct blockgraph_edge *e = &g->edges[i];

		if (!strcmp(e->child, node) && !(e->parent_is_node && strv_contains(deleted, e->parent)))
			return true;
	}
	return false;
}

int graph_del_unused(struct qmp *q, const struct blockgraph *g, char *const *names, struct error **err)
{
	_cleanup_strv_ char **deleted = NULL;
	int r = 0;

	for (; names && *names && r == 0; names++) {
		if (!blockgraph_node(g, *names) || is_used(g, *names, deleted))
			continue;
		r = graph_del_node(q, *names, err);
		strv_add(&deleted, *names);
	}
	return r;
}
