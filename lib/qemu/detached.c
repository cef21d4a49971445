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

static int del_if_unused(struct qmp *q, const char *name, struct error **err)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	int r;

	r = blockgraph_load(q, &g, err);
	if (r < 0 || !blockgraph_node(&g, name) || blockgraph_has_parent(&g, name))
		return r;
	return graph_del_node(q, name, err);
}

int graph_del_unused(struct qmp *q, char *const *names, struct error **err)
{
	for (; names && *names; names++) {
		int r = del_if_unused(q, *names, err);

		if (r < 0)
			return r;
	}
	return 0;
}
